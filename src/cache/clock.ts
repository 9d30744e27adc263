// The clock of all threads of a service, in which every expiry is kept. The rules:
//
// - The time runs with the monotonic clock. It never goes back and never leaps, whatever happens
//   to the system's clock, so a step of that clock neither expires nor prolongs an entry.
// - A time of day is the time minus `offsetMs`. The offset is measured anew for each conversion, so
//   commands that give or return a time of day agree with the system's clock after any step.
// - The monotonic clock stands still while the machine sleeps. The time makes up for the sleep,
//   which the uptime of the system counts.
//
// Each thread's monotonic clock has an origin of its own. A thread sets its base by the uptime, which
// has steps of 10 ms, and moves forward to the latest time that any thread has read.

import { readFileSync } from "node:fs";

// Aligned 64-bit floats, each read and written whole. All values are absolute: two threads that
// measure the same step store the same offset, and no step is added twice.
const LATEST = 0;
const OFFSET = 1;
/** The time minus the uptime; never changes. */
const PLACE = 2;
const NUMBERS = 3;

/** The offset changes for steps from here on, in ms: the threads' places differ by up to 10. */
const SMALLEST_STEP = 50;
/** A sleep that is shorter does not count, in ms. */
const SHORTEST_SLEEP = 1000;
/** The system's clock is read between two readings of the monotonic one, this far apart at most, in ms. */
const CLOSE = 1;
const ATTEMPTS = 8;

/** The clocks of the machine, in ms. */
export interface ClockSources {
  /** Unix time. */
  readonly systemMs: () => number;
  /** Never goes back; from any origin. */
  readonly monotonicMs: () => number;
  /** Since the system's start, sleep included; undefined where it is not known. */
  readonly uptimeMs: () => number | undefined;
}

const MACHINE: ClockSources = {
  systemMs: Date.now,
  monotonicMs: () => performance.now(),
  uptimeMs,
};

/** Memory for the clock of a service, which begins at the system's time. */
export function allocateClock(sources: ClockSources = MACHINE): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(NUMBERS * Float64Array.BYTES_PER_ELEMENT);
  const nowMs = sources.systemMs();
  const times = new Float64Array(memory);
  times[LATEST] = nowMs;
  times[PLACE] = nowMs - (sources.uptimeMs() ?? NaN);
  return memory;
}

/** One thread's view of the clock. */
export class Clock {
  readonly #times: Float64Array;
  readonly #sources: ClockSources;
  /** The time minus the monotonic clock. */
  #base: number;

  constructor(memory: SharedArrayBuffer, sources: ClockSources = MACHINE) {
    this.#times = new Float64Array(memory);
    this.#sources = sources;
    this.#base = this.#byUptime() - sources.monotonicMs();
  }

  /** Returns whole milliseconds, never less than any thread has read before. O(1). */
  now(): number {
    const times = this.#times;
    const latest = times[LATEST] ?? 0;
    const now = this.#base + this.#sources.monotonicMs();
    if (now >= latest) {
      times[LATEST] = now;
      return Math.floor(now);
    }
    this.#base += latest - now;
    return Math.floor(latest);
  }

  /** Unix time in milliseconds, by the system's clock. */
  get systemMs(): number {
    return this.#sources.systemMs();
  }

  /** Whole milliseconds that this clock is ahead of the system's, as of this moment. */
  get offsetMs(): number {
    const times = this.#times;
    const stored = times[OFFSET] ?? 0;
    let measured = this.#measured(stored);
    if (measured <= stored - SHORTEST_SLEEP && this.#makeUpForSleep()) {
      measured = this.#measured(stored);
    }
    if (Math.abs(measured - stored) < SMALLEST_STEP) return stored;
    return (times[OFFSET] = measured);
  }

  /** Returns `stored` if the thread was interrupted between the readings at each attempt. */
  #measured(stored: number): number {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const before = this.now();
      const systemMs = this.#sources.systemMs();
      if (this.now() - before <= CLOSE) return before - systemMs;
    }
    return stored;
  }

  /** Moves the time forward if the uptime shows that the machine slept; returns whether it did. */
  #makeUpForSleep(): boolean {
    const sleptMs = this.#byUptime() - this.now();
    if (!(sleptMs >= SHORTEST_SLEEP)) return false;
    this.#base += sleptMs;
    return true;
  }

  /** The time by the system's uptime; if that is not known, the latest time that a thread has read. */
  #byUptime(): number {
    const uptimeMs = this.#sources.uptimeMs();
    const byUptime = (this.#times[PLACE] ?? 0) + (uptimeMs ?? NaN);
    return Number.isNaN(byUptime) ? (this.#times[LATEST] ?? 0) : byUptime;
  }
}

/** Linux has the sum of all time awake and asleep, in seconds with two decimals; other systems have no such file. */
function uptimeMs(): number | undefined {
  let text: string;
  try {
    text = readFileSync("/proc/uptime", "utf8");
  } catch {
    return undefined;
  }
  const seconds = Number.parseFloat(text);
  return Number.isFinite(seconds) ? seconds * 1000 : undefined;
}
