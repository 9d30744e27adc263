// How long the Redis port waits for its clients: for a handshake, for the rest of a command, for
// answers to be read, for a token, and between commands.
//
// Progress counts by rate: every RATE bytes that a client sends, or that its socket takes, give it one
// second more. A byte now and then gives it next to nothing. The service does not see how a client
// reads the bytes that the kernel holds, up to some megabytes. So the client gets the time to read
// them at RATE in advance.

import type { RejectionReason } from "../security/rejections.ts";
import type { Connection } from "./connection.ts";

/** Bytes a second that a client must send, or read. */
export const RATE = 64 * 1024;
/** What the kernels of both sides hold of answers at most, as a rule. */
const KERNEL_BYTES = 4 * 2 ** 20;
const MAX_ADVANCE_MS = (KERNEL_BYTES / RATE) * 1000;

export class ClientTimeouts {
  readonly #slowMs: number;
  readonly #idleMs: number;

  /** In seconds; an idle time of 0 is for ever. */
  constructor(slowClientTimeout: number, idleTimeout: number) {
    this.#slowMs = slowClientTimeout * 1000;
    this.#idleMs = idleTimeout === 0 ? Infinity : idleTimeout * 1000;
  }

  /** Why the connection is to be closed, if it is. To be asked of every connection again and again. */
  isOver(connection: Connection, nowMs: number): RejectionReason<"resp"> | undefined {
    const { steps, unread, unsent, access, isReady, isClosing } = connection;
    const isPartial = unread !== undefined || unsent !== undefined || isClosing;
    // The service lets it wait.
    const isHeld = connection.isWaiting || connection.isQueued || connection.wants > 0;
    const owes = (isPartial || access === "open" || !isReady) && !isHeld;
    // What is refused for want of a token is no step.
    const hasStepped = steps !== connection.stepsSeen && access !== "open";
    if (hasStepped || owes !== connection.owed || isHeld) {
      connection.stepsSeen = steps;
      connection.owed = owes;
      connection.quietSinceMs = nowMs;
    }
    if (owes && access !== "open") this.#credit(connection, nowMs);
    connection.bytesInSeen = connection.bytesIn;
    connection.bytesOutSeen = connection.bytesOut;
    const quietMs = nowMs - connection.quietSinceMs;
    if (owes) return quietMs > this.#slowMs ? "slow_client" : undefined;
    return quietMs > this.#idleMs ? "idle_client" : undefined;
  }

  /** Moves the time that the client is quiet since by what it has sent and its socket has taken. */
  #credit(connection: Connection, nowMs: number): void {
    const { bytesIn, bytesInSeen, bytesOut, bytesOutSeen, quietSinceMs } = connection;
    const afterInput = quietSinceMs + ((bytesIn - bytesInSeen) / RATE) * 1000;
    const afterOutput = quietSinceMs + ((bytesOut - bytesOutSeen) / RATE) * 1000;
    connection.quietSinceMs = Math.max(
      quietSinceMs,
      Math.min(nowMs, afterInput),
      Math.min(nowMs + MAX_ADVANCE_MS, afterOutput),
    );
  }
}
