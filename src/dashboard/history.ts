// The samples of the last five minutes as columns for the charts, and the restarts among them.

import { type Field, HISTORY_SECONDS, type Sample } from "../live/history.ts";

/** After this time without a sample, the lines of a chart have a gap. */
const GAP_SECONDS = 4.5;
/** The start of a service, computed from two samples, differs by less. */
const SAME_START_SECONDS = 2;
/** From this part of the limit on, the limit is a line of the memory chart. */
const NEAR_LIMIT_RATIO = 0.7;

type Values = Sample["values"];
type Value = number | null;

const value = (values: Values, ...fields: readonly Field[]): Value => {
  if (values[fields[0] ?? "requests"] == null) return null;
  return fields.reduce((sum, field) => sum + (values[field] ?? 0), 0);
};

/** Columns that are computed from the fields of a sample. */
const COMPUTED = {
  // Cumulative: each line is the upper edge of its layer; live bytes are the lowest layer.
  toDead: (values) => value(values, "liveBytes", "deadBytes"),
  toExpired: (values) => value(values, "liveBytes", "deadBytes", "expiredBytes"),
  nearLimit: ({ usedBytes, maxBytes }) =>
    (usedBytes ?? 0) > NEAR_LIMIT_RATIO * (maxBytes ?? Infinity) ? (maxBytes ?? null) : null,
} satisfies Record<string, (values: Values) => Value>;

export type Column = Field | keyof typeof COMPUTED;

/** A moment at which something restarted. */
export interface Mark {
  /** Unix time in seconds. */
  readonly time: number;
  readonly text: string;
}

export class History {
  /** Unix times in seconds, ascending. */
  readonly times: number[] = [];
  /** Restarts of the service and of workers, oldest first. */
  marks: Mark[] = [];
  #values: Values[] = [];
  #columns = new Map<Column, Value[]>();
  /** Unix time in seconds of the last start of the service; 0 while unknown. */
  #started = 0;

  /** Returns the values of a column, one per time. */
  column(name: Column): Value[] {
    let column = this.#columns.get(name);
    if (column === undefined) {
      const read = isComputed(name)
        ? COMPUTED[name]
        : (values: Values): Value => values[name] ?? null;
      column = this.#values.map(read);
      this.#columns.set(name, column);
    }
    return column;
  }

  /** Replaces the samples from the first of these on: the service knows more than the page received. */
  addPast(samples: readonly Sample[]): void {
    const first = (samples[0]?.timeMs ?? Infinity) / 1000;
    const kept = this.times.findIndex((time) => time >= first);
    if (kept >= 0) this.#keep(0, kept);
    for (const sample of samples) this.#append(sample);
  }

  /**
   * Adds a sample of a service that started at this Unix time in seconds. A sample that is much older
   * than the last clears the history: the clock was set back.
   */
  add(sample: Sample, started: number): void {
    const last = this.times.at(-1);
    if (last !== undefined && last - sample.timeMs / 1000 > GAP_SECONDS) this.clear();
    this.#append(sample);
    if (Math.abs(started - this.#started) < SAME_START_SECONDS) return;
    this.#started = started;
    this.#mark(started, "service started");
  }

  clear(): void {
    this.#keep(0, 0);
    this.marks = [];
  }

  #append({ timeMs, values }: Sample): void {
    const time = timeMs / 1000;
    const last = this.times.at(-1);
    if (last !== undefined && time <= last) return;
    if (last !== undefined && time - last > GAP_SECONDS) this.#push(last + 1, {});
    const restarts = values.workerRestarts ?? 0;
    const before = this.#values.at(-1)?.workerRestarts ?? restarts;
    if (restarts > before) this.#mark(time, "worker restarted");
    this.#push(time, values);
    const old = this.times.findIndex((past) => past > time - HISTORY_SECONDS);
    this.#keep(Math.max(old, this.times.length - HISTORY_SECONDS), this.times.length);
  }

  #mark(time: number, text: string): void {
    if (this.marks.some((mark) => mark.time === time)) return;
    this.marks = [...this.marks, { time, text }].sort((a, b) => a.time - b.time);
  }

  #push(time: number, values: Values): void {
    this.times.push(time);
    this.#values.push(values);
    this.#columns.clear();
  }

  /** Keeps the points from index `start` to `end`, and the marks that are not older. */
  #keep(start: number, end: number): void {
    this.times.splice(end);
    this.times.splice(0, start);
    this.#values = this.#values.slice(start, end);
    this.#columns.clear();
    const oldest = (this.times.at(-1) ?? 0) - HISTORY_SECONDS;
    this.marks = this.marks.filter(({ time }) => time >= oldest);
  }
}

function isComputed(name: Column): name is keyof typeof COMPUTED {
  return name in COMPUTED;
}
