// The options of a cache, and how they are fitted to its memory.

import { SharedShard } from "./store/shared/shared-shard.ts";
import { NEVER } from "./store/shard.ts";
import { tagTableBytes } from "./store/shared/tags.ts";

/** In smaller shards a segment is so short that entries of 100 bytes take a run of their own. */
const SHARD_BYTES_MIN = 2 ** 18;

export interface CacheOptions {
  /** "shared": entries in shared memory, for any number of threads; "map": in this thread's Maps. */
  readonly store: "shared" | "map";
  /** 1 to 65,535; `fitOptions` lowers it where the memory is small. */
  readonly shards: number;
  /** Points on the ring for each shard, at least 1. */
  readonly virtualNodes: number;
  /** Bytes of all shards together, and of the table of tags. */
  readonly memoryBytes: number;
  /** Whether a full shard evicts entries; otherwise it rejects new ones. */
  readonly evicts: boolean;
  readonly maxKeyBytes: number;
  /** `fitOptions` lowers it where the memory is small. */
  readonly maxValueBytes: number;
  /** Time to live of an entry that is put without one; NEVER: it does not expire. */
  readonly defaultTtlMs: number;
  /** No entry lives longer. */
  readonly maxTtlMs: number;
}

/** Options of a cache for one thread: the defaults of the service on a small machine. */
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
 * Fits options to the memory: returns fewer shards, so that each can hold the largest entry and
 * enough entries to choose from. If one shard cannot, returns a smaller `maxValueBytes`.
 */
export function fitOptions(wanted: CacheOptions): CacheOptions {
  const { memoryBytes, maxKeyBytes, maxValueBytes } = wanted;
  const least = Math.max(SHARD_BYTES_MIN, SharedShard.bytesFor(maxKeyBytes, maxValueBytes));
  const room = shardMemory({ memoryBytes, shards: 1 });
  const shards = Math.max(1, Math.min(wanted.shards, Math.floor(room / least)));
  const largest = SharedShard.largestValue(shardMemory({ memoryBytes, shards }), maxKeyBytes);
  return { ...wanted, shards, maxValueBytes: Math.min(maxValueBytes, largest) };
}

/** Bytes of each shard: its part of the memory beside the table of tags. */
export function shardMemory({
  memoryBytes,
  shards,
}: Pick<CacheOptions, "memoryBytes" | "shards">): number {
  return (memoryBytes - tagTableBytes(memoryBytes)) / shards;
}
