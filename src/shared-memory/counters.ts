// Counters in shared memory: each thread owns a row and is its only writer, and a reader adds the
// rows up. An aligned 64-bit float is read and written whole, and is exact up to 2^53.
//
// Typed arrays: indexes are in range by construction.

/** Zeroed memory for `width` counters of each of `threads` threads. */
export function allocateCounterTable(threads: number, width: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * width * Float64Array.BYTES_PER_ELEMENT);
}

export class CounterTable {
  readonly #all: Float64Array;
  readonly #own: Float64Array;
  readonly #width: number;

  constructor(memory: SharedArrayBuffer, thread: number, width: number) {
    this.#all = new Float64Array(memory);
    this.#own = this.#all.subarray(thread * width, (thread + 1) * width);
    this.#width = width;
  }

  /** Adds to this thread's counter number `index`. O(1). */
  add(index: number, count: number): void {
    this.#own[index]! += count;
  }

  /** Sets this thread's counter number `index` to 0. O(1). */
  reset(index: number): void {
    this.#own[index] = 0;
  }

  /** Returns the sum of a counter over all threads. O(threads). */
  sum(index: number): number {
    let sum = 0;
    for (let cell = index; cell < this.#all.length; cell += this.#width) sum += this.#all[cell]!;
    return sum;
  }
}
