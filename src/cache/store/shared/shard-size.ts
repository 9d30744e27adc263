// How large a shard may be, and what its entries take.

import { BYTES_PER_ENTRY } from "./key-index.ts";
import { isRoomy, recordBytesOf } from "./layout.ts";
import { META_BYTES_MAX } from "./meta.ts";

/** A record is at most this fraction of the shard, and so a quarter of the smallest log. */
export const RECORD_SHARE_MAX = 1 / 8;

/** Every byte offset is a positive 32-bit integer, which JSC computes with fastest. */
const MAX_BYTES = 2 ** 31 - 2 ** 16;
const MIN_BYTES = 2 ** 13;
const UNIT = 8;

/** Bytes of a shard: `wanted`, or as near as a shard can have. */
export function shardBytes(wanted: number): number {
  return Math.floor(Math.min(MAX_BYTES, Math.max(MIN_BYTES, wanted)) / UNIT) * UNIT;
}

/** Bytes of the largest record of an entry: with room for an expiry and a meta. */
function largestRecord(keyBytes: number, valueBytes: number): number {
  return recordBytesOf(keyBytes, valueBytes + META_BYTES_MAX, true);
}

/** The smallest shard, in bytes, that takes entries of these lengths. */
export function bytesFor(keyBytes: number, valueBytes: number): number {
  return largestRecord(keyBytes, valueBytes) / RECORD_SHARE_MAX;
}

/** Bytes of the largest value that a shard of `bytes` takes with a key of this length. */
export function largestValue(bytes: number, keyBytes: number): number {
  return Math.floor(shardBytes(bytes) * RECORD_SHARE_MAX) - largestRecord(keyBytes, 0);
}

/** Bytes that an entry without meta takes, with its slot in a full index. */
export function entryBytes(
  keyBytes: number,
  valueBytes: number,
  hasExpiry: boolean,
  evicts: boolean,
): number {
  const hasRoom = isRoomy(valueBytes, hasExpiry, evicts);
  return recordBytesOf(keyBytes, valueBytes, hasRoom) + BYTES_PER_ENTRY;
}
