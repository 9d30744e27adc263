// Commands that have not been run: those that are not whole yet, and those of a connection that waits.

import { ByteBuffer, freeBytes } from "../cache/cache.ts";
import { type Connection, isBlocked } from "./connection.ts";
import type { InFlight } from "./in-flight.ts";
import { MAX_UNTRUSTED_BYTES } from "./protocol/parser.ts";
import type { Settings } from "./config-parameters.ts";

/** A command of fewer bytes does not wait for room: most of it has come already. */
const SMALL_BYTES = 16 * 1024;
/** Bytes that the runtime reads at once. */
const MAX_CHUNK_BYTES = 512 * 1024;
/** After a command of more bytes the connection waits while there is little room. */
const LARGE_BYTES = 64 * 1024;

/** Why a connection cannot keep what it has sent. */
export type Excess = "command_size" | "pending_bytes" | "untrusted";

export class Input {
  readonly #settings: Settings;
  readonly #inFlight: InFlight;

  constructor(settings: Settings, inFlight: InFlight) {
    this.#settings = settings;
    this.#inFlight = inFlight;
  }

  /** Bytes that a command may have. */
  get limitBytes(): number {
    return Math.min(this.#settings.queryLimit, this.#inFlight.limitBytes);
  }

  /** Adds what has come to what the connection has not run. */
  append(connection: Connection, chunk: Buffer): ByteBuffer {
    const unread = (connection.unread ??= new ByteBuffer(chunk.length, true));
    const end = unread.end + chunk.length;
    if (end > unread.bytes.length) unread.replace(end);
    unread.appendRun(chunk, 0, chunk.length);
    return unread;
  }

  /** Claims what has been appended for a connection that waits. */
  hold(connection: Connection): Excess | undefined {
    const held = (connection.unread?.end ?? 0) + connection.parser.argumentBytes;
    if (connection.access === "open" && held > MAX_UNTRUSTED_BYTES) return "untrusted";
    return this.#inFlight.settle(connection) ? undefined : "pending_bytes";
  }

  /**
   * Keeps what the parser has not read of `bytes[0, end)`, and lets the connection wait if there is no
   * room for the rest of the command. `hasRun`: whether a command has been run since it was last called.
   */
  keep(connection: Connection, bytes: Buffer, end: number, hasRun: boolean): Excess | undefined {
    const { parser } = connection;
    const hasAnswer = connection.unsent === undefined && !connection.isWaiting;
    if (hasRun && hasAnswer) this.#inFlight.leaveLane(connection);
    const from = parser.position;
    const { wantedBytes, isLastWanted } = parser;
    parser.rebase();
    if (from >= end || connection.isClosing) {
      this.#finish(connection, bytes);
      return undefined;
    }
    const rest = end - from;
    let capacity = rest;
    // The length of what waits behind an answer says nothing of its commands.
    if (!isBlocked(connection)) {
      if (rest + parser.argumentBytes > this.limitBytes) return "command_size";
      capacity = this.#wanted(rest, wantedBytes, isLastWanted);
      if (this.#inFlight.hasLane(connection)) capacity = this.limitBytes;
      else if (!this.#hasRoom(connection, capacity + parser.argumentBytes)) capacity = rest;
    }
    this.#store(connection, bytes, from, end, capacity);
    return this.hold(connection);
  }

  /** Lets go of what has not been run. */
  forget(connection: Connection): void {
    const { unread, parser, isWaiting } = connection;
    parser.release();
    // The command that waits may still read it.
    if (unread !== undefined && !isWaiting) freeBytes(unread.bytes);
    connection.unread = undefined;
    this.#inFlight.settle(connection);
  }

  /** Room for the rest of the command, or for what comes of it at once. */
  #wanted(rest: number, wantedBytes: number, isLastWanted: boolean): number {
    const next = isLastWanted || rest < SMALL_BYTES ? rest >> 2 : MAX_CHUNK_BYTES;
    return Math.min(this.limitBytes, Math.max(wantedBytes, rest + next));
  }

  #hasRoom(connection: Connection, bytes: number): boolean {
    if (connection.access === "open" || bytes <= connection.claimed) return true;
    if (bytes < SMALL_BYTES || this.#inFlight.ask(connection, bytes)) return true;
    this.#inFlight.wait(connection, bytes);
    connection.socket.pause();
    return false;
  }

  /** The commands that had come have been run. */
  #finish(connection: Connection, bytes: Buffer): void {
    const { unread, isClosing } = connection;
    const ownBytes = unread?.bytes === bytes ? bytes.length : 0;
    if (unread !== undefined || connection.claimed > 0) this.forget(connection);
    if (ownBytes < LARGE_BYTES || isClosing) return;
    connection.lastBytes = ownBytes;
    this.#inFlight.sentLarge(connection);
    // Others come first.
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
    const isTooLarge = bytes.length > 4 * capacity && bytes.length > LARGE_BYTES;
    if (bytes.length < capacity || isTooLarge) unread.replace(capacity);
  }
}
