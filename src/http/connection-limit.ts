// Which connections of the port are too many: those that came when it had all it may have.
//
// The runtime accepts without asking, so the limit is kept by answering: a request of a connection
// that is too many is refused, and its connection closed. Linux is asked who is connected, and only
// while there are nearly as many as there may be.

import { endpointOf, establishedOn, socketsInUse } from "./connections.ts";

const LOOK_EVERY_MS = 250;
/** Part of the limit from which on it is kept in mind who came first. */
const NEARLY = 0.8;

export class ConnectionLimit {
  readonly #limit: number;
  readonly #port: () => number;
  readonly #timer: Timer;
  #admitted: ReadonlySet<string> = new Set();
  #excess: ReadonlySet<string> = new Set();

  /** `port`: of the listener, once it is known. */
  constructor(limit: number, port: () => number) {
    this.#limit = limit;
    this.#port = port;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** Whether any connection is too many. */
  get isExceeded(): boolean {
    return this.#excess.size > 0;
  }

  isTooMany(client: { address: string; port: number } | null): boolean {
    return client !== null && this.#excess.has(endpointOf(client));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    // While nobody knows, what was known holds.
    const inUse = socketsInUse();
    if (inUse === undefined) return;
    const connected = inUse < this.#limit * NEARLY ? [] : establishedOn(this.#port());
    if (connected === undefined) return;
    const admitted = new Set(connected.filter((client) => this.#admitted.has(client)));
    const excess = new Set<string>();
    for (const client of connected) {
      if (admitted.size < this.#limit) admitted.add(client);
      else if (!admitted.has(client)) excess.add(client);
    }
    this.#admitted = admitted;
    this.#excess = excess;
  }
}
