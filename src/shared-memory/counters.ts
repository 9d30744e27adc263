// Counts in shared memory: each thread owns a row and is its only writer, a reader adds
// the rows up. An aligned 64-bit float is read and written whole, and exact to 2^53.

/** Zeroed memory for `threads` threads that count so many things. */
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

  add(place: number, count: number): void {
    this.#own[place] = (this.#own[place] as number) + count;
  }

  /** Over all threads. O(threads). */
  sum(place: number): number {
    let sum = 0;
    for (let at = place; at < this.#all.length; at += this.#width) sum += this.#all[at] as number;
    return sum;
  }
}
