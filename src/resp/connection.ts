// A client's connection, as its listener keeps it.

import type { Socket } from "bun";

import { endpointText } from "../linux/addresses.ts";
import type { ByteBuffer } from "../cache/cache.ts";
import type { Service } from "../service/service.ts";
import type { Session } from "./commands/context.ts";
import type { Clients } from "./clients.ts";
import { Parser } from "./protocol/parser.ts";
import type { Settings } from "./config-parameters.ts";

/** How long a client that is not to stay may take to hear why. */
const FAREWELL_MS = 1000;

export interface Connection extends Session {
  readonly socket: Socket<Connection | undefined>;
  readonly parser: Parser;
  /** What has come and is no whole command yet, or waits for the client to read. */
  unread: ByteBuffer | undefined;
  /** What the socket has not taken, from `sent` on. */
  unsent: ByteBuffer | undefined;
  sent: number;
  /** Whether its last command has no answer yet. */
  isWaiting: boolean;
  /** Whether more of its commands are to be run when its turn comes. */
  isQueued: boolean;
  /** Whether its next command waits for room for its answer. */
  isParked: boolean;
  /** Whether its next command has lacked room before. */
  hasLacked: boolean;
  /** Bytes that it waits for room for; 0 if it does not wait. */
  wants: number;
  /** Bytes that it has claimed of --max-pending-bytes. */
  claimed: number;
  /** Bytes of its last command, if that came in several pieces. */
  lastBytes: number;
  isOpen: boolean;
  /** Whether it may begin: over TLS, whether its handshake is done. */
  isReady: boolean;
  /** Times that it has got something done: commands run, answers read to their end. */
  steps: number;
  /** Bytes of commands that have come, and of answers that its socket has taken late. */
  bytesIn: number;
  bytesOut: number;
  // What Patience remembers of it.
  stepsSeen: number;
  bytesInSeen: number;
  bytesOutSeen: number;
  owed: boolean;
  quietSinceMs: number;
}

/** Whether commands that have come must wait. */
export function isBlocked({ unsent, isWaiting, isQueued, isParked }: Connection): boolean {
  return unsent !== undefined || isWaiting || isQueued || isParked;
}

/** Reads on, unless the connection has to wait for something. */
export function readOn(connection: Connection): void {
  if (!isBlocked(connection) && connection.wants === 0) connection.socket.resume();
}

/** A client that has just come. */
export function newConnection(
  socket: Socket<Connection | undefined>,
  clients: Clients,
  settings: Settings,
  { tokens, tls }: Service,
  nowMs: number,
): Connection {
  const { tcpKeepalive } = settings;
  if (tcpKeepalive > 0) socket.setKeepAlive(true, tcpKeepalive * 1000);
  const id = clients.nextId();
  const description = {
    address: endpointText(socket.remoteAddress, socket.remotePort),
    localAddress: endpointText(socket.localAddress, socket.localPort),
    ...{ version: 2 as const, flags: "N", libName: "", libVersion: "", name: "" },
  };
  return {
    ...description,
    ...{ id, socket, access: tokens.withoutToken },
    row: clients.add(id, description, nowMs),
    replies: "on",
    isClosing: false,
    parser: new Parser(settings),
    unread: undefined,
    unsent: undefined,
    sent: 0,
    isWaiting: false,
    ...{ isQueued: false, isParked: false, hasLacked: false, wants: 0, claimed: 0, lastBytes: 0 },
    isOpen: true,
    isReady: tls === undefined,
    ...{ steps: 0, stepsSeen: -1, owed: false, quietSinceMs: nowMs },
    ...{ bytesIn: 0, bytesOut: 0, bytesInSeen: 0, bytesOutSeen: 0 },
  };
}

/** For a client that is not to stay; over TLS it can hear that only once it has done its handshake. */
export function closeWithError(socket: Socket<Connection | undefined>, text: string): void {
  socket.end(text);
  setTimeout(() => socket.terminate(), FAREWELL_MS);
}
