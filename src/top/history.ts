// The stats of the last minutes, for the sparklines.

import type { Sample as Recorded } from "../live/history.ts";
import type { LiveStats } from "../live/stats.ts";

/** Seconds that a sparkline shows; a very wide one shows more. */
export const HISTORY_SECONDS = 300;
/** Shorter cells would have gaps: after a late sample, the next second has two. */
const CELL_SECONDS_MIN = 2;

interface Sample {
  readonly timeMs: number;
  readonly requestsPerSecond: number;
  readonly hitRatio: number | null;
}

/** Means over cells of equal length, oldest first; undefined for a cell without samples. */
export interface Curves {
  readonly requestsPerSecond: readonly (number | undefined)[];
  readonly hitRatio: readonly (number | undefined)[];
  /** Length of all cells together. */
  readonly seconds: number;
}

/** All times are of one clock that never goes back; the caller chooses it. */
export class History {
  #samples: Sample[] = [];

  add({ requestsPerSecond, hitRatio }: LiveStats, nowMs: number): void {
    this.#samples.push({ timeMs: nowMs, requestsPerSecond, hitRatio });
    // Twice HISTORY_SECONDS, for screens so wide that a curve shows more.
    const oldestMs = nowMs - 2 * HISTORY_SECONDS * 1000;
    if ((this.#samples[0]?.timeMs ?? nowMs) < oldestMs) this.#samples.shift();
  }

  /**
   * Takes the samples that the service has recorded, the newest of which is current, in place of its own
   * of the same time.
   */
  addPast(past: readonly Recorded[], nowMs: number): void {
    const latestMs = past.at(-1)?.timeMs ?? 0;
    const samples = past.map(({ timeMs, values }) => ({
      timeMs: nowMs - (latestMs - timeMs),
      requestsPerSecond: values.requests ?? 0,
      hitRatio: values.hitRatio ?? null,
    }));
    const firstMs = samples[0]?.timeMs ?? Infinity;
    this.#samples = [...this.#samples.filter(({ timeMs }) => timeMs < firstMs), ...samples];
  }

  /** Returns the last minutes in `columns` cells; the last cell contains `nowMs`. */
  curves(columns: number, nowMs: number): Curves {
    const cellMs = Math.max(CELL_SECONDS_MIN, Math.ceil(HISTORY_SECONDS / columns)) * 1000;
    // Cells start at multiples of their length, so that a curve moves by whole columns.
    const first = Math.floor(nowMs / cellMs) - columns + 1;
    const cells = Array.from({ length: columns }, (): Sample[] => []);
    for (const sample of this.#samples)
      cells[Math.floor(sample.timeMs / cellMs) - first]?.push(sample);
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
