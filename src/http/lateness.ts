// Whether the event loop is late: more has come in than it can answer in time.
//
//   a timer is due every 20 ms; a loop with too much to do gets to it late.
//   late = it was late the last time, and it is again
//
// A process that has been stopped for a moment is late once, and refuses nobody. To refuse costs
// time too, and who is refused may be back at once: so only as many are refused as take a tenth of
// the time, and the rest waits. Measured with 1,500 connections that each ask for 1,000 keys again and
// again: calls are answered at 0.82 of the full rate; where all are refused for as long as the loop is
// late, at 0.15.

const LOOK_EVERY_MS = 20;
/** A refusal takes about 50 µs with all that the kernel does for it. */
const REFUSALS_PER_MS = 2;
const MOST_REFUSALS_AT_ONCE = 200;

export class Lateness {
  readonly #limitMs: number;
  readonly #timer: Timer;
  #dueMs = performance.now() + LOOK_EVERY_MS;
  #wasLate = false;
  /** Refusals that may be made, as of `#rationedMs`. */
  #ration = 0;
  #rationedMs = 0;

  /** `limitMs`: Infinity is never late. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      this.#wasLate = nowMs - this.#dueMs > this.#limitMs;
      this.#dueMs = nowMs + LOOK_EVERY_MS;
    }, LOOK_EVERY_MS);
  }

  /** Whether it was late the last time, so that what comes may have to be refused. */
  get wasLate(): boolean {
    return this.#wasLate;
  }

  /** Whether a request is to be refused that has come in by now; if so, it is counted as refused. O(1). */
  refuses(nowMs: number): boolean {
    if (!this.#wasLate || nowMs - this.#dueMs <= this.#limitMs) return false;
    const earned = (nowMs - this.#rationedMs) * REFUSALS_PER_MS;
    this.#ration = Math.min(MOST_REFUSALS_AT_ONCE, this.#ration + earned);
    this.#rationedMs = nowMs;
    if (this.#ration < 1) return false;
    this.#ration--;
    return true;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
