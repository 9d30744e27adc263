// The memory of a cache, which its threads share.

import { allocateClock } from "./clock.ts";
import { allocateFeed } from "./feed.ts";
import { randomSeed } from "./hash.ts";
import { type CacheOptions, shardMemory } from "./options.ts";
import { allocateChangeHook } from "./store/change-hook.ts";
import { allocateCounters } from "./store/counters.ts";
import { SharedShard } from "./store/shared/shared-shard.ts";
import { Tables, type TablesMemory } from "./store/shared/tables.ts";
import { allocateWatchTable } from "./watch-table.ts";

/** Plain data that can be posted to a worker. */
export interface CacheMemory {
  readonly clock: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly changes: SharedArrayBuffer;
  readonly watches: SharedArrayBuffer;
  readonly feed: SharedArrayBuffer;
  readonly tables: TablesMemory;
  /** One for each shard, by its number; empty for the store "map". */
  readonly shards: readonly SharedArrayBuffer[];
}

/** Returns memory for an empty cache that `threads` threads can attach to. The options are from `fitOptions`. */
export function allocateCache(options: CacheOptions, threads: number): CacheMemory {
  const bytes = shardMemory(options);
  const shared = options.store === "shared" ? options.shards : 0;
  // All shards have the same seed, so the hash of a key is known before its shard is.
  const seed = randomSeed();
  return {
    clock: allocateClock(),
    counters: allocateCounters(threads),
    changes: allocateChangeHook(threads),
    watches: allocateWatchTable(options.shards, threads),
    feed: allocateFeed(threads),
    tables: Tables.allocate(options.memoryBytes),
    shards: Array.from({ length: shared }, () => SharedShard.allocate(bytes, options.evicts, seed)),
  };
}
