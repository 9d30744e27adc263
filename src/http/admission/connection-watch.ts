// The watch over the number of HTTP connections: one thread of the service counts them for all workers.
//
//   no socket opened or closed since the last count    nothing is listed
//   fewer than TRACK_FROM_RATIO of the limit           connections are listed once a second at most
//   more than the limit                                the connections that opened last may not stay
//
// Of two connections that opened since the last count, the one with the lower inode opened first, as a
// rule: each core of the kernel gives out inodes in runs of 1,024.
//
// The time of a count grows with the connections. The pauses grow with it, so that counts take at most a
// hundredth of the thread.

import { connectionLister, type ListConnections, socketsAtMost } from "../../linux/connections.ts";
import { ConnectionTable, type Verdict } from "./connection-table.ts";

const PAUSE_MS = 1000;
/** The pause near the limit. */
const NEAR_PAUSE_MS = 250;
/** A count of 1 ms is followed by a pause of at least this number of ms. */
const PAUSE_RATIO = 100;
const PAUSE_MS_MAX = 2000;
/** Above this fraction of the limit, the order in which connections opened is tracked. */
const TRACK_FROM_RATIO = 0.8;

export class ConnectionWatch {
  readonly #limit: number;
  readonly #port: number;
  readonly #table: ConnectionTable;
  #timer: Timer | undefined;
  /** The result of `socketsAtMost` at the last count. */
  #sockets: number | undefined;
  /** The connections of the last count that may stay. */
  #admitted: ReadonlySet<string> = new Set();

  private constructor(limit: number, port: number, memory: SharedArrayBuffer) {
    this.#limit = limit;
    this.#port = port;
    this.#table = new ConnectionTable(memory);
  }

  /** Counts until `stop`. `memory`: of allocateConnections. */
  static start(limit: number, port: number, memory: SharedArrayBuffer): ConnectionWatch {
    const watch = new ConnectionWatch(limit, port, memory);
    const list = connectionLister();
    if (list !== undefined) watch.#run(list);
    return watch;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #run(list: ListConnections): void {
    const startMs = performance.now();
    const sockets = socketsAtMost();
    const isNear = (sockets ?? 0) >= this.#limit * TRACK_FROM_RATIO;
    if (sockets !== this.#sockets || this.#table.isExceeded) {
      // If the list cannot be read, the last verdict stays.
      this.#sockets = this.#count(list) ? sockets : undefined;
    }
    const durationMs = performance.now() - startMs;
    const pauseMs = Math.min(PAUSE_MS_MAX, durationMs * PAUSE_RATIO);
    const restMs = Math.max(isNear ? NEAR_PAUSE_MS : PAUSE_MS, pauseMs);
    this.#timer = setTimeout(() => this.#run(list), restMs);
  }

  /** Publishes the number of connections and the verdict on them. Returns false if the list cannot be read. */
  #count(list: ListConnections): boolean {
    const admitted = new Set<string>();
    const opened: { readonly key: string; readonly inode: number }[] = [];
    const count = list(this.#port, (key, inode) => {
      if (this.#admitted.has(key)) admitted.add(key);
      else opened.push({ key, inode: inode === 0 ? Infinity : inode });
    });
    if (count === undefined) return false;
    opened.sort((a, b) => a.inode - b.inode);
    const excess = new Set<string>();
    for (const { key } of opened) (admitted.size < this.#limit ? admitted : excess).add(key);
    this.#admitted = admitted;
    this.#table.publish(count, this.#verdictOn(excess));
    return true;
  }

  /** A connection that opens before the next count may stay, unless there are more than twice the limit. */
  #verdictOn(excess: ReadonlySet<string>): Verdict | undefined {
    if (excess.size === 0) return undefined;
    const isFlood = excess.size > this.#limit;
    return isFlood ? { mayStay: true, keys: this.#admitted } : { mayStay: false, keys: excess };
  }
}
