// How large a shard may be.

/** Every byte offset is a positive 32-bit integer, which JSC computes with fastest. */
const MAX_BYTES = 2 ** 31 - 2 ** 16;
const MIN_BYTES = 2 ** 13;
const UNIT = 8;

/** Bytes of a shard: `wanted`, or as near as a shard can have. */
export function shardBytes(wanted: number): number {
  return Math.floor(Math.min(MAX_BYTES, Math.max(MIN_BYTES, wanted)) / UNIT) * UNIT;
}
