// The lag of a thread's event loop: the delay of a timer that is due every 20 ms. At rest there is no
// timer, and no lag.

import type { Activity } from "./activity.ts";

const OBSERVE_EVERY_MS = 20;

export class EventLoopMonitor {
  #dueMs = Infinity;
  #lastMs = 0;
  #longestMs = 0;
  #end = (): void => {};

  /** Observes the lag while there is activity, until `stop`. */
  start(activity: Activity): void {
    this.#end = activity.every(
      OBSERVE_EVERY_MS,
      () => {
        this.observe(performance.now());
        return false;
      },
      () => this.begin(performance.now()),
    );
  }

  /** Begins after a rest: the first observation is due in 20 ms. */
  begin(nowMs: number): void {
    this.#lastMs = 0;
    this.#dueMs = nowMs + OBSERVE_EVERY_MS;
  }

  /** Records how late this call is; the next one is due in 20 ms. */
  observe(nowMs: number): void {
    this.#lastMs = Math.max(0, nowMs - this.#dueMs);
    this.#longestMs = Math.max(this.#longestMs, this.#lastMs);
    this.#dueMs = nowMs + OBSERVE_EVERY_MS;
  }

  /** The lag at the last observation. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /** Returns how late the next observation is by now; negative before it is due. */
  overdueMs(nowMs: number): number {
    return nowMs - this.#dueMs;
  }

  /** Returns the longest lag since the last call. */
  takeLongestMs(): number {
    const longestMs = this.#longestMs;
    this.#longestMs = 0;
    return longestMs;
  }

  stop(): void {
    this.#end();
  }
}
