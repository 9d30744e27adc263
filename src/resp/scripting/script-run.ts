// The commands of a running script: they run on its connection, within its step of the cache. The reply of
// each becomes a value of Lua.
// Typed arrays: indexes are in range by construction.

import { NotHeldError } from "../../cache/cache.ts";
import { mayDo } from "../../security/tokens.ts";
import type { CommandContext, CommandEntry } from "../commands/context.ts";
import { NO_ROOM } from "../commands/failure.ts";
import { Argument } from "../protocol/parser.ts";
import { NoRoomError, OutputLimitError, type Reply } from "../protocol/reply.ts";
import { Interpreter, type ScriptHost } from "./interpreter.ts";
import { FREE_BYTES, NUMBER } from "./lua.ts";
import { formatDouble } from "./numbers.ts";
import { pushError, ReplyReader } from "./reply-conversion.ts";
import type { ByteBudget } from "../../shared-memory/byte-budget.ts";
import { releasePages } from "../../linux/pages.ts";
import type { RunningScripts } from "./running-scripts.ts";

/** A larger buffer for replies is dropped after the script. */
const KEPT_REPLY_BYTES = 2 ** 20;
const MINUS = 45;

const NO_ARGUMENTS = "Please specify at least one argument for this redis lib call";
const WRONG_ARGUMENTS = "Lua redis lib command arguments must be strings or integers";
const REPLY_TOO_LONG = "ERR the reply is longer than --resp-output-limit; ask for less";
const NO_MEMORY =
  "ERR no room for the values of the script: they count to --max-pending-bytes, as requests and answers on their way";
const OTHER_KEY =
  "ERR the script used a key that is not among its KEYS after it had written, while another client " +
  "used the cache; pass all keys, or run the script again";

/** Ends a script in the middle; the message is the reply. */
export class StopScript extends Error {}
/** Ends a script that has written nothing: it must run again with all shards locked. */
export class StartAgain extends Error {}

export interface RunOptions {
  readonly isReadOnly: boolean;
  /** Whether the script may start again. */
  readonly mayRestart: boolean;
}

export class ScriptRun implements ScriptHost {
  readonly interpreter: Interpreter;
  /** Whether the script has used a key that is not among its keys. */
  usesOtherKeys = false;
  #version: 2 | 3 = 2;
  readonly #running: RunningScripts;
  readonly #budget: ByteBudget;
  readonly #log: (level: number, text: string) => void;
  readonly #reader: ReplyReader;
  /** The arguments of the current command; they point into the memory of the interpreter. */
  readonly #args: Argument[] = [];
  #context: CommandContext | undefined;
  #reply: Reply | undefined;
  #options: RunOptions = { isReadOnly: false, mayRestart: false };
  #timeoutMs = 0;
  #startMs = 0;
  /** The time of the cache for all commands of the script. */
  #nowMs = 0;
  #hasWritten = false;
  #isPublished = false;
  #claimed = 0;

  constructor(
    running: RunningScripts,
    budget: ByteBudget,
    log: (level: number, text: string) => void,
  ) {
    this.#running = running;
    this.#budget = budget;
    this.#log = log;
    this.interpreter = new Interpreter(this);
    this.#reader = new ReplyReader(this.interpreter.lua);
  }

  /** The version of the replies that the script gets. */
  get version(): 2 | 3 {
    return this.#version;
  }

  /** Runs `script`, which calls the interpreter. An exception leaves the interpreter broken. */
  run(context: CommandContext, timeoutMs: number, options: RunOptions, script: () => void): void {
    const { session } = context;
    const { database } = session;
    this.#context = context;
    this.#reply ??= context.reply.aside();
    this.#options = options;
    this.#timeoutMs = timeoutMs;
    this.#startMs = performance.now();
    this.#nowMs = context.nowMs;
    this.#version = 2;
    this.#hasWritten = false;
    this.usesOtherKeys = false;
    try {
      script();
    } finally {
      this.#context = undefined;
      // SELECT in a script does not last.
      session.database = database;
      if (this.#isPublished) this.#running.end();
      this.#isPublished = false;
      this.#reply.release();
      if (this.#reply.out.bytes.length > KEPT_REPLY_BYTES) this.#reply = undefined;
    }
  }

  check(): void {
    if (this.#context === undefined) return;
    if (!this.#isPublished) {
      this.#running.begin(this.#hasWritten);
      this.#isPublished = true;
    }
    if (this.#running.isKilled)
      throw new StopScript("ERR Script killed by user with SCRIPT KILL...");
    if (performance.now() - this.#startMs <= this.#timeoutMs) return;
    const effect = this.#hasWritten ? "its writes so far stay" : "it had written nothing";
    throw new StopScript(
      `ERR the script ran longer than --script-timeout (${this.#timeoutMs} ms) and was ended; ${effect}`,
    );
  }

  /** Claims the memory of the interpreter that does not belong to the cost of a worker as bytes in flight. */
  grow(bytes: number): boolean {
    const wanted = bytes - FREE_BYTES;
    const { limitBytes } = this.#budget;
    if (wanted > limitBytes || !this.#budget.tryResize(this.#claimed, wanted)) {
      throw new StopScript(NO_MEMORY);
    }
    this.#claimed = wanted;
    return true;
  }

  /** Frees the memory of the interpreter now. The interpreter is broken then. */
  release(): void {
    releasePages(this.interpreter.lua.bytes);
    this.#budget.resize(this.#claimed, 0);
    this.#claimed = 0;
  }

  call(L: number): boolean {
    const { lua } = this.interpreter;
    const context = this.#runningContext();
    const count = lua.api.lua_gettop(L);
    const problem = this.#readArguments(L, count);
    if (problem !== undefined) {
      pushError(lua, L, problem);
      return true;
    }
    const reply = this.#reply ?? context.reply;
    this.#runCommand(context, L, count, reply);
    // The arguments were valid as long as they were on the stack.
    lua.api.lua_settop(L, 0);
    this.#reader.push(L, reply.out.bytes);
    // A long command leaves no time for the loops that the interpreter counts.
    if (performance.now() - this.#startMs > this.#timeoutMs) this.check();
    return reply.out.bytes[0] === MINUS;
  }

  mayRun(L: number): boolean | undefined {
    const context = this.#runningContext();
    const count = this.interpreter.lua.api.lua_gettop(L);
    const problem = this.#readArguments(L, count);
    const entry = problem === undefined ? this.#entryOf(context, count) : undefined;
    this.interpreter.lua.api.lua_settop(L, 0);
    return entry === undefined ? undefined : mayDo(context.session.access, entry.access);
  }

  log(level: number, text: string): void {
    this.#log(level, text);
  }

  setVersion(version: 2 | 3): void {
    this.#version = version;
  }

  /** Runs the command of the first `count` arguments, and writes its reply at the start of `reply`. */
  #runCommand(context: CommandContext, L: number, count: number, reply: Reply): void {
    const isWrite = this.#entryOf(context, count)?.access === "write";
    if (isWrite && this.#isPublished && !this.#running.write()) this.check();
    const origin = this.#options.isReadOnly ? "read-only script" : "script";
    for (;;) {
      reply.out.end = 0;
      reply.version = this.#version;
      try {
        context.nowMs = this.#nowMs;
        void context.runInside(context.session, this.#args, count, reply, origin);
        this.#hasWritten ||= isWrite;
        return;
      } catch (error) {
        reply.out.end = 0;
        if (error instanceof NoRoomError) reply.error(NO_ROOM);
        else if (error instanceof OutputLimitError) reply.error(REPLY_TOO_LONG);
        else if (!(error instanceof NotHeldError)) throw error;
        else if (this.#extendStep(context)) {
          // The keys may have got the prefix of their database.
          this.#readArguments(L, count);
          continue;
        } else reply.error(OTHER_KEY);
        return;
      }
    }
  }

  /** Extends the step to all keys. Returns false if that is not possible, and the script cannot start again. */
  #extendStep(context: CommandContext): boolean {
    this.usesOtherKeys = true;
    if (context.cache.tryExtendStep()) return true;
    if (this.#hasWritten || !this.#options.mayRestart) return false;
    throw new StartAgain();
  }

  /** Returns the entry of the command, or of its subcommand. */
  #entryOf({ table }: CommandContext, count: number): CommandEntry | undefined {
    const entry = table.find(this.#args[0]!);
    if (entry === undefined || entry.subcommands.size === 0 || count === 1) return entry;
    return table.find(this.#args[1]!, entry);
  }

  /** Reads the first `count` values on the stack as arguments. Returns the text of an error, or undefined. */
  #readArguments(L: number, count: number): string | undefined {
    const { lua } = this.interpreter;
    const { api } = lua;
    if (count === 0) return NO_ARGUMENTS;
    for (let n = 0; n < count; n++) {
      if (n === this.#args.length) this.#args.push(new Argument(lua.bytes));
      const argument = this.#args[n]!;
      argument.bytes = lua.bytes;
      argument.shard = -1;
      // The conversion of Lua would keep 14 digits.
      if (api.lua_type(L, n + 1) === NUMBER) {
        const text = formatDouble(api.lua_tonumber(L, n + 1));
        api.lua_checkstack(L, 1);
        lua.pushText(L, text);
        argument.start = lua.stringAt(L, -1);
      } else argument.start = lua.stringAt(L, n + 1);
      if (argument.start === 0) return WRONG_ARGUMENTS;
      argument.end = argument.start + lua.lastLength;
    }
    return undefined;
  }

  #runningContext(): CommandContext {
    if (this.#context === undefined) throw new Error("no script is running");
    return this.#context;
  }
}
