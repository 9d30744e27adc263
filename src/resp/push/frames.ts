// The frames that the service pushes to clients: arrays in version 2 of the protocol, push frames in version 3.

import type { ByteBuffer, Bytes } from "../../cache/cache.ts";
import { CHANNEL, PATTERN, SHARD_CHANNEL } from "./registry.ts";

export type Version = 2 | 3;

const TYPES = {
  [CHANNEL]: "message",
  [PATTERN]: "pmessage",
  [SHARD_CHANNEL]: "smessage",
} as const;
const CRLF = Buffer.from("\r\n");
const DOLLAR = 36;
const STAR = 42;
const GREATER = 62;
const ZERO = 48;
const DIGITS_MAX = 10;

/** Appends the frame of a message. A message to a pattern has the pattern before its channel. */
export function appendMessage(
  into: ByteBuffer,
  version: Version,
  kind: keyof typeof TYPES,
  parts: readonly Bytes[],
): void {
  appendHead(into, version === 3 ? GREATER : STAR, parts.length + 1);
  appendText(into, TYPES[kind]);
  for (const part of parts) appendBulk(into, part);
}

/** The channel on which a client of version 2 receives invalidations. */
const INVALIDATE_CHANNEL = "__redis__:invalidate";
const NIL = { 2: Buffer.from("$-1\r\n"), 3: Buffer.from("_\r\n") } as const;

/**
 * Appends an invalidation. `keys` is an array of keys as `appendKeys` writes it; undefined means all
 * keys. In version 2 it is a message on a channel of its own.
 */
export function appendInvalidation(
  into: ByteBuffer,
  version: Version,
  keys: Bytes | undefined,
): void {
  if (version === 3) {
    appendHead(into, GREATER, 2);
    appendText(into, "invalidate");
  } else {
    appendHead(into, STAR, 3);
    appendText(into, "message");
    appendText(into, INVALIDATE_CHANNEL);
  }
  if (keys === undefined) into.appendBytes(NIL[version]);
  else into.appendRun(keys.bytes, keys.start, keys.end);
}

/** Appends an array of keys, which are byte strings. */
export function appendKeys(into: ByteBuffer, keys: readonly string[]): void {
  appendHead(into, STAR, keys.length);
  for (const key of keys) into.appendByteString(`$${key.length}\r\n${key}\r\n`);
}

/** Appends the frame that tells a client of version 3 that the client which it redirects to is gone. */
export function appendBrokenRedirect(into: ByteBuffer, id: number): void {
  appendHead(into, GREATER, 2);
  appendText(into, "tracking-redir-broken");
  into.appendByteString(`:${id}\r\n`);
}

function appendText(into: ByteBuffer, text: string): void {
  into.appendByteString(`$${text.length}\r\n${text}\r\n`);
}

function appendBulk(into: ByteBuffer, { bytes, start, end }: Bytes): void {
  appendHead(into, DOLLAR, end - start);
  into.appendRun(bytes, start, end);
  into.appendRun(CRLF, 0, 2);
}

/** Appends a line with a sign and a number from 0 to 2^31 - 1. */
function appendHead(into: ByteBuffer, sign: number, value: number): void {
  into.reserve(DIGITS_MAX + 3);
  let digits = 1;
  for (let least = 10; least <= value; least *= 10) digits++;
  const { bytes, end } = into;
  bytes[end] = sign;
  for (let offset = end + digits, rest = value; offset > end; offset--) {
    bytes[offset] = ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  into.end = end + digits + 1;
  into.appendRun(CRLF, 0, 2);
}
