// What each worker publishes once a second in shared memory: its load, its event-loop lag and its
// hot keys. Each thread has one row and is the only writer of that row.
// Typed arrays: indexes are in range by construction.

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
/** Space for the hot keys as JSON. */
const TEXT_BYTES = 32 * 1024;
const ROW_BYTES = FIELD_BYTES + TEXT_BYTES;
/** Most hot keys that a thread publishes. */
export const PUBLISHED_KEYS = 20;
const READ_ATTEMPTS = 3;

export interface WorkerRow {
  /** Fraction of a core that the thread used, 0 to 1. */
  readonly load: number;
  readonly requestsPerSecond: number;
  /** Longest delay of the thread's event loop. */
  readonly loopLagMs: number;
  /** Gets in the thread's sample (HotKeys.sampled). */
  readonly sampled: number;
  readonly hotKeys: readonly HotKey[];
}

/** Returns zeroed memory for the rows of `threads` threads. */
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

  /** Writes the row of the calling thread. */
  publish(thread: number, stats: Omit<WorkerRow, "sampled" | "hotKeys">, hotKeys: HotKeys): void {
    const { numbers, text } = this.#row(thread);
    const keys = hotKeys.top(PUBLISHED_KEYS);
    let json = JSON.stringify(keys);
    while (Buffer.byteLength(json) > TEXT_BYTES) {
      keys.pop();
      json = JSON.stringify(keys);
    }
    // The sequence is odd while the row is being written.
    Atomics.add(this.#sequenceOf(thread), 0, 1);
    numbers[FIELDS.load] = stats.load;
    numbers[FIELDS.requestsPerSecond] = stats.requestsPerSecond;
    numbers[FIELDS.loopLagMs] = stats.loopLagMs;
    numbers[FIELDS.sampled] = hotKeys.sampled;
    numbers[FIELDS.bytes] = text.write(json, "utf8");
    Atomics.add(this.#sequenceOf(thread), 0, 1);
  }

  /**
   * Returns the row that a thread published last. The row is empty before the first heartbeat, and
   * if the thread wrote during each of the READ_ATTEMPTS.
   */
  read(thread: number): WorkerRow {
    const { numbers, text } = this.#row(thread);
    const sequence = this.#sequenceOf(thread);
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      const before = Atomics.load(sequence, 0);
      const copy = Float64Array.from(numbers);
      const json = text.toString("utf8", 0, copy[FIELDS.bytes]);
      if (before % 2 === 1 || Atomics.load(sequence, 0) !== before) continue;
      return {
        load: copy[FIELDS.load]!,
        requestsPerSecond: copy[FIELDS.requestsPerSecond]!,
        loopLagMs: copy[FIELDS.loopLagMs]!,
        sampled: copy[FIELDS.sampled]!,
        hotKeys: json === "" ? [] : (JSON.parse(json) as HotKey[]),
      };
    }
    return { load: 0, requestsPerSecond: 0, loopLagMs: 0, sampled: 0, hotKeys: [] };
  }

  /** Whether no worker had a request in the second of its last row. O(threads). */
  get areResting(): boolean {
    for (let thread = 0; thread < this.count; thread++) {
      if (this.#row(thread).numbers[FIELDS.requestsPerSecond]! > 0) return false;
    }
    return true;
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
