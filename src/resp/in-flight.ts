// The part of the bytes in flight that the connections of a worker hold: incomplete commands, commands
// that wait, and replies that the client has not read.
//
// A connection asks before it reads the rest of a long command, and waits for room, oldest first.
// Bytes that have already arrived are claimed without asking. If they exceed the limit, the connection
// is closed. The connection in the lane (see byte-budget.ts) does not ask.

import type { ByteBudget } from "../shared-memory/byte-budget.ts";
import { type Connection, isBlocked } from "./connection.ts";

/** Bytes that each connection may hold without a claim. They belong to the cost of a connection. */
const UNCLAIMED_BYTES_MAX = 1024;
/** Interval of the check for room that other workers free. The check runs only while a connection waits. */
const CHECK_EVERY_MS = 20;

export class InFlight {
  readonly #budget: ByteBudget;
  readonly #resume: (connection: Connection) => void;
  /** Connections that wait, the oldest first. */
  readonly #waiting: Connection[] = [];
  /** Connections that were granted room since the last check. The check corrects their claims. */
  #granted: Connection[] = [];
  /** Connections that have sent a large command. Their next command is probably as large. */
  readonly #large = new Set<Connection>();
  #inLane: Connection | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #willWake = false;

  /** `resume` continues to read from a connection that has waited. */
  constructor(budget: ByteBudget, resume: (connection: Connection) => void) {
    this.#budget = budget;
    this.#resume = resume;
  }

  get limitBytes(): number {
    return this.#budget.limitBytes;
  }

  get isTight(): boolean {
    return this.#budget.isTight;
  }

  hasLane(connection: Connection): boolean {
    return this.#inLane === connection;
  }

  /** Sets the claim of a connection to the bytes that it holds. Returns false if that exceeds the limit. O(1). */
  settle(connection: Connection): boolean {
    const held = heldBytes(connection);
    if (this.#inLane === connection) {
      // A command that runs in slices keeps the lane.
      if (held === 0 && !connection.isWaiting) this.leaveLane(connection);
      return true;
    }
    const { claimed } = connection;
    if (held === claimed) return true;
    if (!this.#budget.tryResize(claimed, held)) return this.#enterLane(connection);
    connection.claimed = held;
    if (held < claimed) this.#wakeSoon();
    else this.#pauseLarge(connection);
    return true;
  }

  /** Claims room for `bytes` in total. Returns false if the connection has to wait. O(1). */
  ask(connection: Connection, bytes: number): boolean {
    if (this.#inLane === connection) return true;
    // Connections that already wait come first.
    if (this.#waiting.length > 0 && this.#waiting[0] !== connection) return false;
    if (!this.#budget.tryReserve(connection.claimed, bytes)) return false;
    connection.claimed = bytes;
    this.#pauseLarge(connection);
    return true;
  }

  /** Records that the connection has sent a command of `lastBytes`. */
  sentLarge(connection: Connection): void {
    this.#large.add(connection);
  }

  /**
   * Parks the connection until `resume`, because its next command lacked room for a reply of `bytes`. If
   * the same command lacks room again, it runs in the lane only. Otherwise it could wait for its own bytes.
   */
  park(connection: Connection, bytes: number): void {
    connection.isParked = true;
    this.wait(connection, connection.hasLacked ? Infinity : bytes);
    connection.hasLacked = true;
  }

  /** Adds the connection to the queue for `bytes` in total, until `resume`. The caller pauses its socket. */
  wait(connection: Connection, bytes: number): void {
    if (connection.wants === 0) this.#waiting.push(connection);
    connection.wants = Math.max(1, bytes);
    this.#timer ??= setInterval(() => this.#check(), CHECK_EVERY_MS);
    this.#wakeSoon();
  }

  /** Removes a connection that has ended. */
  forget(connection: Connection): void {
    const index = connection.wants === 0 ? -1 : this.#waiting.indexOf(connection);
    if (index >= 0) this.#waiting.splice(index, 1);
    connection.wants = 0;
    this.#large.delete(connection);
    this.settle(connection);
    this.leaveLane(connection);
  }

  /** Leaves the lane after the command of the connection has run. */
  leaveLane(connection: Connection): void {
    if (this.#inLane !== connection) return;
    this.#inLane = undefined;
    this.#budget.leaveLane();
    this.#wakeSoon();
  }

  #enterLane(connection: Connection): boolean {
    if (!this.#budget.tryEnterLane()) return false;
    this.#inLane = connection;
    this.#budget.resize(connection.claimed, 0);
    connection.claimed = 0;
    // The freed claim may be enough for another connection.
    this.#wakeSoon();
    return true;
  }

  /**
   * Pauses idle connections that may send a large command, if more than half of the limit is used. The
   * kernel may hold 512 KiB of each command, which arrive at once and cannot wait. A pause takes effect
   * before the next chunk is read. So the rest of the limit is for one chunk of each worker.
   */
  #pauseLarge(except: Connection): void {
    if (this.#large.size === 0 || this.#budget.usedBytes * 2 <= this.limitBytes) return;
    for (const connection of this.#large) {
      const { unread, wants, claimed, isClosing, lastBytes, socket } = connection;
      const isIdle = unread === undefined && wants === 0 && claimed === 0 && !isClosing;
      if (!isIdle || isBlocked(connection) || connection === except) continue;
      if (connection === this.#inLane) continue;
      this.wait(connection, lastBytes);
      socket.pause();
    }
  }

  #check(): void {
    const granted = this.#granted;
    this.#granted = [];
    for (const connection of granted) this.settle(connection);
    this.#wake();
    if (this.#waiting.length > 0 || this.#granted.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #wakeSoon(): void {
    if (this.#waiting.length === 0 || this.#willWake) return;
    this.#willWake = true;
    setImmediate(() => {
      this.#willWake = false;
      this.#wake();
    });
  }

  #wake(): void {
    const inLane = this.#inLane;
    if (inLane !== undefined && inLane.wants > 0) this.#grant(inLane);
    // A connection that was granted room may wait again at once. The next check handles it.
    for (let left = this.#waiting.length; left > 0; left--) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      if (!this.#isGranted(first) && !this.#enterLane(first)) return;
      this.#grant(first);
    }
  }

  #grant(connection: Connection): void {
    this.#waiting.splice(this.#waiting.indexOf(connection), 1);
    connection.wants = 0;
    this.#granted.push(connection);
    this.#resume(connection);
  }

  /**
   * Claims the room that a connection waits for, and returns whether there is room. A parked connection
   * needs room for its command and its reply. If both exceed the limit, the command runs in the lane only.
   */
  #isGranted(connection: Connection): boolean {
    const { wants, isParked } = connection;
    const held = heldBytes(connection);
    if (!isParked) return this.ask(connection, Math.max(wants, held));
    return held + wants <= this.limitBytes && this.ask(connection, held + wants);
  }
}

function heldBytes({ unread, unsent, parser, access }: Connection): number {
  const bytes = (unread?.bytes.length ?? 0) + (unsent?.bytes.length ?? 0) + parser.argumentBytes;
  // A client without a token may hold at most 4 KiB, needs no claim and takes no room of other clients.
  return bytes <= UNCLAIMED_BYTES_MAX || (access === "open" && unsent === undefined) ? 0 : bytes;
}
