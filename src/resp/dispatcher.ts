// Runs commands: finds each command in the table, checks its arguments and the client's access, and counts it.

import { ByteBuffer } from "../cache/cache.ts";
import {
  argument,
  type Command,
  type CommandContext,
  type CommandEntry,
  type Origin,
  type Pending,
  type Session,
  type SharedParts,
  takesCount,
  Updater,
  type UpstreamRoute,
} from "./commands/context.ts";
import { PREFIX_MARK } from "../cache/databases.ts";
import { addPrefixes, removePrefixes } from "./commands/key-prefixes.ts";
import { keyRangeOf } from "./commands/keys.ts";
import {
  isFromClient,
  isScript,
  UNKNOWN_IN_SCRIPT,
  unknownCommand,
  unknownSubcommand,
  writeHelp,
  wrongCount,
} from "./commands/rejections.ts";
import { runWatched } from "./commands/tracking.ts";
import { endTransaction, RUN_AT_ONCE, queue } from "./commands/transactions.ts";
import { NO_SESSION } from "./commands/no-session.ts";
import { COMMAND_TABLE, findCommand } from "./commands/table.ts";
import { type Argument, ParsedCommand } from "./protocol/parser.ts";
import { isAllowed, rejectionOf, WRITTEN } from "./checks.ts";
import { isPlainSession, isQuick, runPlain } from "./plain-commands.ts";
import { isLimited } from "./pause.ts";
import { NoRoomError, OutputLimitError, type Reply } from "./protocol/reply.ts";
import { LateReplies } from "./late-replies.ts";
import { PreparedCommands } from "./prepared-commands.ts";
import { Slices } from "./slices.ts";

/** First words of lines in a web browser's request. */
const HTTP_WORDS: ReadonlySet<string> = new Set(["post", "host:"]);
/** Commands of a transaction whose arguments are kept from the search for their shards until they run. */
const QUEUED_MAX = 32;

export class Dispatcher {
  /** Number of commands that ran. */
  calls = 0;
  /** Number of the last command; -1 if it was unknown or rejected. */
  lastCommand = -1;
  /** Bytes that the last command lacked for its reply, or PAUSED: it must run again. 0 if it ran. */
  lackedBytes = 0;
  /** Whether the reply of the last command was too long. */
  isOverLimit = false;
  /** The last command that the client sent, if its keys have a prefix now that the parser must not see. */
  #prefixed: Command | undefined;
  readonly #call: CommandContext;
  /** The commands that are sent to the upstream; undefined without one. */
  readonly #routes: readonly (UpstreamRoute | undefined)[] | undefined;
  /** Writes the replies of pending commands. */
  readonly late: LateReplies;
  readonly #prepared: PreparedCommands;
  #isLimited = false;
  /** Whether a command with one key needs no check of its session. Read again after each other command. */
  #isPlain = false;
  #isInline = false;

  constructor(shared: SharedParts) {
    this.#routes = shared.upstream?.routes;
    this.#prepared = new PreparedCommands(shared.cache);
    this.#call = {
      ...shared,
      isBatched: false,
      isAlone: false,
      scratch: new ByteBuffer(),
      table: COMMAND_TABLE,
      updater: new Updater(() => this.#call),
      slices: new Slices(),
      shards: shared.cache.shardSet(),
      queued: Array.from({ length: QUEUED_MAX + 1 }, () => new ParsedCommand()),
      runQueued: (...parts) => this.#runQueued(...parts),
      session: NO_SESSION,
      name: "",
      args: [],
      count: 0,
      nowMs: 0,
      pending: undefined,
      runInside: (...parts) => this.runInside(...parts),
    };
    this.late = new LateReplies(
      this.#call,
      (entry) => this.#runEntry(entry, undefined),
      (error) => this.#endOverLimit(error),
    );
  }

  /** Time of the cache's clock for the current commands. */
  get nowMs(): number {
    return this.#call.nowMs;
  }

  /** Whether the last command is one of the quick commands. */
  get wasQuick(): boolean {
    return isQuick(this.lastCommand);
  }

  /** Sets the connection of the next commands, and their time if the caller has read the cache's clock. */
  begin(session: Session, nowMs = this.#call.cache.clock.now()): void {
    const call = this.#call;
    call.session = session;
    call.reply.version = session.version;
    call.nowMs = nowMs;
    this.#isLimited = isLimited(call);
    this.#isPlain = isPlainSession(call, this.#isLimited);
  }

  /** Returns the pending reply of the last command, if any, and clears it. The caller calls the resolved function. */
  takePending(): Pending | undefined {
    const { pending } = this.#call;
    this.#call.pending = undefined;
    return pending;
  }

  /** As PreparedCommands.set. */
  prepare(commands: readonly ParsedCommand[], count: number, database: number): void {
    this.#prepared.set(commands, count, database);
  }

  /**
   * Runs the prepared commands from the index `from` to `to` while they are plain, and writes their numbers to `ran`.
   * Returns the index of the first one that `run` must run.
   */
  runPlain(from: number, to: number, ran: Int32Array): number {
    if (!this.#isPlain) return from;
    const bounds = { from, to };
    const end = runPlain(this.#call, this.#prepared, bounds, ran);
    if (end > from) this.lastCommand = ran[end - 1] as number;
    this.calls += end - from;
    return end;
  }

  /**
   * Runs the prepared command at this index; those up to `to` are of the same client. Returns false for
   * HTTP, which gets no reply. Sets `lackedBytes` or `isOverLimit` if the reply did not fit.
   */
  run(index: number, to: number): boolean {
    const { commands, entries } = this.#prepared;
    this.#prepared.reach(index);
    const { args, count, isInline } = commands[index] as ParsedCommand;
    const call = this.#call;
    call.args = args;
    call.count = count;
    this.#isInline = isInline;
    this.#prefixed = undefined;
    const { session, reply } = call;
    const mark = reply.out.end;
    this.lastCommand = -1;
    this.lackedBytes = 0;
    const entry = entries[index];
    if (entry === undefined) {
      if (HTTP_WORDS.has(argument(call, 0).toWord())) return false;
      reply.error(unknownCommand(call));
    } else {
      try {
        // The command may change the session, and throw.
        this.#isPlain = false;
        this.lastCommand = this.#runEntry(entry, undefined);
        this.#isPlain = isPlainSession(call, this.#isLimited);
      } catch (error) {
        reply.out.end = mark;
        call.pending = undefined;
        if (error instanceof NoRoomError) {
          this.lackedBytes = error.bytes;
          if (this.#prefixed !== undefined)
            removePrefixes(keyRangeOf(this.#prefixed, args, count), args);
          return true;
        }
        this.#endOverLimit(error);
      }
    }
    if (this.#routes !== undefined && call.pending !== undefined) {
      this.#prepared.reach(to - 1);
      this.late.sendFollowing(index, to, entries, commands);
    }
    if (this.lastCommand === REJECTED && session.transaction !== undefined)
      session.transaction.isBroken = true;
    // Checked after the command, which may have been CLIENT REPLY.
    if (session.replies !== "on") {
      if (session.replies === "skip-next") session.replies = "skip";
      else {
        reply.silence(mark);
        call.pending &&= this.late.silent(call.pending);
        if (session.replies === "skip") session.replies = "on";
      }
    }
    return true;
  }

  /** As RunInside. */
  runInside(
    session: Session,
    args: readonly Argument[],
    count: number,
    reply: Reply,
    origin: Origin,
  ): Pending | undefined {
    const call = this.#call;
    const { session: outerSession, args: outerArgs, count: outerCount, reply: outerReply } = call;
    const { name: outerName, pending: outerPending } = call;
    const { hasFailed } = reply;
    // A request of HTTP is not inside another command.
    if (origin === "http") {
      call.reply = reply;
      this.begin(session);
    }
    call.session = session;
    call.args = args;
    call.count = count;
    call.reply = reply;
    call.pending = undefined;
    try {
      const entry = findCommand(argument(call, 0));
      let number = REJECTED;
      if (entry !== undefined) number = this.#runEntry(entry, origin);
      else reply.error(unknownCommand(call, origin));
      if (call.pending === undefined) return undefined;
      if (call.cache.isInStep)
        throw new Error(`${call.name} cannot wait inside a step of the cache`);
      return this.#countEnd(call.pending, number, reply);
    } finally {
      call.session = outerSession;
      call.args = outerArgs;
      call.count = outerCount;
      call.name = outerName;
      call.reply = outerReply;
      call.pending = outerPending;
      reply.hasFailed = hasFailed;
    }
  }

  /** Runs a command of the transaction of the current command, EXEC. It shares the session and the time. */
  #runQueued(entry: CommandEntry, { args, count }: ParsedCommand, reply: Reply): void {
    const call = this.#call;
    const { args: outerArgs, count: outerCount, reply: outerReply } = call;
    call.args = args;
    call.count = count;
    call.reply = reply;
    try {
      this.#runEntry(entry.container ?? entry, "transaction");
      if (call.pending !== undefined)
        throw new Error(`${call.name} cannot wait inside a step of the cache`);
    } finally {
      call.args = outerArgs;
      call.count = outerCount;
      call.reply = outerReply;
      reply.hasFailed = false;
    }
  }

  /** Returns the pending reply, which counts the command when it is written. */
  async #countEnd(pending: Pending, number: number, reply: Reply): Pending {
    const write = await pending;
    return () => {
      reply.hasFailed = false;
      const failure = write();
      this.#call.counters.called(number, reply.hasFailed || failure !== undefined);
      return failure;
    };
  }

  /** Runs a command after its checks, or writes an error. Returns its number, or -1 if it was rejected. */
  #runEntry(found: CommandEntry, origin: Origin | undefined): number {
    const call = this.#call;
    const { reply, counters, count } = call;
    let entry = found;
    if (found.subcommands.size > 0 && count > 1) {
      const inner = findCommand(argument(call, 1), found);
      if (inner === undefined) {
        const isHelp = count === 2 && argument(call, 1).toWord() === "help";
        if (isHelp && !isAllowed(call, "read", `${found.name}|help`, origin)) return REJECTED;
        if (isHelp) {
          const { transaction } = call.session;
          if (isFromClient(origin) && transaction !== undefined)
            return queue(call, transaction, found, true) ? found.number : REJECTED;
          writeHelp(call, found.command);
          return HELP;
        }
        reply.error(isScript(origin) ? UNKNOWN_IN_SCRIPT : unknownSubcommand(call, found.name));
        return REJECTED;
      }
      entry = inner;
    }
    const { command, number } = entry;
    const { session, args } = call;
    if (command.run === undefined || !takesCount(command, count)) {
      counters.rejected(number);
      reply.error(wrongCount(entry, origin));
      if (entry.name === "exec") endTransaction(session);
      return REJECTED;
    }
    // Without a reason to check, the check is a call too many.
    const isUsual = session.access === "write" && session.subscriber === undefined;
    if (!isUsual || this.#isLimited || isScript(origin) || found.name === "debug") {
      const rejection = rejectionOf(call, entry, found, origin);
      if (rejection !== undefined) {
        counters.rejected(number);
        if (rejection !== WRITTEN) reply.error(rejection);
        return REJECTED;
      }
    }
    call.name = entry.name;
    reply.hasFailed = false;
    if (isFromClient(origin) && session.transaction !== undefined && !RUN_AT_ONCE.has(entry.name))
      return queue(call, session.transaction, entry, origin !== undefined || this.#isInline)
        ? number
        : REJECTED;
    if (this.#routes !== undefined) {
      const route = this.#routes[number];
      // A subcommand that runs here has keys of its own only if it is sent.
      if (route !== undefined && call.upstream !== undefined) {
        const failure = route.run(call, call.upstream.upstream);
        if (failure !== undefined) reply.error(failure.message);
        this.calls++;
        if (call.pending === undefined) counters.called(number, reply.hasFailed);
        return number;
      }
    }
    if (entry.hasOneKey) {
      const { bytes, start } = args[1] as Argument;
      if (session.database !== 0 || bytes[start] === PREFIX_MARK)
        this.#addPrefixes(command, origin);
    } else if (entry.hasKeys) this.#addPrefixes(command, origin);
    const isWatched = session.subscriber !== undefined || call.push.monitors.isOn;
    return this.#runChecked(entry, isWatched, origin);
  }

  /** Runs a command that may run. Returns its number. */
  #runChecked(entry: CommandEntry, isWatched: boolean, origin: Origin | undefined): number {
    const call = this.#call;
    const { reply, counters } = call;
    const { command, number } = entry;
    const failure = isWatched ? runWatched(call, entry, origin) : command.run?.(call);
    if (failure !== undefined) reply.error(failure.message);
    this.calls++;
    // A pending command is counted in `finish`.
    if (call.pending === undefined) counters.called(number, reply.hasFailed);
    return number;
  }

  /** Gives the keys of the current command the prefix of their database. */
  #addPrefixes(command: Command, origin: Origin | undefined): void {
    const { args, count, session } = this.#call;
    const keys = keyRangeOf(command, args, count);
    const hasGap = origin === undefined ? !this.#isInline : origin === "transaction";
    const prefixed = addPrefixes(keys, args, session.database, hasGap);
    if (prefixed > 0 && origin === undefined && hasGap) this.#prefixed = command;
  }

  /** Writes the error for a reply that is too long and marks the connection to close. Throws any other error. */
  #endOverLimit(error: unknown): void {
    if (!(error instanceof OutputLimitError)) throw error;
    const { reply, session, config } = this.#call;
    const { limitBytes } = reply;
    const option =
      limitBytes < config.respOutputLimit ? "--max-pending-bytes" : "--resp-output-limit";
    reply.error(`ERR the answer is longer than ${option} (${limitBytes} bytes); ask for less`);
    session.isClosing = true;
    this.isOverLimit = true;
  }
}

/** A command without a number: it was unknown or rejected. */
const REJECTED = -1;
/** A command whose subcommand HELP has run. */
const HELP = -2;
