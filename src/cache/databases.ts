// The databases of the Redis port share the shards: a key carries the number of its database.
//
//   key of database 0                      as it is, unless it begins with 0xFF
//   key of database 1 to 15, or such a key 0xFF, number of the database, key
//   key that SWAPDB is moving              0xFF, SWAPPING, key
//
// HTTP uses database 0.

import type { Bytes } from "./bytes.ts";

/** Number of databases at most. */
export const DATABASES_MAX = 16;
/** First byte of each key that has a prefix. */
export const PREFIX_MARK = 0xff;
/** Bytes of the prefix. */
export const KEY_PREFIX_BYTES = 2;
/** The "database" of keys that SWAPDB is moving, which clients do not see. */
export const INTERNAL = -1;
/** The prefix of keys that SWAPDB moves from one database to the other. */
export const SWAPPING = 0x1f;

/** Returns the database of a key as it is stored, or INTERNAL. */
export function databaseOf({ bytes, start, end }: Bytes): number {
  if (bytes[start] !== PREFIX_MARK || end - start < KEY_PREFIX_BYTES) return 0;
  const number = bytes[start + 1] ?? 0;
  return number < DATABASES_MAX ? number : INTERNAL;
}

/** Returns the number of bytes before the client's part of a key as it is stored. */
export function prefixBytesOf({ bytes, start, end }: Bytes): number {
  return bytes[start] === PREFIX_MARK && end - start >= KEY_PREFIX_BYTES ? KEY_PREFIX_BYTES : 0;
}

/** Returns whether a client's key is stored with a prefix. */
export function needsPrefix(database: number, { bytes, start, end }: Bytes): boolean {
  return database !== 0 || (bytes[start] === PREFIX_MARK && end > start);
}

/** Returns the key as it is stored: itself, or a copy with its prefix. `prefix`: a database, or SWAPPING. */
export function storedKey(prefix: number, key: Bytes): Bytes {
  if (!needsPrefix(prefix, key)) return key;
  const { bytes, start, end } = key;
  const stored = Buffer.allocUnsafe(KEY_PREFIX_BYTES + end - start);
  stored[0] = PREFIX_MARK;
  stored[1] = prefix;
  bytes.copy(stored, KEY_PREFIX_BYTES, start, end);
  return { bytes: stored, start: 0, end: stored.length };
}

/** Returns the client's part of a key as it is stored. */
export function clientKey(key: Bytes): Bytes {
  const { bytes, start, end } = key;
  return { bytes, start: start + prefixBytesOf(key), end };
}
