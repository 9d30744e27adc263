// Stats of a cache: sums over all its shards and threads.

import { sumOf } from "./store/counters.ts";
import { SharedShard } from "./store/shared/shared-shard.ts";
import type { Tables } from "./store/shared/tables.ts";
import { STAT_NAMES, NO_STATS, type Shard, type ShardStats } from "./store/shard.ts";

/** Sums over all shards and threads; counts since the start. */
export interface CacheStats extends ShardStats {
  readonly hit: number;
  readonly miss: number;
  /** Calls of `recoverThread`. */
  readonly lostThreads: number;
  /** How often a lock was not free at once, and how long threads waited for it in total. */
  readonly lockWaits: number;
  readonly lockWaitMicros: number;
  readonly leasesGranted: number;
  /** Requests that waited for the lease of another caller. */
  readonly leaseWaits: number;
  readonly staleServed: number;
  /** Tags that were invalidated. */
  readonly invalidations: number;
}

/** As Maintenance.stats. O(shards). */
export function sumStats(
  shards: readonly Shard[],
  counters: SharedArrayBuffer,
  { tags }: Tables,
): CacheStats {
  const sums = { ...NO_STATS };
  for (const shard of shards) {
    const stats = shard.stats();
    for (const name of STAT_NAMES) sums[name] += stats[name];
  }
  return {
    ...sums,
    memory: sums.memory + tags.bytes,
    used: sums.used + tags.usedBytes,
    hit: sumOf(counters, "hit"),
    miss: sumOf(counters, "miss"),
    lostThreads: sumOf(counters, "lostThread"),
    lockWaits: sumOf(counters, "lockWait"),
    lockWaitMicros: sumOf(counters, "lockWaitMicros"),
    leasesGranted: sumOf(counters, "leaseGranted"),
    leaseWaits: sumOf(counters, "leaseWait"),
    staleServed: sumOf(counters, "staleServed"),
    invalidations: sumOf(counters, "invalidation"),
  };
}

/** As Maintenance.expiredRatio. */
export function expiredRatio(shards: readonly Shard[], nowMs: number, count: number): number {
  let all = 0;
  let expired = 0;
  for (let n = 0; n < count; n++) {
    const shard = shards[Math.floor(Math.random() * shards.length)];
    if (!(shard instanceof SharedShard)) return 0;
    const { bytes, isExpired } = shard.peek(Math.random(), nowMs);
    all += bytes;
    if (isExpired) expired += bytes;
  }
  return all === 0 ? 0 : expired / all;
}
