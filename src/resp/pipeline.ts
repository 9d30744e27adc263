// Runs the commands of all connections of a worker, in order for each of them.
//
//   data → parser → command → one buffer → one write
//
// A client that does not read is not read from: its answers and commands wait. A connection whose
// commands take long runs the rest of them when its turn comes again, after those of others.

import { freeBytes } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import type { Histogram } from "../shared-memory/histogram.ts";
import type { RejectionReason } from "../security/rejections.ts";
import type { Service } from "../service/service.ts";
import { type Connection, isBlocked, readOn } from "./connection.ts";
import type { Clients } from "./clients.ts";
import { COMMAND_NAMES } from "./commands/table.ts";
import { type Dispatcher, NO_ROOM } from "./dispatcher.ts";
import { InFlight } from "./in-flight.ts";
import { type Excess, Input } from "./input.ts";
import { Output } from "./output.ts";
import { COMMAND, ERROR, MORE, type Outcome, ParsedCommand } from "./protocol/parser.ts";
import type { Reply } from "./protocol/reply.ts";

import type { Settings } from "./config-parameters.ts";
import type { RespCounters } from "./counters.ts";
import type { RespEvents, SizeOption } from "./events.ts";

/** Commands of a connection that are read before the first of them is run. */
const READ_AHEAD = 32;
/** After so long the rest of a connection's commands waits for its next turn. */
const TURN_MS = 5;
/** A chunk of more bytes is freed once it has been read, and not at a collection. */
const FREED_CHUNK_BYTES = 16 * 1024;
const NO_BYTES = Buffer.alloc(0);

export interface PipelineParts {
  readonly config: Config;
  readonly service: Service;
  readonly reply: Reply;
  readonly dispatcher: Dispatcher;
  readonly clients: Clients;
  readonly settings: Settings;
  readonly counters: RespCounters;
  readonly durations: Histogram;
  readonly events: RespEvents;
}

export class Pipeline {
  readonly #parts: PipelineParts;
  readonly #inFlight: InFlight;
  readonly #input: Input;
  readonly #output: Output;
  readonly #slowMs: number;
  #hasToldOfHttp = false;
  /** Commands that have been read and not been run. */
  readonly #queue = Array.from({ length: READ_AHEAD }, () => new ParsedCommand());
  /** Numbers of those that have been run of late, for their durations. */
  readonly #ran = new Int32Array(READ_AHEAD);
  /** How long they took, with those of the same connection that came with them. */
  #ranMs = 0;
  #isTurnOver = false;
  /** Connections that have more commands to run, in the order of their turns. */
  readonly #turns: Connection[] = [];

  constructor(parts: PipelineParts) {
    const { config, service, reply, settings, counters } = parts;
    this.#parts = parts;
    this.#slowMs = config.slowMs === 0 ? Infinity : config.slowMs;
    this.#inFlight = new InFlight(service.budget, (connection) => this.#goOn(connection));
    this.#input = new Input(settings, this.#inFlight);
    this.#output = new Output(reply, counters, this.#inFlight, (connection) => {
      counters.add("outputLimitCloses", 1);
      this.#tellOver(connection, "pending_bytes", "--max-pending-bytes");
      connection.socket.terminate();
    });
  }

  /** Takes what a client has sent. */
  read(connection: Connection, chunk: Buffer): void {
    this.#guarded(connection, () => this.#read(connection, chunk));
  }

  /** Its socket takes more. */
  drain(connection: Connection): void {
    this.#guarded(connection, () => {
      if (!this.#output.drain(connection) || connection.isWaiting) return;
      if (connection.unread !== undefined && !isBlocked(connection)) this.#runUnread(connection);
      else if (connection.isClosing) connection.socket.end();
      // That may have filled the socket again.
      readOn(connection);
    });
  }

  /** Its socket has closed. */
  closed(connection: Connection): void {
    connection.isOpen = false;
    connection.isClosing = true;
    connection.isQueued = false;
    this.#output.forget(connection);
    this.#input.forget(connection);
    this.#inFlight.forget(connection);
  }

  #read(connection: Connection, chunk: Buffer): void {
    this.#parts.counters.add("inputBytes", chunk.length);
    connection.bytesIn += chunk.length;
    // A connection that closes is not read from any more.
    if (connection.isClosing) return;
    const wasBlocked = isBlocked(connection);
    if (connection.unread === undefined && !wasBlocked) {
      this.#work(connection, chunk, chunk.length);
    } else {
      const { bytes, end } = this.#input.append(connection, chunk);
      if (!wasBlocked) this.#work(connection, bytes, end);
      else this.#refuseIf(connection, this.#input.hold(connection));
    }
    // A command that waits may still read it.
    if (chunk.length >= FREED_CHUNK_BYTES && !connection.isWaiting) freeBytes(chunk);
  }

  #runUnread(connection: Connection): void {
    const { unread } = connection;
    this.#work(connection, unread?.bytes ?? NO_BYTES, unread?.end ?? 0);
  }

  /** Runs the commands in `bytes[0, end)` and keeps the rest. */
  #work(connection: Connection, bytes: Buffer, end: number): void {
    const { dispatcher, reply, clients, events } = this.#parts;
    const { parser } = connection;
    const startMs = performance.now();
    this.#begin(connection);
    this.#isTurnOver = false;
    let commands = 0;
    let outcome: Outcome = COMMAND;
    while (outcome !== MORE && !connection.isClosing && !isBlocked(connection)) {
      // What may be read depends on a token that the next command may show.
      parser.isTrusted = connection.access !== "open";
      const ahead = parser.isTrusted ? READ_AHEAD : 1;
      let count = 0;
      do {
        outcome = parser.next(bytes, end);
        if (outcome !== COMMAND) continue;
        this.#queue[count] = parser.take(this.#queue[count] as ParsedCommand);
        count++;
      } while (outcome < MORE && count < ahead);
      const done = this.#runAll(connection, count, startMs);
      commands += done;
      if (done < count || connection.isClosing || isBlocked(connection)) break;
      if (outcome === ERROR) {
        reply.error(parser.error);
        connection.isClosing = true;
      } else if (this.#ranMs > TURN_MS) this.#isTurnOver = true;
      if (this.#isTurnOver) break;
    }
    if (commands > 0 && this.#ranMs >= this.#slowMs) {
      const name = nameOf(dispatcher.lastCommand);
      events.slow(connection.address, name, commands, this.#ranMs);
    }
    clients.used(connection.row, dispatcher.lastCommand, dispatcher.nowMs);
    if (this.#isTurnOver && parser.position < end && !isBlocked(connection))
      this.#queueTurn(connection);
    this.#refuseIf(connection, this.#input.keep(connection, bytes, end, commands > 0));
    if (this.#output.hasMore || connection.isClosing) this.#output.add(connection);
    this.#output.writeSoon();
  }

  /** Runs the commands at the head of the queue; answers how many: the last ones may have to wait. */
  #runAll(connection: Connection, count: number, startMs: number): number {
    const { dispatcher, durations } = this.#parts;
    if (count > 0) connection.steps++;
    dispatcher.prepare(this.#queue, count);
    const ran = this.#ran;
    let done = 0;
    let goesOn = true;
    while (done < count && goesOn) {
      goesOn = this.#runOne(connection, done, startMs);
      // Of one that waits it is not known yet.
      ran[done++] = isUnanswered(connection) ? -1 : dispatcher.lastCommand;
    }
    for (let n = done; n < count; n++) (this.#queue[n] as ParsedCommand).release();
    this.#ranMs = performance.now() - startMs;
    for (let n = 0; n < done;) {
      const number = ran[n] as number;
      const first = n++;
      while (n < done && ran[n] === number) n++;
      if (number >= 0) durations.observe(number, this.#ranMs * 1000, n - first);
    }
    return done;
  }

  /** False if what follows must wait, or is not to be run. */
  #runOne(connection: Connection, place: number, startMs: number): boolean {
    const { dispatcher, events } = this.#parts;
    const words = this.#queue[place] as ParsedCommand;
    if (!dispatcher.run(place)) {
      connection.isClosing = true;
      if (!this.#hasToldOfHttp) events.httpRejected(connection.address);
      this.#hasToldOfHttp = true;
    }
    if (dispatcher.lackedBytes > 0) {
      connection.socket.pause();
      this.#inFlight.park(connection, dispatcher.lackedBytes);
      connection.parser.reread(words);
      words.release();
      return false;
    }
    if (connection.hasLacked) connection.hasLacked = false;
    if (connection.isClosing && dispatcher.isOverLimit) this.#tellOverOutput(connection);
    this.#writeIfFull(connection);
    const pending = dispatcher.takePending();
    if (pending !== undefined) this.#waitFor(connection, pending, dispatcher.lastCommand, startMs);
    if (!dispatcher.wasQuick && performance.now() - startMs > TURN_MS) this.#isTurnOver = true;
    const mustStop = connection.isClosing || this.#isTurnOver || isBlocked(connection);
    if (mustStop) connection.parser.rewind(words.end);
    words.release();
    return !mustStop;
  }

  #begin(connection: Connection): void {
    const { dispatcher, reply } = this.#parts;
    dispatcher.begin(connection);
    reply.hasLane = this.#inFlight.hasLane(connection);
  }

  #writeIfFull(connection: Connection): void {
    if (!this.#output.isFull) return;
    this.#output.add(connection);
    this.#output.writeAll();
  }

  /** Runs nothing more of the connection until its last command has its answer. */
  #waitFor(
    connection: Connection,
    answer: Promise<() => void>,
    command: number,
    startMs: number,
  ): void {
    const { dispatcher, durations, events } = this.#parts;
    connection.isWaiting = true;
    connection.socket.pause();
    void answer.then((write) =>
      this.#guarded(connection, () => {
        connection.isWaiting = false;
        const ms = performance.now() - startMs;
        durations.observe(command, ms * 1000);
        if (ms >= this.#slowMs) events.slow(connection.address, nameOf(command), 1, ms);
        this.#begin(connection);
        dispatcher.finish(command, write);
        if (dispatcher.isOverLimit) this.#tellOverOutput(connection);
        // It has closed.
        if (!connection.isOpen) {
          this.#output.discard();
          return;
        }
        this.#writeIfFull(connection);
        if (connection.unsent === undefined) this.#inFlight.leaveLane(connection);
        this.#runUnread(connection);
        readOn(connection);
      }),
    );
  }

  #queueTurn(connection: Connection): void {
    connection.isQueued = true;
    connection.socket.pause();
    this.#turns.push(connection);
    if (this.#turns.length === 1) setImmediate(this.#runTurn);
  }

  /** One connection's commands; those of clients that have sent some since come before the next one's. */
  readonly #runTurn = (): void => {
    const connection = this.#turns.shift();
    if (this.#turns.length > 0) setImmediate(this.#runTurn);
    if (connection === undefined || !connection.isQueued) return;
    connection.isQueued = false;
    this.#guarded(connection, () => {
      if (!isBlocked(connection)) this.#runUnread(connection);
      readOn(connection);
    });
  };

  /** There is room for what the connection has waited for. */
  #goOn(connection: Connection): void {
    this.#guarded(connection, () => {
      if (connection.isParked) {
        connection.isParked = false;
        // The answer claims its room itself, but in the lane.
        if (!this.#inFlight.hasLane(connection)) this.#inFlight.settle(connection);
        if (!isBlocked(connection)) this.#runUnread(connection);
      }
      readOn(connection);
    });
  }

  /** Closes a connection that has sent more than it may, with an error where it can still read one. */
  #refuseIf(connection: Connection, excess: Excess | undefined): void {
    if (excess === undefined) return;
    const { reply, settings, counters } = this.#parts;
    const { limitBytes } = this.#inFlight;
    const isPending = excess === "pending_bytes" || limitBytes < settings.queryLimit;
    const option = isPending ? "--max-pending-bytes" : "--resp-query-limit";
    const text = {
      untrusted: "ERR Protocol error: unauthenticated command is too long",
      command_size: `ERR Protocol error: the command is longer than ${option} (${this.#input.limitBytes} bytes)`,
      pending_bytes: NO_ROOM,
    }[excess];
    counters.add("queryLimitCloses", 1);
    this.#tellOver(connection, excess === "pending_bytes" ? excess : "command_size", option);
    const canRead = !isBlocked(connection);
    connection.isClosing = true;
    this.#output.forget(connection);
    this.#input.forget(connection);
    this.#inFlight.forget(connection);
    if (canRead) reply.error(text);
    else connection.socket.end();
    // What it still sends is read and dropped, so that it can read the error.
    connection.socket.resume();
  }

  #tellOverOutput(connection: Connection): void {
    const { dispatcher, config, counters } = this.#parts;
    dispatcher.isOverLimit = false;
    counters.add("outputLimitCloses", 1);
    const isPending = this.#inFlight.limitBytes < config.respOutputLimit;
    const option = isPending ? "--max-pending-bytes" : "--resp-output-limit";
    this.#tellOver(connection, "output_size", option);
  }

  #tellOver(connection: Connection, reason: RejectionReason<"resp">, option: SizeOption): void {
    this.#parts.service.rejections.add("resp", reason);
    this.#parts.events.overLimit(connection.address, option);
  }

  /** Runs `step`; an exception ends the connection, and the others do not notice. */
  #guarded(connection: Connection, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#output.discard();
      this.#parts.events.failed(error);
      connection.socket.terminate();
    }
  }
}

/** Whether the last command has no answer yet. */
function isUnanswered({ isWaiting, isParked }: Connection): boolean {
  return isWaiting || isParked;
}

export function nameOf(command: number): string {
  return COMMAND_NAMES[command] ?? "unknown";
}
