// Byte strings: one character a byte, as MapShard keeps keys and values.

import { ByteBuffer, type Bytes } from "../bytes.ts";
import { keyed } from "../hash.ts";

/** The bytes as a string. */
export function byteString(run: Bytes): string {
  return run.byteString ?? run.bytes.toString("latin1", run.start, run.end);
}

/** The string as bytes. */
export function bytesOf(text: string): Bytes {
  const buffer = new ByteBuffer(text.length);
  buffer.appendByteString(text);
  return buffer;
}

/** The hash of a key, as the index of a shared shard without a seed has it. */
export function hashOf({ bytes, start, end }: Bytes): number {
  return keyed(bytes, start, end, 0);
}
