// Runs commands that arrive over HTTP: the form of Upstash's REST API. The commands of one request are
// a session of their own, which ends with the request. They are the commands of the Redis port: one
// table, one set of errors and limits, one set of counters.

import type { Config } from "../config/config.ts";
import type { Access } from "../security/tokens.ts";
import type { Service } from "../service/service.ts";
import type { ByteBudget } from "../shared-memory/byte-budget.ts";
import { type Clients, NO_ROW, NO_SUBSCRIPTIONS } from "./clients.ts";
import type { Pending, Session } from "./commands/context.ts";
import { endTransaction, RUN_AT_ONCE } from "./commands/transactions.ts";
import { NO_ROOM } from "./commands/failure.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { Argument } from "./protocol/parser.ts";
import { NoRoomError, OutputLimitError, Reply } from "./protocol/reply.ts";
import { type Encoding, errorJson, jsonBytesMax, ReplyReader } from "./protocol/reply-json.ts";

/**
 * Commands of one request run for this time, and at least this number of them; then other requests have their
 * turn. The runtime closes a connection that has sent its next request already, unless the response is ready in
 * the same turn: so short requests take one turn.
 */
const TURN_MS = 5;
const TURN_COMMANDS_MIN = 16;
/** Bytes of an argument beside its text. */
const ARGUMENT_BYTES = 64;
/** A result is in memory as text of its own, and as a part of the text of the response. */
const JSON_FACTOR = 2;
/** Bytes of a result beside its text. */
const RESULT_BYTES = 64;
/** The part of --max-pending-bytes for the replies of one request: it is in memory up to four times. */
const LIMIT_RATIO = 1 / 2;
/** A larger buffer for replies is not kept. */
const KEPT_BYTES_MAX = 2 ** 20;

/** Commands that change a connection, which a request of HTTP does not have. */
const OF_CONNECTIONS: ReadonlySet<string> = new Set([
  ...["subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe"],
  ...["monitor", "quit", "reset", "hello", "auth"],
]);
const OF_CONNECTIONS_OF_CLIENT: ReadonlySet<string> = new Set(["reply", "tracking", "caching"]);

const MINUS = 45;
const MULTI = ["multi"];
const EXEC = ["exec"];

type RestArgument = string | number | boolean;

export interface RestRequest {
  /** Each command with its arguments, of which numbers and truth values mean their texts. */
  readonly commands: readonly (readonly RestArgument[])[];
  readonly isTransaction: boolean;
  readonly encoding: Encoding;
  /** Access of the client. */
  readonly access: Access;
  readonly address: string;
}

export interface RestResults {
  readonly results: readonly string[];
  /** Bytes that the results have claimed in the budget of the service. The caller releases them. */
  readonly bytes: number;
}

/** The commands of one request. */
interface Run {
  readonly session: Session;
  readonly commands: readonly (readonly RestArgument[])[];
  readonly encoding: Encoding;
  readonly results: string[];
  bytes: number;
  /** Whether the replies exceed the limit: the rest of the commands does not run. */
  isTooLong: boolean;
  /** Whether the commands are claimed, and the bytes of this claim. */
  hasClaimed: boolean;
  commandBytes: number;
}

export class RestCommands {
  readonly #budget: ByteBudget;
  readonly #dispatcher: Dispatcher;
  readonly #clients: Clients;
  readonly #reply: Reply;

  constructor(
    { config, service }: { readonly config: Config; readonly service: Service },
    dispatcher: Dispatcher,
    clients: Clients,
  ) {
    const { budget } = service;
    this.#budget = budget;
    this.#dispatcher = dispatcher;
    this.#clients = clients;
    const limitBytes = Math.min(config.respOutputLimit, budget.limitBytes * LIMIT_RATIO);
    this.#reply = new Reply(limitBytes, (from, to) => budget.tryResize(from, to));
  }

  /**
   * Runs the commands in order. Returns for each `{"result":…}` or `{"error":…}` as JSON; for a transaction
   * that is discarded, only its error. Replies that together exceed the limit are errors. Returns a promise only
   * if a command waits, or if the commands take several turns.
   */
  run(request: RestRequest): RestResults | Promise<RestResults> {
    const { commands, isTransaction, encoding } = request;
    const session = this.#newSession(request);
    const run: Run = {
      session,
      commands,
      encoding,
      results: [],
      bytes: 0,
      isTooLong: false,
      hasClaimed: false,
      commandBytes: 0,
    };
    return this.#guarded(run, () => {
      const pause = isTransaction ? this.#runTransaction(run) : this.#runTurn(run);
      if (pause === undefined) return this.#ended(run);
      return isTransaction ? pause.then(() => this.#ended(run)) : this.#runRest(run, pause);
    });
  }

  async #runRest(run: Run, pause: Promise<void>): Promise<RestResults> {
    for (let next: Promise<void> | undefined = pause; next !== undefined;) {
      await next;
      next = this.#guarded(run, () => this.#runTurn(run));
    }
    return this.#ended(run);
  }

  #ended(run: Run): RestResults {
    endTransaction(run.session);
    return run;
  }

  /** Releases what the run holds if `work` throws. */
  #guarded<T>(run: Run, work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.#ended(run);
      this.#budget.resize(run.bytes, 0);
      throw error;
    }
  }

  /**
   * The commands are queued, and no other request runs before EXEC. Returns a promise if EXEC has to wait for
   * the upstream.
   */
  #runTransaction(run: Run): Promise<void> | undefined {
    const { session, commands } = run;
    void this.#runOne(session, MULTI);
    for (const args of commands) {
      // It would end the transaction, and the commands behind it would run outside of it.
      const isQueued = !RUN_AT_ONCE.has(String(args[0]).toLowerCase());
      if (isQueued) void this.#runOne(session, args);
      else if (session.transaction !== undefined) session.transaction.isBroken = true;
    }
    const elements = (reader: ReplyReader): string[] => reader.elements();
    const pending = this.#runOne(session, EXEC);
    if (pending !== undefined) {
      return pending.then((write) =>
        this.#guarded(run, () => {
          this.#finish(write);
          this.#take(run, elements);
        }),
      );
    }
    this.#take(run, elements);
    return undefined;
  }

  /** Runs commands, and returns a promise if the next command has to wait for it. */
  #runTurn(run: Run): Promise<void> | undefined {
    const { session, commands, results } = run;
    const startMs = performance.now();
    const turnEnd = results.length + TURN_COMMANDS_MIN;
    while (results.length < commands.length) {
      const isOver = results.length >= turnEnd && performance.now() - startMs >= TURN_MS;
      if (isOver && this.#claimCommands(run)) return new Promise((resume) => setImmediate(resume));
      if (run.isTooLong) {
        results.push(errorJson(tooLong(this.#reply.limitBytes)));
        continue;
      }
      const pending = this.#runOne(session, commands[results.length] ?? []);
      if (pending !== undefined) {
        return pending.then((write) => {
          this.#finish(write);
          this.#take(run, outcome);
        });
      }
      this.#take(run, outcome);
    }
    return undefined;
  }

  /**
   * Claims room for the commands until the request ends, before it waits. Returns false without room: then
   * the commands run on, so that their memory is free sooner.
   */
  #claimCommands(run: Run): boolean {
    if (run.hasClaimed) return true;
    let bytes = 0;
    for (const args of run.commands) {
      for (const arg of args)
        bytes += ARGUMENT_BYTES + 2 * (typeof arg === "string" ? arg.length : 0);
    }
    run.hasClaimed = this.#budget.tryResize(run.bytes, run.bytes + bytes);
    if (run.hasClaimed) {
      run.bytes += bytes;
      run.commandBytes = bytes;
    }
    return run.hasClaimed;
  }

  /**
   * Adds what `read` makes of the reply in the buffer to the results, which count as bytes in flight until
   * the request ends. Without room for it, or if it is too long, the result is an error.
   */
  #take(run: Run, read: (reader: ReplyReader) => string[]): void {
    const { out, limitBytes } = this.#reply;
    // SHUTDOWN has no reply.
    if (out.end === 0) this.#reply.nil();
    const reply = out.bytes.subarray(0, out.end);
    const bytes = run.bytes + RESULT_BYTES + JSON_FACTOR * jsonBytesMax(reply, run.encoding);
    try {
      run.isTooLong = bytes - run.commandBytes > JSON_FACTOR * limitBytes;
      if (run.isTooLong) run.results.push(errorJson(tooLong(limitBytes)));
      else if (this.#budget.tryResize(run.bytes, bytes)) {
        run.bytes = bytes;
        run.results.push(...read(new ReplyReader(reply, run.encoding)));
      } else run.results.push(errorJson(NO_ROOM));
    } finally {
      out.clear();
      if (out.bytes.length > KEPT_BYTES_MAX) out.replace(KEPT_BYTES_MAX);
      this.#reply.release();
    }
  }

  /** Runs one command, whose reply is then in the buffer. Returns its pending reply, if it has one. */
  #runOne(session: Session, args: readonly RestArgument[]): Pending | undefined {
    const reply = this.#reply;
    reply.out.clear();
    const [name = "", subcommand = ""] = args.slice(0, 2).map((arg) => String(arg).toLowerCase());
    const isClient = name === "client" && OF_CONNECTIONS_OF_CLIENT.has(subcommand);
    const { transaction } = session;
    let pending: Pending | undefined;
    if (isClient || OF_CONNECTIONS.has(name)) {
      reply.error(`ERR ${name} is for connections, which HTTP does not have: use the Redis port`);
    } else {
      try {
        const list = args.map(argumentOf);
        pending = this.#dispatcher.runInside(session, list, list.length, reply, "http");
      } catch (error) {
        this.#writeFailure(error);
      }
    }
    // A command that is not queued breaks its transaction.
    const isQueued = transaction === undefined || RUN_AT_ONCE.has(name);
    if (!isQueued && reply.out.bytes[0] === MINUS) transaction.isBroken = true;
    return pending;
  }

  /** Writes a reply that was pending. */
  #finish(write: () => void | { readonly message: string }): void {
    const reply = this.#reply;
    reply.out.clear();
    try {
      const failure = write();
      if (failure !== undefined) reply.error(failure.message);
    } catch (error) {
      this.#writeFailure(error);
    }
  }

  #writeFailure(error: unknown): void {
    const reply = this.#reply;
    reply.out.clear();
    if (error instanceof NoRoomError) reply.error(NO_ROOM);
    else if (error instanceof OutputLimitError) reply.error(tooLong(reply.limitBytes));
    else throw error;
  }

  #newSession({ access, address }: RestRequest): Session {
    return {
      ...{ id: this.#clients.nextId(), row: NO_ROW, access, version: 2, database: 0 },
      ...{ name: "", libName: "", libVersion: "", flags: "N", subscriptions: NO_SUBSCRIPTIONS },
      redirect: -1,
      ...{ address, localAddress: "", replies: "on", isClosing: false },
      ...{ transaction: undefined, watched: undefined, subscriber: undefined },
    };
  }
}

function outcome(reader: ReplyReader): string[] {
  return [reader.outcome()];
}

function argumentOf(value: RestArgument): Argument {
  const bytes = Buffer.from(String(value));
  const argument = new Argument(bytes);
  argument.end = bytes.length;
  return argument;
}

function tooLong(limitBytes: number): string {
  return `ERR the answer is longer than --resp-output-limit or half of --max-pending-bytes (${limitBytes} bytes); ask for less`;
}
