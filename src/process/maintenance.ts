// Upkeep of a cache in the background: frees what has expired, and tells when it is full.

import type { Cache } from "../cache/cache.ts";

/** For the log. */
export const EVICTION_BEGAN = "eviction began";

/** While entries come, go or expire, every tick looks at a fiftieth of them: an expired one is freed within 5 s. */
const SWEEP_EVERY_MS = 100;
const SWEEP_SHARE = 1 / 50;
const SWEEP_AT_LEAST = 1000;
/** At rest a tick looks at so many, or a 60th: within 5 s for 100,000 entries, within a minute for any number. */
const REST_EVERY_MS = 1000;
const REST_SHARE = 1 / 60;
const REST_AT_LEAST = 20_000;
/** Ticks without a change after which it rests: all entries have been looked at once. */
const TICKS_TO_REST = 50;
/** While more than a twentieth of what a step looked at had expired, the tick goes on for so long. */
const EXPIRED_SHARE = 1 / 20;
const STEP_ENTRIES = 10_000;
const LONGEST_TICK_MS = 25;

/** Sweeps until the thread ends; calls `evictionBegan` once. */
export function startMaintenance(cache: Cache, evictionBegan: () => void): void {
  let hasEvicted = false;
  let changesBefore = -1;
  let quietTicks = 0;
  const tick = (): void => {
    const { entries, expiring, evicted, inserted, deleted, expired } = cache.stats();
    if (evicted > 0 && !hasEvicted) evictionBegan();
    hasEvicted = evicted > 0;
    const changes = evicted + inserted + deleted + expired;
    quietTicks = changes === changesBefore ? quietTicks + 1 : 0;
    changesBefore = changes;
    const isResting = quietTicks >= TICKS_TO_REST;
    const [atLeast, share] = isResting
      ? [REST_AT_LEAST, REST_SHARE]
      : [SWEEP_AT_LEAST, SWEEP_SHARE];
    if (expiring > 0) sweep(cache, Math.max(atLeast, Math.ceil(entries * share)));
    setTimeout(tick, isResting || expiring === 0 ? REST_EVERY_MS : SWEEP_EVERY_MS);
  };
  setTimeout(tick, SWEEP_EVERY_MS);
}

/** Looks at `atLeast` entries, and at more while that is worth it: as Redis's active expiry does. */
function sweep(cache: Cache, atLeast: number): void {
  // Notices that the machine has slept, which the time then makes up for.
  void cache.clock.offsetMs;
  const nowMs = cache.clock.now();
  const endMs = performance.now() + LONGEST_TICK_MS;
  for (let left = atLeast; left > 0 || performance.now() < endMs; left -= STEP_ENTRIES) {
    const step = left > 0 ? Math.min(left, STEP_ENTRIES) : STEP_ENTRIES;
    const before = cache.stats().expired;
    cache.sweep(nowMs, step);
    const freed = cache.stats().expired - before;
    if (left <= STEP_ENTRIES && freed < step * EXPIRED_SHARE) return;
  }
}
