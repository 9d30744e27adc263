// Counters in shared memory: each thread writes only its own block, and a reader sums all blocks. So
// threads do not contend, and no count is lost.
//
// A count is a 64-bit float, exact to 2^53. Its only writer adds to it without an atomic operation, and an
// aligned float is read and written whole. JSC calls a function for Atomics.add on unsigned words: with it
// a GET in pipelines of 16 takes 1.03 x the time (without sockets).

/** Offset of each counter in a block. */
const OFFSETS = {
  ...{ hit: 0, miss: 1, lostThread: 2, lockWait: 3, lockWaitMicros: 4 },
  ...{ leaseGranted: 5, leaseWait: 6, staleServed: 7, invalidation: 8 },
} as const;
/** 128 bytes, cache lines of its own for each thread. */
const FLOATS_PER_THREAD = 16;
const BYTES_PER_THREAD = FLOATS_PER_THREAD * Float64Array.BYTES_PER_ELEMENT;

export type CounterName = keyof typeof OFFSETS;

/** Zeroed memory for the counters of `threads` threads. */
export function allocateCounters(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * BYTES_PER_THREAD);
}

/** One thread's block. Guard: only that thread may call `add`. */
export class Counters {
  readonly #counts: Float64Array;

  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#counts = new Float64Array(memory, thread * BYTES_PER_THREAD, FLOATS_PER_THREAD);
  }

  /** Adds a whole number. */
  add(name: CounterName, count = 1): void {
    this.#counts[OFFSETS[name]]! += count;
  }
}

/** A counter of one thread; exact while that thread does not count. */
export function countOf(memory: SharedArrayBuffer, thread: number, name: CounterName): number {
  return new Float64Array(memory, thread * BYTES_PER_THREAD, FLOATS_PER_THREAD)[OFFSETS[name]]!;
}

/** The sum of a counter over all threads; exact while no thread counts. */
export function sumOf(memory: SharedArrayBuffer, name: CounterName): number {
  let sum = 0;
  for (let thread = 0; thread * BYTES_PER_THREAD < memory.byteLength; thread++) {
    sum += countOf(memory, thread, name);
  }
  return sum;
}
