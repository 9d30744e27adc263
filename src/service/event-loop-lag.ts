// How late the event loop of a thread is: a timer is due every 20 ms, and a loop with too much to do
// gets to it late. At rest there is no timer, and nothing to be late for.

import type { Activity } from "./activity.ts";

const LOOK_EVERY_MS = 20;

export class LoopLag {
  #dueMs = Infinity;
  #lastMs = 0;
  #longestMs = 0;
  readonly #end: () => void;

  constructor(activity: Activity) {
    this.#end = activity.every(
      LOOK_EVERY_MS,
      () => {
        const nowMs = performance.now();
        this.#lastMs = Math.max(0, nowMs - this.#dueMs);
        this.#longestMs = Math.max(this.#longestMs, this.#lastMs);
        this.#dueMs = nowMs + LOOK_EVERY_MS;
        return false;
      },
      () => {
        this.#lastMs = 0;
        this.#dueMs = performance.now() + LOOK_EVERY_MS;
      },
    );
  }

  /** How late the timer was the last time. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /** How late the timer is by now; negative before it is due. */
  overdueMs(nowMs: number): number {
    return nowMs - this.#dueMs;
  }

  /** The longest that it was late since the last call. */
  takeLongestMs(): number {
    const longestMs = this.#longestMs;
    this.#longestMs = 0;
    return longestMs;
  }

  stop(): void {
    this.#end();
  }
}
