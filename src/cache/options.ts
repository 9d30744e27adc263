// What a cache is told, and what its memory can do of it.

import { SharedShard } from "./store/shared/shared-shard.ts";
import { NEVER } from "./store/shard.ts";

/** In less, segments are so small that entries of a hundred bytes lie in them like long ones. */
const SHARD_BYTES_MIN = 2 ** 18;

export interface CacheOptions {
  /** "shared": entries in shared memory, for any number of threads; "map": in this thread's Maps. */
  readonly store: "shared" | "map";
  /** 1 to 65,535; `fitOptions` makes it fewer where the memory is little. */
  readonly shards: number;
  /** Points on the ring for each shard, at least 1. */
  readonly virtualNodes: number;
  /** What all shards together may take, with all they keep: index, log, ghosts. */
  readonly memoryBytes: number;
  /** What a full shard does: make room, or take no new entries. */
  readonly evicts: boolean;
  readonly maxKeyBytes: number;
  /** `fitOptions` makes it less where the memory is little. */
  readonly maxValueBytes: number;
  /** Lifetime of an entry that is put without one; NEVER for good. */
  readonly defaultTtlMs: number;
  /** No entry lives longer. */
  readonly maxTtlMs: number;
}

/** Of a cache for one thread, as the service has them, for a small machine. */
export const SINGLE_THREAD_DEFAULTS: CacheOptions = {
  store: "shared",
  shards: 64,
  virtualNodes: 1024,
  memoryBytes: 2 ** 28,
  evicts: true,
  maxKeyBytes: 1024,
  maxValueBytes: 2 ** 16,
  defaultTtlMs: NEVER,
  maxTtlMs: NEVER,
};

/**
 * What the memory can do of what is wanted: fewer shards, so that each can hold the largest entry
 * and entries enough to choose from, and where not even one can, smaller values.
 */
export function fitOptions(wanted: CacheOptions): CacheOptions {
  const { memoryBytes, maxKeyBytes, maxValueBytes } = wanted;
  const least = Math.max(SHARD_BYTES_MIN, SharedShard.bytesFor(maxKeyBytes, maxValueBytes));
  const shards = Math.max(1, Math.min(wanted.shards, Math.floor(memoryBytes / least)));
  const largest = SharedShard.largestValue(memoryBytes / shards, maxKeyBytes);
  return { ...wanted, shards, maxValueBytes: Math.min(maxValueBytes, largest) };
}
