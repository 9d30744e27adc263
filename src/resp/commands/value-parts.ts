// Reads of long values in parts, so that a worker neither copies a value of 512 MB nor computes on it at once.

import { type Bytes, ByteBuffer, MISS } from "../../cache/cache.ts";
import type { CommandContext } from "./context.ts";
import type { Failure } from "./failure.ts";
import { inSlices, type WriteReply } from "./slices.ts";

/** Bytes of one part: it stays in the cache of a core, and a count of its bits takes 0.12 ms. */
export const PART_BYTES = 256 * 1024;
/** A value of at most this size is read as of one moment. A count of its bits takes 4 ms. */
export const ONE_MOMENT_BYTES = 8 * 2 ** 20;

/** A computation on the bytes of a value. */
export interface ValueReader {
  /**
   * Begins the computation on a value of this length, or on no value. Returns the range of bytes to read. It is
   * called again if the value has changed meanwhile.
   */
  begin(length: number | undefined): { readonly start: number; readonly end: number };
  /** Reads `bytes[0, length)`, which are at `at` in the value. Returns whether it needs further parts. */
  read(bytes: Buffer<ArrayBuffer>, length: number, at: number): boolean;
}

/** Returns a copy of a key that stays valid while the command waits. */
export function ownBytes({ bytes, start, end }: Bytes): Bytes {
  return { bytes: Buffer.from(bytes.subarray(start, end)), start: 0, end: end - start };
}

/**
 * Passes a value to the reader and then calls `write`. A value of more than ONE_MOMENT_BYTES is read in slices
 * of time: a write between two slices is seen in part. O(bytes of the range).
 */
export function readValue(
  context: CommandContext,
  key: Bytes,
  reader: ValueReader,
  write: WriteReply,
): void | Failure {
  const { cache, nowMs } = context;
  const length = cache.look(key, nowMs, true)?.valueBytes;
  cache.countGet(length !== undefined);
  if ((length ?? 0) <= ONE_MOMENT_BYTES) {
    cache.consistently([key], () => {
      const { start, end } = reader.begin(cache.look(key, nowMs)?.valueBytes);
      for (let at = start; at < end && readPart(context, key, reader, at, end); at += PART_BYTES);
    });
    return write();
  }
  const own = ownBytes(key);
  const { start, end } = reader.begin(length);
  let at = start;
  const step = (): boolean => {
    const continues = at < end && readPart(context, own, reader, at, end);
    at += PART_BYTES;
    return !continues;
  };
  return inSlices(context, step, write);
}

/** Returns whether the reader needs further parts. */
function readPart(
  context: CommandContext,
  key: Bytes,
  reader: ValueReader,
  at: number,
  end: number,
): boolean {
  const { scratch } = context;
  const length = copyPart(context, key, at, Math.min(end, at + PART_BYTES), scratch);
  return length > 0 && reader.read(scratch.bytes, length, at);
}

/** Replaces the content of `into` by bytes of a value. Returns their number; 0 if there is no value. */
export function copyPart(
  { cache, nowMs }: CommandContext,
  key: Bytes,
  start: number,
  end: number,
  into: ByteBuffer,
): number {
  into.clear();
  const length = cache.getRange(key, nowMs, start, end - 1, into);
  return length === MISS ? 0 : length;
}
