// What the figures were in the last minutes, for the sparklines.

import type { LiveStats } from "../live/stats.ts";

/** What a sparkline shows, if it has the columns. */
export const HISTORY_SECONDS = 300;
/** A column of less would have gaps: a figure that comes late is two in the next second. */
const MIN_CELL_SECONDS = 2;

interface Sample {
  readonly atMs: number;
  readonly requestsPerSecond: number;
  readonly hitRatio: number | null;
}

/** Means of equal stretches of time, oldest first; undefined where there was no figure. */
export interface Curves {
  readonly requestsPerSecond: readonly (number | undefined)[];
  readonly hitRatio: readonly (number | undefined)[];
  /** What all of them are. */
  readonly seconds: number;
}

/** Times are those of one clock that is never put back, of the caller's choice. */
export class History {
  #samples: Sample[] = [];

  add({ requestsPerSecond, hitRatio }: LiveStats, nowMs: number): void {
    this.#samples.push({ atMs: nowMs, requestsPerSecond, hitRatio });
    // Twice that, for screens so wide that a curve shows more.
    const oldestMs = nowMs - 2 * HISTORY_SECONDS * 1000;
    if ((this.#samples[0]?.atMs ?? nowMs) < oldestMs) this.#samples.shift();
  }

  /** The last minutes in so many columns, of which the last one holds `nowMs`. */
  curves(columns: number, nowMs: number): Curves {
    const cellMs = Math.max(MIN_CELL_SECONDS, Math.ceil(HISTORY_SECONDS / columns)) * 1000;
    // Stretches begin at multiples of their length, so that a curve moves in whole columns.
    const first = Math.floor(nowMs / cellMs) - columns + 1;
    const cells = Array.from({ length: columns }, (): Sample[] => []);
    for (const sample of this.#samples)
      cells[Math.floor(sample.atMs / cellMs) - first]?.push(sample);
    return {
      seconds: (columns * cellMs) / 1000,
      requestsPerSecond: cells.map((cell) => mean(cell.map((sample) => sample.requestsPerSecond))),
      hitRatio: cells.map((cell) => mean(cell.flatMap((sample) => sample.hitRatio ?? []))),
    };
  }
}

function mean(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
