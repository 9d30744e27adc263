// How long the Redis port waits for its clients: for a handshake, for the rest of a command, for
// answers to be read, for a token, and between commands.
//
// Every tenth of a second it looks who has got anything done since; a client that sends or reads a
// byte now and then has not.

import type { RefusalReason } from "../refusals.ts";
import type { Connection } from "./client-connection.ts";

export class Patience {
  readonly #slowMs: number;
  readonly #idleMs: number;

  /** In seconds; an idle time of 0 is for ever. */
  constructor(slowClientTimeout: number, idleTimeout: number) {
    this.#slowMs = slowClientTimeout * 1000;
    this.#idleMs = idleTimeout === 0 ? Infinity : idleTimeout * 1000;
  }

  /** Why the connection is to be closed, if it is. To be asked of every connection again and again. */
  isOver(connection: Connection, nowMs: number): RefusalReason<"resp"> | undefined {
    const { steps, unread, unsent, access, isReady, isWaiting } = connection;
    const isPartial = unread !== undefined || unsent !== undefined;
    const owes = (isPartial || access === "open" || !isReady) && !isWaiting;
    // What is refused for want of a token is no step.
    const hasStepped = steps !== connection.stepsSeen && access !== "open";
    if (hasStepped || owes !== connection.owed || isWaiting) {
      connection.stepsSeen = steps;
      connection.owed = owes;
      connection.quietSinceMs = nowMs;
    }
    const quietMs = nowMs - connection.quietSinceMs;
    if (owes) return quietMs > this.#slowMs ? "slow_client" : undefined;
    return quietMs > this.#idleMs ? "idle_client" : undefined;
  }
}
