// Upkeep of a cache in the background: frees what has expired, and tells when it is full.

import type { Cache } from "./cache.ts";

/** For the log. */
export const EVICTION_BEGAN = "eviction began";

/** Every tick looks at a fiftieth of the entries, so an expired one is freed within 5 s. */
const SWEEP_EVERY_MS = 100;
const SWEEP_SHARE = 1 / 50;
const SWEEP_AT_LEAST = 1000;
/** While more than a twentieth of what a step looked at had expired, the tick goes on for so long. */
const EXPIRED_SHARE = 1 / 20;
const STEP_ENTRIES = 10_000;
const LONGEST_TICK_MS = 25;

/** Sweeps until the thread ends; calls `evictionBegan` once. */
export function startUpkeep(cache: Cache, evictionBegan: () => void): void {
  let hasEvicted = false;
  setInterval(() => {
    const { entries, evicted } = cache.figures();
    if (evicted > 0 && !hasEvicted) evictionBegan();
    hasEvicted = evicted > 0;
    sweep(cache, Math.max(SWEEP_AT_LEAST, Math.ceil(entries * SWEEP_SHARE)));
  }, SWEEP_EVERY_MS);
}

/** Looks at `atLeast` entries, and at more while that is worth it: as Redis's active expiry does. */
function sweep(cache: Cache, atLeast: number): void {
  // Notices that the machine has slept, which the time then makes up for.
  void cache.clock.offsetMs;
  const nowMs = cache.clock.now();
  const endMs = performance.now() + LONGEST_TICK_MS;
  for (let left = atLeast; left > 0 || performance.now() < endMs; left -= STEP_ENTRIES) {
    const step = left > 0 ? Math.min(left, STEP_ENTRIES) : STEP_ENTRIES;
    const before = cache.figures().expired;
    cache.sweep(nowMs, step);
    const freed = cache.figures().expired - before;
    if (left <= STEP_ENTRIES && freed < step * EXPIRED_SHARE) return;
  }
}
