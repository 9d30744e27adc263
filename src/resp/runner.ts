// Runs the prepared commands of one connection, in order, and counts their durations.

import type { Histogram } from "../shared-memory/histogram.ts";
import { type Arrivals, CHUNKS_MAX } from "./arrivals.ts";
import type { Pending } from "./commands/context.ts";
import { type Connection, hasNoReply, isBlocked } from "./connection.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { RespEvents } from "./events.ts";
import type { ParsedCommand } from "./protocol/parser.ts";

/** Maximum duration of one turn of a connection. Its other commands wait for its next turn. */
export const TURN_MAX_MS = 5;

interface Parts {
  readonly dispatcher: Dispatcher;
  readonly durations: Histogram;
  readonly events: RespEvents;
}

/** What the pipeline does with a connection after a command. */
interface Steps {
  /** The reply is pending, of the commands with these numbers. */
  readonly wait: (
    connection: Connection,
    pending: Pending,
    numbers: readonly number[],
    startMs: number,
  ) => void;
  /** The command lacked this number of bytes for its reply, or is PAUSED. */
  readonly park: (connection: Connection, bytes: number) => void;
  /** The reply was too long. */
  readonly exceeded: (connection: Connection) => void;
  /** The reply is written. */
  readonly wrote: (connection: Connection) => void;
}

export class Runner {
  readonly #parts: Parts;
  readonly #arrivals: Arrivals;
  readonly #steps: Steps;
  /** Numbers of the commands of the last run, for their durations. A pending command has -1. */
  readonly #ran = new Int32Array(CHUNKS_MAX);
  /** Duration of the current turn of the connection, up to the end of the last run; 0 if `Arrivals` counts it. */
  ranMs = 0;
  isTurnOver = false;
  /** Number of commands behind the last one that share its pending reply. */
  #joined = 0;
  #hasReportedHttp = false;

  constructor(parts: Parts, arrivals: Arrivals, steps: Steps) {
    this.#parts = parts;
    this.#arrivals = arrivals;
    this.#steps = steps;
  }

  /** Runs the prepared `commands[from, to)`. Returns the number that ran; the others have to wait. */
  run(
    connection: Connection,
    commands: readonly ParsedCommand[],
    from: number,
    to: number,
    startMs: number,
  ): number {
    const { dispatcher, durations } = this.#parts;
    if (from < to) connection.steps++;
    const ran = this.#ran;
    let next = from;
    this.#joined = 0;
    for (let mayContinue = true; next < to && mayContinue;) {
      const plain = dispatcher.runPlain(next, to, ran);
      if (plain > next) {
        next = plain;
        this.#endRun(connection);
        mayContinue = this.#mayContinue(connection, commands[next - 1] as ParsedCommand);
        continue;
      }
      mayContinue = this.#runOne(connection, commands, next, to, startMs);
      // The duration of a pending command is not known yet.
      ran[next++] = hasNoReply(connection) ? -1 : dispatcher.lastCommand;
      if (this.#joined > 0) ran.fill(-1, next, (next += this.#joined));
    }
    for (let n = from; n < to; n++) (commands[n] as ParsedCommand).release();
    const done = next - from;
    this.ranMs = 0;
    if (
      done === 1 &&
      dispatcher.wasQuick &&
      this.#arrivals.observe(ran[from] as number, connection)
    )
      return done;
    this.ranMs = performance.now() - startMs;
    this.#arrivals.renew();
    durations.observeAll(ran, from, next, this.ranMs * 1000);
    return done;
  }

  /** Runs `commands[index]`. Returns false if the commands of the client behind it must wait or must not run. */
  #runOne(
    connection: Connection,
    commands: readonly ParsedCommand[],
    index: number,
    to: number,
    startMs: number,
  ): boolean {
    const { dispatcher, events } = this.#parts;
    const parsed = commands[index] as ParsedCommand;
    if (!dispatcher.run(index, to)) {
      connection.isClosing = true;
      if (!this.#hasReportedHttp) events.httpRejected(connection.address);
      this.#hasReportedHttp = true;
    }
    if (dispatcher.lackedBytes !== 0) {
      this.#steps.park(connection, dispatcher.lackedBytes);
      connection.parser.reread(parsed);
      return false;
    }
    if (connection.isClosing && dispatcher.isOverLimit) this.#steps.exceeded(connection);
    this.#endRun(connection);
    const pending = dispatcher.takePending();
    let last = parsed;
    if (pending !== undefined) {
      const numbers = [dispatcher.lastCommand, ...dispatcher.late.takeJoined()];
      this.#joined = numbers.length - 1;
      last = commands[index + this.#joined] as ParsedCommand;
      this.#steps.wait(connection, pending, numbers, startMs);
    }
    if (!dispatcher.wasQuick && performance.now() - startMs > TURN_MAX_MS) this.isTurnOver = true;
    return this.#mayContinue(connection, last);
  }

  /** Whether the commands behind `last` may run. Otherwise the parser moves back to the first of them. */
  #mayContinue(connection: Connection, last: ParsedCommand): boolean {
    if (!this.mustStop(connection)) return true;
    connection.parser.rewind(last.end);
    return false;
  }

  /** After commands have run. */
  #endRun(connection: Connection): void {
    if (connection.hasLacked) connection.hasLacked = false;
    this.#steps.wrote(connection);
  }

  /** Whether no further command of the client may run now. */
  mustStop(connection: Connection): boolean {
    return connection.isClosing || this.isTurnOver || isBlocked(connection);
  }
}
