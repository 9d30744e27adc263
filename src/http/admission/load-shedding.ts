// Whether the event loop is late: more has come in than it can answer in time.
//
//   late = its timer (loop-lag.ts) was late the last time, and it is late again
//
// A process that has been stopped for a moment is late once, and refuses nobody. To refuse costs
// time too, and who is refused may be back at once: so only as many are refused as take a tenth of
// the time, and the rest waits. Measured with 1,500 connections that each ask for 1,000 keys again and
// again: calls are answered at 0.82 of the full rate; where all are refused for as long as the loop is
// late, at 0.15.

import type { EventLoopMonitor } from "../../service/event-loop-monitor.ts";

/** A refusal takes about 50 µs with all that the kernel does for it. */
const REJECTIONS_PER_MS = 2;
const REJECTIONS_BURST_MAX = 200;

/** How late a timer ran the last time, and how long the next run is overdue. */
type Lag = Pick<EventLoopMonitor, "lastMs" | "overdueMs">;

export class LoadShedder {
  readonly #limitMs: number;
  readonly #lag: Lag;
  /** Refusals that may be made, as of `#rationedMs`. */
  #ration = 0;
  #rationedMs = 0;

  /** `limitMs`: Infinity is never late. */
  constructor(limitMs: number, lag: Lag) {
    this.#limitMs = limitMs;
    this.#lag = lag;
  }

  /** Whether it was late the last time, so that what comes may have to be refused. */
  get wasLate(): boolean {
    return this.#lag.lastMs > this.#limitMs;
  }

  /** Whether a request is to be refused that has come in by now; if so, it is counted as refused. O(1). */
  refuses(nowMs: number): boolean {
    if (!this.wasLate || this.#lag.overdueMs(nowMs) <= this.#limitMs) return false;
    const earned = (nowMs - this.#rationedMs) * REJECTIONS_PER_MS;
    this.#ration = Math.min(REJECTIONS_BURST_MAX, this.#ration + earned);
    this.#rationedMs = nowMs;
    if (this.#ration < 1) return false;
    this.#ration--;
    return true;
  }
}
