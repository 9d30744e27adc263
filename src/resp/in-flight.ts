// The part of the bytes in flight that the connections of a worker hold: commands that are not whole,
// commands and answers that wait for the client to read.
//
// A connection asks before it reads the rest of a long command, and waits for room, oldest first.
// Bytes that have come already are claimed without asking; if they exceed the limit the connection
// is refused. The connection that has the lane (see byte-budget.ts) does not ask.

import type { ByteBudget } from "../shared-memory/byte-budget.ts";
import { type Connection, isBlocked } from "./connection.ts";

/** Bytes that each connection may hold without a claim: they are part of what a connection costs. */
const FREE_BYTES = 1024;
/** For room that connections of other workers leave. Runs only while a connection waits. */
const LOOK_EVERY_MS = 20;

export class InFlight {
  readonly #budget: ByteBudget;
  readonly #resume: (connection: Connection) => void;
  /** Connections that wait, the oldest first. */
  readonly #waiting: Connection[] = [];
  /** Connections that were let on and have not sent anything yet. */
  #granted: Connection[] = [];
  /** Connections that have sent a large command. Their next one is as large, most likely. */
  readonly #large = new Set<Connection>();
  #inLane: Connection | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #willWake = false;

  /** `resume` reads on from a connection that has waited. */
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

  /** Makes the claim of a connection what it holds now. Returns false if that exceeds the limit. O(1). */
  settle(connection: Connection): boolean {
    const held = heldBytes(connection);
    if (this.#inLane === connection) {
      // A command that runs in slices is still the one that the lane was entered for.
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

  /** Claims room for `bytes` in all. Returns false if the connection has to wait for it. O(1). */
  ask(connection: Connection, bytes: number): boolean {
    if (this.#inLane === connection) return true;
    // Others that wait come first.
    if (this.#waiting.length > 0 && this.#waiting[0] !== connection) return false;
    if (!this.#budget.tryReserve(connection.claimed, bytes)) return false;
    connection.claimed = bytes;
    this.#pauseLarge(connection);
    return true;
  }

  /** The connection has sent a command of `lastBytes`. */
  sentLarge(connection: Connection): void {
    this.#large.add(connection);
  }

  /**
   * Parks the connection, until `resume`, as its next command lacked room for `bytes` beside the command
   * itself. A command that lacks room again after that runs in the lane only: it waits for itself no more.
   */
  park(connection: Connection, bytes: number): void {
    connection.isParked = true;
    this.wait(connection, connection.hasLacked ? Infinity : bytes);
    connection.hasLacked = true;
  }

  /** Lets the connection wait, until `resume`, for room for `bytes` in all. It is not to be read from. */
  wait(connection: Connection, bytes: number): void {
    if (connection.wants === 0) this.#waiting.push(connection);
    connection.wants = Math.max(1, bytes);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#wakeSoon();
  }

  /** The connection has ended and holds nothing. */
  forget(connection: Connection): void {
    const place = connection.wants === 0 ? -1 : this.#waiting.indexOf(connection);
    if (place >= 0) this.#waiting.splice(place, 1);
    connection.wants = 0;
    this.#large.delete(connection);
    this.settle(connection);
    this.leaveLane(connection);
  }

  /** The command that the connection had the lane for has been run. */
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
    // It may wait behind others for what it has now.
    this.#wakeSoon();
    return true;
  }

  /**
   * Above half of the limit, lets the connections wait that have nothing unread and may send a large
   * command. Their kernels may hold 512 KiB of it each, which come at once and cannot wait. A pause takes
   * effect before their next chunk is read, so the rest of the limit is for one chunk of each worker.
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

  #look(): void {
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
    if (inLane !== undefined && inLane.wants > 0) this.#letOn(inLane);
    // A connection that is let on may wait again at once: its turn comes with the next look.
    for (let left = this.#waiting.length; left > 0; left--) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      if (!this.#isGranted(first) && !this.#enterLane(first)) return;
      this.#letOn(first);
    }
  }

  #letOn(connection: Connection): void {
    this.#waiting.splice(this.#waiting.indexOf(connection), 1);
    connection.wants = 0;
    this.#granted.push(connection);
    this.#resume(connection);
  }

  /**
   * Returns whether there is room. A parked connection claims its answer beside its command. Where both
   * exceed the limit, the claim of the answer always fails: such a command runs in the lane only.
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
  // A client without a token may hold so little that it needs no claim, and may take no room of others.
  return bytes <= FREE_BYTES || (access === "open" && unsent === undefined) ? 0 : bytes;
}
