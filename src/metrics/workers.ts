// What each worker tells of itself once a second, in shared memory: its load, its event loop,
// and its hot keys. A row for each thread, which is its only writer.

import type { HotKey, HotKeys } from "./hot-keys.ts";

const FIELDS = {
  sequence: 0,
  load: 1,
  requestsPerSecond: 2,
  loopLagMs: 3,
  sampled: 4,
  bytes: 5,
} as const;
const FIELD_BYTES = 8 * Float64Array.BYTES_PER_ELEMENT;
/** For the hot keys as JSON. */
const TEXT_BYTES = 32 * 1024;
const ROW_BYTES = FIELD_BYTES + TEXT_BYTES;
/** Of a thread's hot keys so many are told. */
export const PUBLISHED_KEYS = 20;
const READ_ATTEMPTS = 3;

export interface WorkerRow {
  /** Part of a core that it used, 0 to 1. */
  readonly load: number;
  readonly requestsPerSecond: number;
  /** The longest that its event loop was late. */
  readonly loopLagMs: number;
  /** Gets in its sample of late. */
  readonly sampled: number;
  readonly hotKeys: readonly HotKey[];
}

/** Zeroed memory for the rows of `threads` threads. */
export function allocateWorkers(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * ROW_BYTES);
}

export class WorkerRows {
  readonly #memory: SharedArrayBuffer;
  readonly count: number;

  constructor(memory: SharedArrayBuffer) {
    this.#memory = memory;
    this.count = memory.byteLength / ROW_BYTES;
  }

  /** Only of the caller's own thread. */
  write(thread: number, stats: Omit<WorkerRow, "sampled" | "hotKeys">, hotKeys: HotKeys): void {
    const { numbers, text } = this.#row(thread);
    const keys = hotKeys.top(PUBLISHED_KEYS);
    let json = JSON.stringify(keys);
    while (Buffer.byteLength(json) > TEXT_BYTES) {
      keys.pop();
      json = JSON.stringify(keys);
    }
    // Odd while the row is written.
    Atomics.add(this.#sequenceOf(thread), 0, 1);
    numbers[FIELDS.load] = stats.load;
    numbers[FIELDS.requestsPerSecond] = stats.requestsPerSecond;
    numbers[FIELDS.loopLagMs] = stats.loopLagMs;
    numbers[FIELDS.sampled] = hotKeys.sampled;
    numbers[FIELDS.bytes] = text.write(json, "utf8");
    Atomics.add(this.#sequenceOf(thread), 0, 1);
  }

  /** What a thread said last; nothing while it has not, and if it writes again and again just now. */
  read(thread: number): WorkerRow {
    const { numbers, text } = this.#row(thread);
    const sequence = this.#sequenceOf(thread);
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      const before = Atomics.load(sequence, 0);
      const copy = Float64Array.from(numbers);
      const json = text.toString("utf8", 0, copy[FIELDS.bytes]);
      if (before % 2 === 1 || Atomics.load(sequence, 0) !== before) continue;
      return {
        load: copy[FIELDS.load] ?? 0,
        requestsPerSecond: copy[FIELDS.requestsPerSecond] ?? 0,
        loopLagMs: copy[FIELDS.loopLagMs] ?? 0,
        sampled: copy[FIELDS.sampled] ?? 0,
        hotKeys: json === "" ? [] : (JSON.parse(json) as HotKey[]),
      };
    }
    return { load: 0, requestsPerSecond: 0, loopLagMs: 0, sampled: 0, hotKeys: [] };
  }

  #sequenceOf(thread: number): Int32Array {
    return new Int32Array(this.#memory, thread * ROW_BYTES, 1);
  }

  #row(thread: number): { numbers: Float64Array; text: Buffer } {
    const start = thread * ROW_BYTES;
    return {
      numbers: new Float64Array(this.#memory, start, FIELD_BYTES / 8),
      text: Buffer.from(this.#memory, start + FIELD_BYTES, TEXT_BYTES) as Buffer,
    };
  }
}
