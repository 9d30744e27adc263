// Runs the commands of all connections of a worker, in order within each connection.
//
//   data → parser → command → one buffer → one write
//
// If a client does not read its replies, the worker does not read its commands. A connection whose
// commands take long is queued: its other commands run after a turn of the other connections.

import { type Cache, freeBytes } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import type { Histogram } from "../shared-memory/histogram.ts";
import type { Service } from "../service/service.ts";
import { type Connection, isBlocked, readOn } from "./connection.ts";
import { Arrivals } from "./arrivals.ts";
import type { Clients } from "./clients.ts";
import { commandName } from "./commands/table.ts";
import { endTransaction } from "./commands/transactions.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { InFlight } from "./in-flight.ts";
import { type Excess, Input } from "./input.ts";
import { Output } from "./output.ts";
import { COMMAND, ERROR, MORE, type Outcome, ParsedCommand } from "./protocol/parser.ts";
import type { Reply } from "./protocol/reply.ts";
import { Runner, TURN_MAX_MS } from "./runner.ts";
import { PAUSED, PausedConnections } from "./pause.ts";
import { SizeLimits } from "./size-limits.ts";
import type { Push } from "./push/push.ts";
import type { Settings } from "./config-parameters.ts";
import type { RespCounters } from "./counters.ts";
import type { RespEvents } from "./events.ts";

/** Maximum number of commands of a connection that are parsed before the first of them runs. */
const READ_AHEAD_MAX = 32;
/** To free a chunk of 1 KB takes longer (0.5 µs) than it saves (docs/design.md, "Garbage"). */
const FREED_CHUNK_BYTES_MIN = 4 * 1024;
const NO_BYTES = Buffer.alloc(0);

export interface PipelineParts {
  readonly cache: Cache;
  readonly config: Config;
  readonly service: Service;
  readonly reply: Reply;
  readonly dispatcher: Dispatcher;
  readonly clients: Clients;
  readonly settings: Settings;
  readonly push: Push;
  readonly counters: RespCounters;
  readonly durations: Histogram;
  readonly events: RespEvents;
}

export class Pipeline {
  readonly #parts: PipelineParts;
  readonly #inFlight: InFlight;
  readonly #input: Input;
  readonly arrivals: Arrivals;
  readonly #output: Output;
  readonly #limits: SizeLimits;
  readonly #runner: Runner;
  readonly #slowMs: number;
  /** Commands that are parsed and have not run. */
  readonly #queue = Array.from({ length: READ_AHEAD_MAX }, () => new ParsedCommand());
  /** Connections that have more commands to run, in the order of their turns. */
  readonly #turns: Connection[] = [];
  readonly #paused: PausedConnections;

  constructor(parts: PipelineParts) {
    const { config, service, reply, settings, counters } = parts;
    this.#parts = parts;
    this.#slowMs = config.slowMs === 0 ? Infinity : config.slowMs;
    this.#inFlight = new InFlight(service.budget, (connection) => this.#resume(connection));
    const now = () => parts.cache.clock.now();
    this.#paused = new PausedConnections(settings, now, (paused) => this.#queueTurn(paused));
    this.#input = new Input(settings, this.#inFlight);
    this.#limits = new SizeLimits(parts, this.#inFlight);
    this.#output = new Output(reply, counters, this.#inFlight, this.#limits.closeSlow);
    this.arrivals = new Arrivals(parts, this.#output, {
      run: (connection, chunk, index) => this.#runArrived(connection, chunk, index),
      read: (connection, chunk) => this.#readChunk(connection, chunk),
    });
    this.#runner = new Runner(parts, this.arrivals, {
      wait: (...pending) => this.#waitFor(...pending),
      park: (connection, bytes) => this.#park(connection, bytes),
      wrote: (connection) => this.#writeIfFull(connection),
      exceeded: (connection) => this.#reportOutputLimit(connection),
    });
  }

  /** Writes the replies that wait, before messages are pushed. */
  flush(): void {
    // Inside a command the last reply may not be whole; no part pushes messages there.
    if (!this.#output.hasMore) this.#output.writeAll();
  }

  /** Sends messages to a client outside of its commands. `flush` must come before. */
  push(connection: Connection, bytes: Buffer, start: number, end: number): void {
    this.#guarded(connection, () => this.#output.push(connection, bytes, start, end));
  }

  /** Closes a client for which this worker has lost messages. */
  closeSlow(connection: Connection): void {
    this.#limits.closeSlow(connection, "output_size", "--max-subscription-bytes");
  }

  /** Reads a chunk from a client and runs its commands, now or after all readable sockets have been read. */
  read(connection: Connection, chunk: Buffer): void {
    if (!this.arrivals.take(connection, chunk)) this.#readChunk(connection, chunk);
  }

  #readChunk(connection: Connection, chunk: Buffer): void {
    this.#guarded(connection, () => this.#read(connection, chunk));
  }

  /** Runs a chunk that is one command. It is prepared: `arrivals.commands[index]`. */
  #runArrived(connection: Connection, chunk: Buffer, index: number): void {
    try {
      if (connection.isClosing || isBlocked(connection)) this.#read(connection, chunk);
      else if (!this.#endIfKilled(connection)) this.#runWhole(connection, chunk, index);
    } catch (error) {
      this.#fail(connection, error);
    }
  }

  /** As `#work`, for one command that the parser of the connection has not read. */
  #runWhole(connection: Connection, chunk: Buffer, index: number): void {
    const { commands, startMs, nowMs } = this.arrivals;
    this.#countInput(connection, chunk);
    this.#begin(connection, nowMs);
    this.#runner.run(connection, commands, index, index + 1, startMs);
    const hasEnded = !this.#runner.mustStop(connection);
    const isHeld = connection.claimed > 0 || this.#parts.reply.hasLane;
    if (hasEnded && !isHeld) this.#endCommands(connection, 1);
    else {
      if (hasEnded) connection.parser.rewind(chunk.length);
      this.#endWork(connection, chunk, chunk.length, 1);
    }
    freeChunk(connection, chunk);
  }

  /** Writes unsent replies when the socket accepts more bytes, and then continues with the commands. */
  drain(connection: Connection): void {
    this.#guarded(connection, () => {
      if (!this.#output.drain(connection) || connection.isWaiting) return;
      if (connection.unread !== undefined && !isBlocked(connection)) this.#runUnread(connection);
      else if (connection.isClosing) connection.socket.end();
      // The new replies may have filled the socket again.
      readOn(connection);
    });
  }

  /** Releases everything that a connection holds after its socket has closed. */
  closed(connection: Connection): void {
    connection.isOpen = false;
    connection.isClosing = true;
    connection.isQueued = false;
    endTransaction(connection);
    connection.cancelWait?.();
    this.#output.forget(connection);
    this.#input.forget(connection);
    this.#inFlight.forget(connection);
  }

  #countInput(connection: Connection, { length }: Buffer): void {
    this.#parts.counters.add("inputBytes", length);
    connection.bytesIn += length;
  }

  #read(connection: Connection, chunk: Buffer): void {
    this.#countInput(connection, chunk);
    // A closing connection runs no further commands.
    if (connection.isClosing) return;
    const wasBlocked = isBlocked(connection);
    if (connection.unread === undefined && !wasBlocked) {
      this.#work(connection, chunk, chunk.length);
    } else {
      const { bytes, end } = this.#input.append(connection, chunk);
      if (!wasBlocked) this.#work(connection, bytes, end);
      else this.#closeIfOver(connection, this.#input.hold(connection));
    }
    freeChunk(connection, chunk);
  }

  #runUnread(connection: Connection): void {
    const { unread } = connection;
    this.#work(connection, unread?.bytes ?? NO_BYTES, unread?.end ?? 0);
  }

  /** CLIENT KILL has replied: no further command of this client may run. */
  #endIfKilled(connection: Connection): boolean {
    if (!this.#parts.clients.isOwnKilled(connection.row)) return false;
    connection.isClosing = true;
    connection.socket.terminate();
    return true;
  }

  /** Runs the commands in `bytes[0, end)` and keeps the bytes that are left. */
  #work(connection: Connection, bytes: Buffer, end: number): void {
    if (this.#endIfKilled(connection)) return;
    const { dispatcher, reply } = this.#parts;
    const { parser } = connection;
    const isShared = this.arrivals.isRunning;
    const startMs = isShared ? this.arrivals.startMs : performance.now();
    this.#begin(connection, isShared ? this.arrivals.nowMs : undefined);
    let commands = 0;
    let outcome: Outcome = COMMAND;
    while (outcome !== MORE && !connection.isClosing && !isBlocked(connection)) {
      // The limits depend on the client's token, which the next command may send.
      parser.isTrusted = connection.access !== "open";
      const ahead = parser.isTrusted ? READ_AHEAD_MAX : 1;
      let count = 0;
      do {
        outcome = parser.next(bytes, end);
        if (outcome !== COMMAND) continue;
        this.#queue[count] = parser.take(this.#queue[count] as ParsedCommand);
        count++;
      } while (outcome < MORE && count < ahead);
      dispatcher.prepare(this.#queue, count, connection.database);
      const done = this.#runner.run(connection, this.#queue, 0, count, startMs);
      commands += done;
      if (done < count || connection.isClosing || isBlocked(connection)) break;
      if (outcome === ERROR) {
        reply.error(parser.error);
        connection.isClosing = true;
      } else if (this.#runner.ranMs > TURN_MAX_MS) this.#runner.isTurnOver = true;
      if (this.#runner.isTurnOver) break;
    }
    this.#endWork(connection, bytes, end, commands);
  }

  /** Keeps the bytes of `bytes[0, end)` that are left after `commands` commands. */
  #endWork(connection: Connection, bytes: Buffer, end: number, commands: number): void {
    if (this.#runner.isTurnOver && connection.parser.position < end && !isBlocked(connection))
      this.#queueTurn(connection);
    this.#closeIfOver(connection, this.#input.keep(connection, bytes, end, commands > 0));
    this.#endCommands(connection, commands);
  }

  #endCommands(connection: Connection, commands: number): void {
    const { dispatcher, clients, events } = this.#parts;
    if (commands > 0 && this.#runner.ranMs >= this.#slowMs) {
      const name = commandName(dispatcher.lastCommand);
      events.slow(connection.address, name, commands, this.#runner.ranMs);
    }
    clients.used(connection.row, dispatcher.lastCommand, dispatcher.nowMs);
    if (this.#output.hasMore || connection.isClosing) this.#output.add(connection);
    this.#output.writeSoon();
  }

  #begin(connection: Connection, nowMs?: number): void {
    const { dispatcher, reply, push } = this.#parts;
    this.#runner.isTurnOver = false;
    if (push.tracking.isOn) {
      if (this.#output.hasMore) this.#output.add(connection);
      push.tracking.drain();
    }
    dispatcher.begin(connection, nowMs);
    reply.hasLane = this.#inFlight.hasLane(connection);
  }

  #writeIfFull(connection: Connection): void {
    if (!this.#output.isFull) return;
    this.#output.add(connection);
    this.#output.writeAll();
  }

  /** Pauses the connection until there is room for its next command, or until the end of a pause. */
  #park(connection: Connection, bytes: number): void {
    connection.socket.pause();
    if (bytes === PAUSED) this.#paused.hold(connection);
    else this.#inFlight.park(connection, bytes);
  }

  /** Pauses the connection until its last command has its reply. */
  #waitFor(
    connection: Connection,
    pending: Promise<() => void>,
    commands: readonly number[],
    startMs: number,
  ): void {
    const [command = -1] = commands;
    const { dispatcher, durations, events } = this.#parts;
    connection.isWaiting = true;
    connection.socket.pause();
    void pending.then((write) =>
      this.#guarded(connection, () => {
        connection.isWaiting = false;
        const ms = performance.now() - startMs;
        for (const number of commands) if (number >= 0) durations.observe(number, ms * 1000);
        if (ms >= this.#slowMs) events.slow(connection.address, commandName(command), 1, ms);
        this.#begin(connection);
        dispatcher.late.finish(command, write);
        if (dispatcher.isOverLimit) this.#reportOutputLimit(connection);
        // The connection has closed in the meantime.
        if (!connection.isOpen) {
          this.#output.discard();
          return;
        }
        this.#writeIfFull(connection);
        if (connection.unsent === undefined) this.#inFlight.leaveLane(connection);
        this.#runUnread(connection);
        if (this.#parts.push.tracking.isOn && !connection.isWaiting)
          this.#parts.push.tracking.release(connection);
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

  /** Runs one turn. The event loop then reads new chunks of other clients before the next turn. */
  readonly #runTurn = (): void => {
    // Clients that have sent little do not wait for this turn.
    this.arrivals.runAndWrite();
    const connection = this.#turns.shift();
    if (this.#turns.length > 0) setImmediate(this.#runTurn);
    if (connection === undefined || !connection.isQueued) return;
    connection.isQueued = false;
    this.#guarded(connection, () => {
      if (!isBlocked(connection)) this.#runUnread(connection);
      readOn(connection);
    });
  };

  /** Continues with a connection that has waited for room. */
  #resume(connection: Connection): void {
    this.#guarded(connection, () => {
      if (connection.isParked) {
        connection.isParked = false;
        // The reply claims its own room, except in the lane.
        if (!this.#inFlight.hasLane(connection)) this.#inFlight.settle(connection);
        if (!isBlocked(connection)) this.#runUnread(connection);
      }
      readOn(connection);
    });
  }

  /** Closes a connection that exceeds a limit. Writes an error unless replies before it are unsent. */
  #closeIfOver(connection: Connection, excess: Excess | undefined): void {
    if (excess === undefined) return;
    const text = this.#limits.overInput(connection, excess, this.#input.limitBytes);
    const canRead = !isBlocked(connection);
    connection.isClosing = true;
    this.#output.forget(connection);
    this.#input.forget(connection);
    this.#inFlight.forget(connection);
    if (canRead) this.#parts.reply.error(text);
    else connection.socket.end();
    // Further bytes of the client are read and dropped. Otherwise the client might not receive the error.
    connection.socket.resume();
  }

  #reportOutputLimit(connection: Connection): void {
    this.#parts.dispatcher.isOverLimit = false;
    this.#limits.overOutput(connection, "output_size");
  }

  /** Runs `step`. An exception ends this connection only. */
  #guarded(connection: Connection, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(connection, error);
    }
  }

  #fail(connection: Connection, error: unknown): void {
    this.#output.discard();
    this.#parts.events.failed(error);
    connection.socket.terminate();
  }
}

/** Frees a chunk that was read. A pending command may still read it. */
function freeChunk({ isWaiting }: Connection, chunk: Buffer): void {
  if (chunk.length >= FREED_CHUNK_BYTES_MIN && !isWaiting) freeBytes(chunk);
}
