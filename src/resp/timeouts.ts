// The timeouts of the Redis port: for the handshake, the rest of a command, the reading of replies, the
// token, and the time between commands.
//
// Progress counts by rate: every RATE bytes that a client sends, or that its socket takes, extend its
// time by one second. A few bytes extend it by almost nothing. The kernel holds up to some megabytes of
// replies, and the service does not see how the client reads them. So the client gets the time to read
// them at RATE in advance.

import type { RejectionReason } from "../security/rejections.ts";
import type { Connection } from "./connection.ts";

/** Bytes that a client must send or read per second. */
export const RATE = 64 * 1024;
/** Usual maximum of the reply bytes that the kernels of both sides hold. */
const KERNEL_BYTES = 4 * 2 ** 20;
const ADVANCE_MAX_MS = (KERNEL_BYTES / RATE) * 1000;

export class ClientTimeouts {
  readonly #slowMs: number;
  readonly #idleMs: number;

  /** Both timeouts are in seconds. An idle timeout of 0 means no limit. */
  constructor(slowClientTimeout: number, idleTimeout: number) {
    this.#slowMs = slowClientTimeout * 1000;
    this.#idleMs = idleTimeout === 0 ? Infinity : idleTimeout * 1000;
  }

  /** Returns the reason to close the connection, if any. The caller checks every connection regularly. */
  isOver(connection: Connection, nowMs: number): RejectionReason<"resp"> | undefined {
    const { steps, unread, unsent, access, isReady, isClosing } = connection;
    const isPartial = unread !== undefined || unsent !== undefined || isClosing;
    // The service itself delays the connection.
    const isHeld = connection.isWaiting || connection.isQueued || connection.wants > 0;
    const owes = (isPartial || access === "open" || !isReady) && !isHeld;
    // A command that is rejected for a missing token is no step.
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
    // A subscriber waits for messages.
    if (connection.subscriber !== undefined) return undefined;
    return quietMs > this.#idleMs ? "idle_client" : undefined;
  }

  /** Moves `quietSinceMs` forward by the bytes that the client has sent and its socket has taken. */
  #credit(connection: Connection, nowMs: number): void {
    const { bytesIn, bytesInSeen, bytesOut, bytesOutSeen, quietSinceMs } = connection;
    const afterInput = quietSinceMs + ((bytesIn - bytesInSeen) / RATE) * 1000;
    const afterOutput = quietSinceMs + ((bytesOut - bytesOutSeen) / RATE) * 1000;
    connection.quietSinceMs = Math.max(
      quietSinceMs,
      Math.min(nowMs, afterInput),
      Math.min(nowMs + ADVANCE_MAX_MS, afterOutput),
    );
  }
}
