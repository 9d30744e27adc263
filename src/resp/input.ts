// Bytes of commands that have not run: incomplete commands, and commands of a connection that waits.

import { ByteBuffer, freeBytes } from "../cache/cache.ts";
import { type Connection, isBlocked } from "./connection.ts";
import type { InFlight } from "./in-flight.ts";
import { UNTRUSTED_BYTES_MAX } from "./protocol/parser.ts";
import type { Settings } from "./config-parameters.ts";

/** A command of fewer bytes does not wait for room, as most of it has already arrived. */
const SMALL_COMMAND_BYTES = 16 * 1024;
/** Maximum number of bytes that the runtime reads at once. */
const CHUNK_BYTES_MAX = 512 * 1024;
/** After a command of at least this size the connection waits while there is little room. */
const LARGE_COMMAND_BYTES = 64 * 1024;

/** The limit that the bytes of a connection exceed. */
export type Excess = "command_size" | "pending_bytes" | "untrusted";

export class Input {
  readonly #settings: Settings;
  readonly #inFlight: InFlight;

  constructor(settings: Settings, inFlight: InFlight) {
    this.#settings = settings;
    this.#inFlight = inFlight;
  }

  /** Maximum size of a command in bytes. */
  get limitBytes(): number {
    return Math.min(this.#settings.queryLimit, this.#inFlight.limitBytes);
  }

  /** Appends a chunk to the bytes that the connection has not run, and returns these. */
  append(connection: Connection, chunk: Buffer): ByteBuffer {
    const unread = (connection.unread ??= new ByteBuffer(chunk.length, true));
    const end = unread.end + chunk.length;
    if (end > unread.bytes.length) unread.replace(end);
    unread.appendRun(chunk, 0, chunk.length);
    return unread;
  }

  /** Claims the appended bytes for a connection that waits. Returns the limit that they exceed, if any. */
  hold(connection: Connection): Excess | undefined {
    const held = (connection.unread?.end ?? 0) + connection.parser.argumentBytes;
    if (connection.access === "open" && held > UNTRUSTED_BYTES_MAX) return "untrusted";
    return this.#inFlight.settle(connection) ? undefined : "pending_bytes";
  }

  /**
   * Keeps the bytes of `bytes[0, end)` that the parser has not read. The connection waits if there is no
   * room for the rest of the command. `hasRun` is whether a command has run since the last call.
   */
  keep(connection: Connection, bytes: Buffer, end: number, hasRun: boolean): Excess | undefined {
    const { parser } = connection;
    const hasReply = connection.unsent === undefined && !connection.isWaiting;
    if (hasRun && hasReply) this.#inFlight.leaveLane(connection);
    const from = parser.position;
    const { wantedBytes, isLastWanted } = parser;
    parser.rebase();
    if (from >= end || connection.isClosing) {
      this.#finish(connection, bytes);
      return undefined;
    }
    const rest = end - from;
    let capacity = rest;
    // The length of bytes that wait for a reply tells nothing about the size of their commands.
    if (!isBlocked(connection)) {
      if (rest + parser.argumentBytes > this.limitBytes) return "command_size";
      capacity = this.#capacityFor(rest, wantedBytes, isLastWanted);
      if (this.#inFlight.hasLane(connection)) capacity = this.limitBytes;
      else if (!this.#hasRoom(connection, capacity + parser.argumentBytes)) capacity = rest;
    }
    this.#store(connection, bytes, from, end, capacity);
    return this.hold(connection);
  }

  /** Releases the bytes that have not run. */
  forget(connection: Connection): void {
    const { unread, parser, isWaiting } = connection;
    parser.release();
    // A pending command may still read the bytes.
    if (unread !== undefined && !isWaiting) freeBytes(unread.bytes);
    connection.unread = undefined;
    this.#inFlight.settle(connection);
  }

  /** Returns the capacity for the whole command, or for the part that the next read may bring. */
  #capacityFor(rest: number, wantedBytes: number, isLastWanted: boolean): number {
    const next = isLastWanted || rest < SMALL_COMMAND_BYTES ? rest >> 2 : CHUNK_BYTES_MAX;
    return Math.min(this.limitBytes, Math.max(wantedBytes, rest + next));
  }

  #hasRoom(connection: Connection, bytes: number): boolean {
    if (connection.access === "open" || bytes <= connection.claimed) return true;
    if (bytes < SMALL_COMMAND_BYTES || this.#inFlight.ask(connection, bytes)) return true;
    this.#inFlight.wait(connection, bytes);
    connection.socket.pause();
    return false;
  }

  /** Releases the buffer after all commands in it have run. */
  #finish(connection: Connection, bytes: Buffer): void {
    const { unread, isClosing } = connection;
    const ownBytes = unread?.bytes === bytes ? bytes.length : 0;
    if (unread !== undefined || connection.claimed > 0) this.forget(connection);
    if (ownBytes < LARGE_COMMAND_BYTES || isClosing) return;
    connection.lastBytes = ownBytes;
    this.#inFlight.sentLarge(connection);
    // Connections that wait already come first.
    if (isBlocked(connection) || !this.#inFlight.isTight) return;
    this.#inFlight.wait(connection, ownBytes);
    connection.socket.pause();
  }

  #store(connection: Connection, bytes: Buffer, from: number, end: number, capacity: number): void {
    const { unread } = connection;
    if (unread?.bytes !== bytes) {
      connection.unread = new ByteBuffer(capacity, true);
      connection.unread.appendRun(bytes, from, end);
      return;
    }
    if (from > 0) bytes.copyWithin(0, from, end);
    unread.end = end - from;
    const isTooLarge = bytes.length > 4 * capacity && bytes.length > LARGE_COMMAND_BYTES;
    if (bytes.length < capacity || isTooLarge) unread.replace(capacity);
  }
}
