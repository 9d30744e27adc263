// The watch over the number of HTTP connections: one thread of the service looks for all workers.
//
//   nothing has come or gone since the last look     nothing is listed
//   fewer than NEARLY of the limit                   they are listed once a second at most
//   more than the limit                              those that came last may not stay
//
// Of two that have come since the last look, the one with the lower inode came first, as a rule: each
// core of the kernel gives out inodes in runs of 1,024.
//
// A look takes a time that grows with the connections; the pauses between two grow with it, so that
// looks take at most a hundredth of the thread.

import { connectionLister, type ListConnections, socketsAtMost } from "../../linux/connections.ts";
import { ConnectionTable, type Verdict } from "./connection-table.ts";

const REST_MS = 1000;
const NEAR_MS = 250;
/** A look of a millisecond is followed by a pause of at least so many. */
const PAUSE_SHARE = 100;
const LONGEST_PAUSE_MS = 2000;
/** Part of the limit from which on the order is remembered. */
const TRACK_FROM_RATIO = 0.8;

export class ConnectionWatch {
  readonly #limit: number;
  readonly #port: number;
  readonly #table: ConnectionTable;
  readonly #list: ListConnections | undefined;
  #timer: Timer | undefined;
  /** What `socketsAtMost` answered at the last look. */
  #sockets: number | undefined;
  /** Those of the last look that may stay. */
  #admitted: ReadonlySet<string> = new Set();

  /** Looks until `stop`. `memory`: of allocateConnections. */
  constructor(limit: number, port: number, memory: SharedArrayBuffer) {
    this.#limit = limit;
    this.#port = port;
    this.#table = new ConnectionTable(memory);
    this.#list = connectionLister();
    if (this.#list !== undefined) this.#look(this.#list);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #look(list: ListConnections): void {
    const startMs = performance.now();
    const sockets = socketsAtMost();
    const isNear = (sockets ?? 0) >= this.#limit * TRACK_FROM_RATIO;
    if (sockets !== this.#sockets || this.#table.isExceeded) {
      // While it cannot be known, what was known holds.
      this.#sockets = this.#judge(list) ? sockets : undefined;
    }
    const tookMs = performance.now() - startMs;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, tookMs * PAUSE_SHARE);
    this.#timer = setTimeout(() => this.#look(list), Math.max(isNear ? NEAR_MS : REST_MS, pauseMs));
  }

  #judge(list: ListConnections): boolean {
    const admitted = new Set<string>();
    const came: { readonly key: string; readonly inode: number }[] = [];
    const count = list(this.#port, (key, inode) => {
      if (this.#admitted.has(key)) admitted.add(key);
      else came.push({ key, inode: inode === 0 ? Infinity : inode });
    });
    if (count === undefined) return false;
    came.sort((a, b) => a.inode - b.inode);
    const excess = new Set<string>();
    for (const { key } of came) (admitted.size < this.#limit ? admitted : excess).add(key);
    this.#admitted = admitted;
    this.#table.publish(count, this.#verdictOn(excess));
    return true;
  }

  /** A connection that comes before the next look may stay, unless there are more than twice the limit. */
  #verdictOn(excess: ReadonlySet<string>): Verdict | undefined {
    if (excess.size === 0) return undefined;
    const isFlood = excess.size > this.#limit;
    return isFlood ? { mayStay: true, keys: this.#admitted } : { mayStay: false, keys: excess };
  }
}
