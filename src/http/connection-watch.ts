// The watch over the number of HTTP connections: one thread of the service looks for all workers.
//
//   nothing has come or gone since the last look     nothing is listed
//   fewer than NEARLY of the limit                   they are counted, once a second at most
//   more                                             the watch remembers the order in which they came
//   more than the limit                              those that came last may not stay
//
// A look takes a time that grows with the connections; the pauses between two grow with it, so that
// looks take at most a hundredth of the thread.

import { connectionLister, type ListConnections, socketsAtMost } from "./connection-list.ts";
import { ConnectionTable, type Verdict } from "./connection-table.ts";

const REST_MS = 1000;
const NEAR_MS = 250;
/** A look of a millisecond is followed by a pause of at least so many. */
const PAUSE_SHARE = 100;
const LONGEST_PAUSE_MS = 2000;
/** Part of the limit from which on the order is remembered. */
const NEARLY = 0.8;

export class ConnectionWatch {
  readonly #limit: number;
  readonly #port: number;
  readonly #table: ConnectionTable;
  readonly #list: ListConnections | undefined;
  #timer: Timer | undefined;
  /** What `socketsAtMost` answered at the last look. */
  #sockets: number | undefined;
  /** In the order in which they came. Kept while there are nearly as many as the limit. */
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
    const isNear = (sockets ?? 0) >= this.#limit * NEARLY;
    if (sockets !== this.#sockets || this.#table.isExceeded) {
      // While it cannot be known, what was known holds.
      const isKnown = isNear ? this.#admit(list) : this.#count(list);
      this.#sockets = isKnown ? sockets : undefined;
    }
    const tookMs = performance.now() - startMs;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, tookMs * PAUSE_SHARE);
    this.#timer = setTimeout(() => this.#look(list), Math.max(isNear ? NEAR_MS : REST_MS, pauseMs));
  }

  #count(list: ListConnections): boolean {
    const count = list(this.#port, undefined);
    if (count === undefined) return false;
    this.#admitted = new Set();
    this.#table.publish(count, undefined);
    return true;
  }

  #admit(list: ListConnections): boolean {
    const connected = new Set<string>();
    if (list(this.#port, (key) => connected.add(key)) === undefined) return false;
    const admitted = new Set<string>();
    for (const key of this.#admitted) if (connected.has(key)) admitted.add(key);
    const excess = new Set<string>();
    for (const key of connected) {
      if (admitted.size < this.#limit) admitted.add(key);
      else if (!admitted.has(key)) excess.add(key);
    }
    this.#admitted = admitted;
    this.#table.publish(connected.size, this.#verdictOn(excess));
    return true;
  }

  /** A connection that comes before the next look may stay, unless there are more than twice the limit. */
  #verdictOn(excess: ReadonlySet<string>): Verdict | undefined {
    if (excess.size === 0) return undefined;
    const isFlood = excess.size > this.#limit;
    return isFlood ? { mayStay: true, keys: this.#admitted } : { mayStay: false, keys: excess };
  }
}
