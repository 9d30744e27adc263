// Upkeep of a cache in the background: frees what has expired.

import type { Cache } from "./cache.ts";

/** Every tick looks at a fiftieth of the entries, so an expired one is freed within 5 s. */
const SWEEP_EVERY_MS = 100;
const SWEEP_SHARE = 1 / 50;
const SWEEP_AT_LEAST = 1000;

/** Sweeps until the thread ends. */
export function startUpkeep(cache: Cache): void {
  setInterval(() => {
    const { entries } = cache.figures();
    cache.sweep(Date.now(), Math.max(SWEEP_AT_LEAST, Math.ceil(entries * SWEEP_SHARE)));
  }, SWEEP_EVERY_MS);
}
