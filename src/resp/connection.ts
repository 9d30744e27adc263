// The state of a client's connection.

import type { Socket } from "bun";

import { endpointText } from "../linux/addresses.ts";
import type { ByteBuffer } from "../cache/cache.ts";
import type { Service } from "../service/service.ts";
import type { Session } from "./commands/context.ts";
import { type Clients, NO_ROW, NO_SUBSCRIPTIONS } from "./clients.ts";
import { Parser } from "./protocol/parser.ts";
import type { Settings } from "./config-parameters.ts";

/** Time for a rejected client to receive its error before the socket is closed. */
const ERROR_DELIVERY_MS = 1000;

export interface Connection extends Session {
  readonly socket: Socket<Connection | undefined>;
  /** Row in the table of clients. */
  row: number;
  readonly parser: Parser;
  /** A chunk that is read together with those of other connections. */
  arrived: Buffer | undefined;
  /** Received bytes of an incomplete command, or of commands that wait. */
  unread: ByteBuffer | undefined;
  /** Replies that the socket has not taken. They begin at the offset `sent`. */
  unsent: ByteBuffer | undefined;
  sent: number;
  /** Whether the last command is pending: it has no reply yet. */
  isWaiting: boolean;
  /** Whether the connection has further commands for its next turn. */
  isQueued: boolean;
  /** Whether the next command waits for room for its reply. */
  isParked: boolean;
  /** Whether the next command has lacked room before. */
  hasLacked: boolean;
  /** Number of bytes that the connection waits for; 0 if it does not wait. */
  wants: number;
  /** Number of bytes that the connection has claimed of --max-pending-bytes. */
  claimed: number;
  /** Size of the last large command in bytes. */
  lastBytes: number;
  isOpen: boolean;
  /** Whether the TLS handshake is done; true without TLS. */
  isReady: boolean;
  /** Number of steps of progress: batches of commands that ran, and unsent replies that were fully sent. */
  steps: number;
  /** Received bytes, and bytes of replies that the socket took in partial writes. */
  bytesIn: number;
  bytesOut: number;
  // The values at the last check of ClientTimeouts.
  stepsSeen: number;
  bytesInSeen: number;
  bytesOutSeen: number;
  owed: boolean;
  quietSinceMs: number;
}

/** Returns whether received commands must wait. */
export function isBlocked({ unsent, isWaiting, isQueued, isParked }: Connection): boolean {
  return unsent !== undefined || isWaiting || isQueued || isParked;
}

/** Returns whether the last command has no reply yet. */
export function hasNoReply({ isWaiting, isParked, isQueued }: Connection): boolean {
  return isWaiting || isParked || isQueued;
}

/** Continues to read from the socket, unless the connection must wait. */
export function readOn(connection: Connection): void {
  if (!isBlocked(connection) && connection.wants === 0) connection.socket.resume();
}

/** Returns the state of a new connection, and adds its client to the list. */
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
  // One literal without spreads: the engine then keeps all fields in the object itself, in this order. The fields
  // that each command reads come first, in few lines of memory.
  const connection: Connection = {
    socket,
    arrived: undefined,
    unread: undefined,
    unsent: undefined,
    isClosing: false,
    isWaiting: false,
    isQueued: false,
    isParked: false,
    access: tokens.withoutToken,
    database: 0,
    replies: "on",
    subscriber: undefined,
    transaction: undefined,
    version: 2,
    row: NO_ROW,
    steps: 0,
    bytesIn: 0,
    parser: new Parser(settings),
    claimed: 0,
    hasLacked: false,
    wants: 0,
    sent: 0,
    bytesOut: 0,
    lastBytes: 0,
    isOpen: true,
    isReady: tls === undefined,
    stepsSeen: -1,
    bytesInSeen: 0,
    bytesOutSeen: 0,
    owed: false,
    quietSinceMs: nowMs,
    watched: undefined,
    cancelWait: undefined,
    id,
    address: endpointText(socket.remoteAddress, socket.remotePort),
    localAddress: endpointText(socket.localAddress, socket.localPort),
    flags: "N",
    subscriptions: NO_SUBSCRIPTIONS,
    redirect: -1,
    libName: "",
    libVersion: "",
    name: "",
  };
  connection.row = clients.add(id, connection, nowMs);
  return connection;
}

/** Sends an error and closes the socket. Over TLS the client receives it only after its handshake. */
export function closeWithError(socket: Socket<Connection | undefined>, text: string): void {
  socket.end(text);
  setTimeout(() => socket.terminate(), ERROR_DELIVERY_MS);
}
