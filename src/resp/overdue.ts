// Closes connections whose timeout is over, and connections that CLIENT KILL has marked.

import type { Service } from "../service/service.ts";
import { type Connection, isBlocked } from "./connection.ts";
import type { Clients } from "./clients.ts";
import type { ClientTimeouts } from "./timeouts.ts";

/** Returns whether any connection still has a deadline, so that the caller has to check again. O(connections). */
export function closeOverdue(
  connections: Iterable<Connection>,
  timeouts: ClientTimeouts,
  { rejections }: Service,
  nowMs: number,
): boolean {
  let owes = false;
  for (const connection of connections) {
    const reason = timeouts.isOver(connection, nowMs);
    if (reason !== undefined) rejections.add("resp", reason);
    if (reason !== undefined) connection.socket.terminate();
    // A connection that the service delays may have a deadline afterwards.
    owes ||= connection.owed || connection.wants > 0 || isBlocked(connection);
  }
  return owes;
}

/** Closes the connections of killed clients. O(connections). */
export function closeKilled(connections: Iterable<Connection>, clients: Clients): void {
  const { kills } = clients;
  for (const connection of connections) {
    if (!clients.isKilled(connection.row)) continue;
    connection.isClosing = true;
    connection.socket.terminate();
  }
  clients.killsDone = kills;
}
