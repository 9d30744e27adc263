// The history of the live stats in shared memory: the last HISTORY_SECONDS samples. The supervisor's
// thread is the only writer; each worker reads them for the dashboards that connect to it.
// Typed arrays: indexes are in range by construction.

import { FIELD_NAMES, HISTORY_SECONDS, type HistoryTable, type Sample } from "../live/history.ts";

/** A row is the time and the fields. NaN is no value. */
const WIDTH = 1 + FIELD_NAMES.length;
/** One more than the samples: the writer may be in the oldest row. */
const ROWS = HISTORY_SECONDS + 1;
/** The number of samples since the start is in front of the rows. */
const HEAD_BYTES = 8;
/** Numbers of the table are rounded to this many digits, which a chart cannot show. */
const DIGITS = 5;

/** Returns zeroed memory for the history: 79 KB. */
export function allocateHistory(): SharedArrayBuffer {
  const rowBytes = WIDTH * Float64Array.BYTES_PER_ELEMENT;
  return new SharedArrayBuffer(HEAD_BYTES + ROWS * rowBytes);
}

export class StatsHistory {
  readonly #count: Int32Array;
  readonly #rows: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#count = new Int32Array(memory, 0, 1);
    this.#rows = new Float64Array(memory, HEAD_BYTES);
  }

  /** Samples since the start. */
  get count(): number {
    return Atomics.load(this.#count, 0);
  }

  /** Adds a sample in place of the oldest one. O(fields). */
  record({ timeMs, values }: Sample): void {
    const count = this.count;
    const start = (count % ROWS) * WIDTH;
    this.#rows[start] = timeMs;
    for (const [index, name] of FIELD_NAMES.entries()) {
      this.#rows[start + 1 + index] = values[name] ?? NaN;
    }
    Atomics.store(this.#count, 0, count + 1);
  }

  /** Returns the samples, oldest first. O(samples × fields). */
  table(): HistoryTable {
    const count = this.count;
    const copy = this.#rows.slice();
    const first = Math.max(0, count - HISTORY_SECONDS);
    const rows: (number | null)[][] = [];
    for (let sample = first; sample < count; sample++) {
      const start = (sample % ROWS) * WIDTH;
      const numbers = copy.subarray(start + 1, start + WIDTH);
      rows.push([Math.round(copy[start]!), ...Array.from(numbers, rounded)]);
    }
    return { fields: FIELD_NAMES, rows };
  }
}

function rounded(value: number): number | null {
  if (Number.isInteger(value) && Math.abs(value) < 10 ** DIGITS) return value;
  return Number.isFinite(value) ? Number(value.toPrecision(DIGITS)) : null;
}
