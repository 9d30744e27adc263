// Background work of a cache: frees expired entries, and reports that eviction has begun.

import type { Cache } from "../cache/cache.ts";

/** The name of the log event. */
export const EVICTION_BEGAN = "eviction began";

/**
 * While entries are put, deleted or expire, each tick sweeps a fiftieth of the entries: an expired
 * entry is freed within 5 s.
 */
const BUSY_TICK_MS = 100;
const BUSY_SWEEP_RATIO = 1 / 50;
const BUSY_ENTRIES_MIN = 1000;
/**
 * At rest each tick sweeps a 60th of the entries, 20,000 at least: an expired entry is freed within
 * 5 s in a cache of 100,000 entries, and within a minute in any other.
 */
const REST_TICK_MS = 1000;
const REST_SWEEP_RATIO = 1 / 60;
const REST_ENTRIES_MIN = 20_000;
/** After this number of ticks without a change the cache is at rest: each entry was swept once. */
const TICKS_TO_REST = 50;
/** A tick continues while more than this part of a step's entries had expired, up to TICK_MS_MAX. */
const EXPIRED_RATIO = 1 / 20;
const STEP_ENTRIES = 10_000;
const TICK_MS_MAX = 25;

/** Sweeps until the thread ends, except while `isPaused` returns true; calls `evictionBegan` once. */
export function startMaintenance(
  cache: Cache,
  evictionBegan: () => void,
  isPaused: () => boolean = () => false,
): void {
  let hasEvicted = false;
  let changesBefore = -1;
  let quietTicks = 0;
  const tick = (): void => {
    const stats = cache.maintenance.stats();
    const { evicted, inserted, deleted, expired } = stats;
    const entries = stats.entries + stats.hidden;
    const expiring = stats.expiring + stats.hidden;
    if (evicted > 0 && !hasEvicted) evictionBegan();
    hasEvicted = evicted > 0;
    const changes = evicted + inserted + deleted + expired;
    quietTicks = changes === changesBefore ? quietTicks + 1 : 0;
    changesBefore = changes;
    const isResting = quietTicks >= TICKS_TO_REST;
    const [entriesMin, ratio] = isResting
      ? [REST_ENTRIES_MIN, REST_SWEEP_RATIO]
      : [BUSY_ENTRIES_MIN, BUSY_SWEEP_RATIO];
    if (expiring > 0 && !isPaused()) sweep(cache, Math.max(entriesMin, Math.ceil(entries * ratio)));
    setTimeout(tick, isResting || expiring === 0 ? REST_TICK_MS : BUSY_TICK_MS);
  };
  setTimeout(tick, BUSY_TICK_MS);
}

/** Sweeps `entries` entries, and more while many have expired: Redis's active expiry does the same. */
function sweep(cache: Cache, entries: number): void {
  // Reading the offset detects that the machine was suspended, and corrects the clock.
  void cache.clock.offsetMs;
  const nowMs = cache.clock.now();
  const endMs = performance.now() + TICK_MS_MAX;
  for (let left = entries; left > 0 || performance.now() < endMs; left -= STEP_ENTRIES) {
    const step = left > 0 ? Math.min(left, STEP_ENTRIES) : STEP_ENTRIES;
    const before = cache.maintenance.stats().expired;
    cache.maintenance.sweep(nowMs, step);
    const freed = cache.maintenance.stats().expired - before;
    if (left <= STEP_ENTRIES && freed < step * EXPIRED_RATIO) return;
  }
}
