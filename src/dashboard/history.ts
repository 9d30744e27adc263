// The stats of the last five minutes, one point per second, as columns for the charts.

import type { LiveStats } from "../live/stats.ts";

/** Seconds of history, and also the maximum number of points. */
export const KEPT_SECONDS = 300;
/** After this time without stats, the lines of a chart have a gap. */
const GAP_SECONDS = 2.5;

/** The value of each column for one sample; null is no value. */
const COLUMNS = {
  requests: (now: LiveStats) => now.requestsPerSecond,
  hitRatio: (now: LiveStats) => now.hitRatio,
  p50: (now: LiveStats) => now.latencyMs?.p50 ?? null,
  p99: (now: LiveStats) => now.latencyMs?.p99 ?? null,
  p999: (now: LiveStats) => now.latencyMs?.p999 ?? null,
  // Cumulative: each line is the upper edge of its layer; live bytes are the lowest layer.
  toLive: ({ memory }: LiveStats) => memory.liveBytes,
  toDead: ({ memory }: LiveStats) => memory.liveBytes + memory.deadBytes,
  toExpired: ({ memory }: LiveStats) => memory.liveBytes + memory.deadBytes + memory.expiredBytes,
  used: ({ memory }: LiveStats) => memory.usedBytes,
  limit: ({ memory }: LiveStats) => memory.maxBytes,
  evictions: (now: LiveStats) => now.evictionsPerSecond,
  expirations: (now: LiveStats) => now.expirationsPerSecond,
} satisfies Record<string, (now: LiveStats) => number | null>;

export type Column = keyof typeof COLUMNS;
const NAMES = Object.keys(COLUMNS) as Column[];

/** The last 300 points. */
export class History {
  /** Unix times in seconds, ascending. */
  readonly times: number[] = [];
  readonly #columns = new Map<Column, (number | null)[]>(NAMES.map((name) => [name, []]));

  /** Returns the values of a column, one per time. */
  column(name: Column): (number | null)[] {
    return this.#columns.get(name) ?? [];
  }

  /**
   * Adds a sample. A sample that is not later than the last clears the history: the clock was set
   * back.
   */
  add(stats: LiveStats): void {
    const time = stats.timeMs / 1000;
    const last = this.times.at(-1);
    if (last !== undefined && time <= last) this.#drop(this.times.length);
    else if (last !== undefined && time - last > GAP_SECONDS) this.#push(last + 1, () => null);
    this.#push(time, (name) => COLUMNS[name](stats));
    const old = this.times.findIndex((past) => past > time - KEPT_SECONDS);
    this.#drop(Math.max(old, this.times.length - KEPT_SECONDS));
  }

  #push(time: number, value: (name: Column) => number | null): void {
    this.times.push(time);
    for (const [name, values] of this.#columns) values.push(value(name));
  }

  #drop(points: number): void {
    if (points <= 0) return;
    this.times.splice(0, points);
    for (const values of this.#columns.values()) values.splice(0, points);
  }
}
