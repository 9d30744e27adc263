// The control plane of a cache: sweeping, stats, recovery of threads, and the check of its laws.
// Callers are the supervisor, the maintenance loop, the metrics and tests, never a client's request for
// an entry: those are in cache.ts.

import type { RoutedKey } from "./bytes.ts";
import { type CacheStats, expiredRatio, sumStats } from "./stats.ts";
import type { ChangeFeed } from "./feed.ts";
import type { Counters } from "./store/counters.ts";
import type { ChangeHook } from "./store/change-hook.ts";
import { DATABASES_MAX } from "./databases.ts";
import { SharedShard } from "./store/shared/shared-shard.ts";
import type { Leases } from "./leases.ts";
import type { Shard, ShardStats } from "./store/shard.ts";

/** The consumers of changes, the hook that reports to them, and the leases. */
interface ChangeConsumers {
  readonly leases: Leases;
  readonly changes: ChangeHook;
  readonly feed: ChangeFeed;
}

/** Entries of a database; an expired entry counts until it is swept. */
export interface DatabaseStats {
  readonly entries: number;
  /** Entries that have an expiry. */
  readonly expiring: number;
}

export class Maintenance {
  readonly #shards: readonly Shard[];
  readonly #counters: Counters;
  readonly #counterMemory: SharedArrayBuffer;
  readonly #consumers: ChangeConsumers;
  /** Number of the shard that the next sweep begins with. */
  #sweepShard = 0;

  constructor(
    shards: readonly Shard[],
    counters: Counters,
    counterMemory: SharedArrayBuffer,
    consumers: ChangeConsumers,
  ) {
    this.#consumers = consumers;
    this.#shards = shards;
    this.#counters = counters;
    this.#counterMemory = counterMemory;
  }

  /** Frees expired entries among the next `maxEntries`, shard after shard. O(maxEntries + shards). */
  sweep(nowMs: number, maxEntries: number): void {
    let left = maxEntries;
    for (let ended = 0; ended < this.#shards.length && left > 0; ended++) {
      left -= this.#shards[this.#sweepShard]?.sweep(nowMs, left) ?? 0;
      // A shard that used up `left` may not be at its end: the next call continues there.
      if (left > 0) this.#sweepShard = (this.#sweepShard + 1) % this.#shards.length;
    }
  }

  /**
   * Frees the locks that `thread`, which has ended, still holds, and ends its watches and listeners. A
   * shard that it was writing to is emptied. Afterwards another thread may take its number. For the
   * supervisor, which waits for no lock. O(shards).
   */
  recoverThread(thread: number): void {
    this.#counters.add("lostThread");
    const { changes, feed, leases } = this.#consumers;
    feed.recoverThread(thread);
    leases.tables.recoverThread(thread);
    for (const shard of this.#shards) if (shard instanceof SharedShard) shard.recoverThread(thread);
    changes.recoverThread(thread);
  }

  /**
   * Removes the entry of a key that Cache.route has found, without waiting: returns false if another
   * thread, which may have ended, has the lock of its shard. Not for calls inside a step. O(1).
   */
  tryDelete(key: RoutedKey, nowMs: number): boolean {
    const shard = this.#shards[key.shard];
    if (shard?.lock(false) !== true) return false;
    try {
      shard.delete(key, nowMs, key.hash);
    } finally {
      shard.unlock();
    }
    return true;
  }

  /**
   * Fraction of the bytes of keys and values that have expired and are not swept yet, 0 to 1. It comes
   * from a sample of `count` random slots of the index. O(count).
   */
  expiredRatio(nowMs: number, count: number): number {
    return expiredRatio(this.#shards, nowMs, count);
  }

  /** The stats of each shard, by its number on the ring. */
  shardStats(): ShardStats[] {
    return this.#shards.map((shard) => shard.stats());
  }

  /** Sums over all shards and threads since the start; exact while no thread writes. O(shards). */
  stats(): CacheStats {
    return sumStats(this.#shards, this.#counterMemory, this.#consumers.leases.tables);
  }

  /** Returns the entries of each database, by its number. O(shards). */
  databaseStats(): DatabaseStats[] {
    const counts = new Float64Array(2 * DATABASES_MAX);
    for (const shard of this.#shards) shard.addDatabaseCounts(counts);
    return Array.from({ length: DATABASES_MAX }, (_, number) => {
      return { entries: counts[number] ?? 0, expiring: counts[DATABASES_MAX + number] ?? 0 };
    });
  }

  /** Throws if a law of any shard does not hold. O(entries), for tests. */
  verify(): void {
    for (const shard of this.#shards) shard.check();
  }
}
