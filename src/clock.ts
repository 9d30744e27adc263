// The time of all threads of a service, which never goes back. Deadlines are in it.
//
// It is the system's time until somebody sets that back by a second or more: from
// then on the offset in shared memory makes up for it, so that what has expired stays
// so and lifetimes go on as they were. Smaller steps back, and threads that were held
// up between reading the time and using it, only make it stand still for as long.

const LATEST = 0;
const OFFSET = 1;
/** Steps back of the system's time that are taken for what they are, in ms. */
const STEP_BACK = 1000;

/** Memory for the clock of a service. */
export function allocateClock(): SharedArrayBuffer {
  return new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT);
}

/** One thread's view of the clock. An aligned 64-bit float is read and written whole. */
export class Clock {
  readonly #times: Float64Array;
  readonly #systemMs: () => number;

  constructor(memory: SharedArrayBuffer, systemMs: () => number = Date.now) {
    this.#times = new Float64Array(memory);
    this.#systemMs = systemMs;
  }

  /** What this clock is ahead of the system's, in ms: a time of day is this much more in it. */
  get offsetMs(): number {
    return this.#times[OFFSET] ?? 0;
  }

  /** Milliseconds; at least what any thread was told before. O(1). */
  now(): number {
    const times = this.#times;
    const latest = times[LATEST] ?? 0;
    const now = this.#systemMs() + (times[OFFSET] ?? 0);
    if (now > latest) times[LATEST] = now;
    if (now >= latest) return now;
    if (latest - now >= STEP_BACK) times[OFFSET] = (times[OFFSET] ?? 0) + latest - now;
    return latest;
  }
}
