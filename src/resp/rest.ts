// Runs commands that arrive over HTTP: the form of Upstash's REST API. The commands of one request are
// a session of their own, which ends with the request. They are the commands of the Redis port: one
// table, one set of errors and limits, one set of counters.

import type { Config } from "../config/config.ts";
import type { Access } from "../security/tokens.ts";
import type { Service } from "../service/service.ts";
import { type Clients, NO_ROW, NO_SUBSCRIPTIONS } from "./clients.ts";
import type { Pending, Session } from "./commands/context.ts";
import { endTransaction, RUN_AT_ONCE } from "./commands/transactions.ts";
import { NO_ROOM } from "./commands/failure.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { Argument } from "./protocol/parser.ts";
import { NoRoomError, OutputLimitError, Reply } from "./protocol/reply.ts";
import { type Encoding, errorJson, ReplyReader } from "./protocol/reply-json.ts";

/** Commands of one request run for this time; then other requests have their turn. */
const TURN_MS = 5;
/** A larger buffer for replies is not kept. */
const KEPT_BYTES_MAX = 2 ** 20;

/** Commands that change a connection, which a request of HTTP does not have. */
const OF_CONNECTIONS: ReadonlySet<string> = new Set([
  ...["subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe"],
  ...["monitor", "quit", "reset", "hello", "auth"],
]);
const OF_CONNECTIONS_OF_CLIENT: ReadonlySet<string> = new Set(["reply", "tracking", "caching"]);

const MINUS = 45;
const MULTI = [Buffer.from("multi")];
const EXEC = [Buffer.from("exec")];

export interface RestRequest {
  /** Each command with its arguments. */
  readonly commands: readonly (readonly Buffer[])[];
  readonly isTransaction: boolean;
  readonly encoding: Encoding;
  /** Access of the client. */
  readonly access: Access;
  readonly address: string;
}

export class RestCommands {
  readonly #dispatcher: Dispatcher;
  readonly #clients: Clients;
  readonly #reply: Reply;

  constructor(
    { config, service }: { readonly config: Config; readonly service: Service },
    dispatcher: Dispatcher,
    clients: Clients,
  ) {
    const { budget } = service;
    this.#dispatcher = dispatcher;
    this.#clients = clients;
    const limitBytes = Math.min(config.respOutputLimit, budget.limitBytes);
    this.#reply = new Reply(limitBytes, (from, to) => budget.tryResize(from, to));
  }

  /**
   * Runs the commands in order. Returns for each `{"result":…}` or `{"error":…}` as JSON; for a transaction
   * that is discarded, only its error. Replies that together exceed the limit of one reply are errors.
   */
  async run(request: RestRequest): Promise<string[]> {
    const { commands, isTransaction, encoding } = request;
    const session = this.#newSession(request);
    try {
      if (!isTransaction) return await this.#runAll(session, commands, encoding);
      // The commands are queued, and no other request runs before EXEC.
      void this.#runOne(session, MULTI);
      for (const args of commands) void this.#runOne(session, args);
      void this.#runOne(session, EXEC);
      return this.#takeReply((reader) => reader.elements(), encoding);
    } finally {
      endTransaction(session);
    }
  }

  async #runAll(
    session: Session,
    commands: readonly (readonly Buffer[])[],
    encoding: Encoding,
  ): Promise<string[]> {
    const results: string[] = [];
    let length = 0;
    let startMs = performance.now();
    for (const args of commands) {
      if (length > this.#reply.limitBytes) {
        results.push(errorJson(tooLong(this.#reply.limitBytes)));
        continue;
      }
      const pending = this.#runOne(session, args);
      if (pending !== undefined) await this.#finish(await pending);
      const [result = ""] = this.#takeReply((reader) => [reader.outcome()], encoding);
      length += result.length;
      results.push(result);
      if (performance.now() - startMs < TURN_MS) continue;
      await new Promise((resume) => setImmediate(resume));
      startMs = performance.now();
    }
    return results;
  }

  /** Runs one command, whose reply is then in the buffer. Returns its pending reply, if it has one. */
  #runOne(session: Session, args: readonly Buffer[]): Pending | undefined {
    const reply = this.#reply;
    reply.out.clear();
    const [name = "", subcommand = ""] = args
      .slice(0, 2)
      .map((arg) => arg.toString().toLowerCase());
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

  /** Returns what `read` makes of the reply in the buffer, and releases its bytes. */
  #takeReply<T>(read: (reader: ReplyReader) => T, encoding: Encoding): T {
    const { out } = this.#reply;
    try {
      return read(new ReplyReader(out.bytes.subarray(0, out.end), encoding));
    } finally {
      out.clear();
      if (out.bytes.length > KEPT_BYTES_MAX) out.replace(KEPT_BYTES_MAX);
      this.#reply.release();
    }
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

function argumentOf(bytes: Buffer): Argument {
  const argument = new Argument(bytes);
  argument.end = bytes.length;
  return argument;
}

function tooLong(limitBytes: number): string {
  return `ERR the answer is longer than --resp-output-limit or --max-pending-bytes (${limitBytes} bytes); ask for less`;
}
