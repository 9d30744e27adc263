// Whether the event loop is late: more has come in than it can answer in time.
//
//   a timer is due every 20 ms; a loop with too much to do gets to it late.
//   late = it was late the last time, and it is again
//
// Of a round that takes too long, the first part is served and the rest refused, which costs next to
// nothing: calls are answered at full rate, and the loop is soon back at its timer. A process that
// has been stopped for a moment is late once, and refuses nobody.

const LOOK_EVERY_MS = 20;

export class Lateness {
  readonly #limitMs: number;
  readonly #timer: Timer;
  #dueMs = performance.now() + LOOK_EVERY_MS;
  #wasLate = false;

  /** `limitMs`: Infinity is never late. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      this.#wasLate = nowMs - this.#dueMs > this.#limitMs;
      this.#dueMs = nowMs + LOOK_EVERY_MS;
    }, LOOK_EVERY_MS);
  }

  /** Whether what has come in by now is better done by somebody else, or later. O(1). */
  isLate(nowMs: number): boolean {
    return this.#wasLate && nowMs - this.#dueMs > this.#limitMs;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
