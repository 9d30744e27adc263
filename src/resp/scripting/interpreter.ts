// An interpreter with the sandbox of Redis: compiled scripts, KEYS and ARGV, and the functions of redis.*.

import { readFileSync } from "node:fs";

import { prefixBytesOf } from "../../cache/databases.ts";
import { REDIS_VERSION } from "../commands/connection.ts";
import type { CommandContext } from "../commands/context.ts";
import type { Reply } from "../protocol/reply.ts";
import {
  ALL_RESULTS,
  FIRST_UPVALUE,
  GLOBALS,
  type HostFunction,
  InterpreterError,
  Lua,
  REGISTRY,
  TABLE,
} from "./lua.ts";
import { Random48 } from "./numbers.ts";
import { pushError, ValueWriter } from "./reply-conversion.ts";

/** Slots of the registry. Compiled scripts have the numbers after them. */
const HANDLER = 1;
const FIRST_SCRIPT = 2;
const SCRIPT_NAME = "@user_script";
const PRELUDE_NAME = "=redis";
/** Tables that the prelude completes, and that are read-only for scripts. */
const UNLOCKED = ["math"] as const;
const LOCKED = ["math", "redis"] as const;
/** Scripts between two steps of the collector, as in Redis. */
const COLLECT_EVERY = 50;
/** Length of an error that is not a table, as in Redis. */
const PLAIN_ERROR_LENGTH_MAX = 100;

/** What a script does outside of the interpreter. */
export interface ScriptHost {
  /** Called about every millisecond; throws to end the script. */
  check(): void;
  /** Called before the interpreter uses more of its memory; returns whether it may. */
  grow(bytes: number): boolean;
  /** Runs a command; its arguments are on the stack of `L`. Pushes its reply and returns whether it is an error. */
  call(L: number): boolean;
  /** Returns whether the caller may run the command on the stack, or undefined if there is none. */
  mayRun(L: number): boolean | undefined;
  log(level: number, text: string): void;
  setVersion(version: 2 | 3): void;
}

export class Interpreter {
  readonly lua: Lua;
  readonly #host: ScriptHost;
  readonly #random = new Random48();
  #isSeeded = false;
  /** Index of the function `relay` in the function table. */
  #relay = 0;
  #nextScript = FIRST_SCRIPT;
  #untilCollection = COLLECT_EVERY;

  /** Takes about 5 ms, and 60 ms for the first of a thread. */
  constructor(host: ScriptHost) {
    this.#host = host;
    const lua = (this.lua = new Lua(
      () => host.check(),
      (bytes) => host.grow(bytes),
    ));
    const { api, state: L } = lua;
    this.#setLocks(0, UNLOCKED);
    const prelude = readFileSync(new URL("prelude.lua", import.meta.url));
    if (!lua.load(prelude, PRELUDE_NAME))
      throw new Error(`prelude.lua is invalid: ${lua.textAt(L, -1)}`);
    this.#pushHost(L);
    if (api.lua_pcall(L, 1, 0) !== 0) throw new Error(`prelude.lua: ${lua.textAt(L, -1)}`);
    api.lua_rawseti(L, REGISTRY, HANDLER);
    this.#setLocks(1, LOCKED);
    api.lua_settop(L, 0);
  }

  /** Compiles a script. Returns its number, or the error text. O(bytes). */
  compile(source: Buffer): number | string {
    const { api, state: L } = this.lua;
    if (!this.lua.load(source, SCRIPT_NAME)) {
      const text = this.lua.textAt(L, -1) ?? "";
      api.lua_settop(L, 0);
      return text;
    }
    api.lua_rawseti(L, REGISTRY, this.#nextScript);
    return this.#nextScript++;
  }

  /**
   * Runs a compiled script whose keys begin at argument 3 of the command, and writes its reply. `sha`
   * names the script in errors; `version` returns the version of redis.setresp. Throws the exceptions of
   * the host, and InterpreterError and RuntimeError; the interpreter is broken then.
   */
  run(
    script: number,
    context: CommandContext,
    keyCount: number,
    sha: string,
    version: () => 2 | 3,
  ): void {
    const { api, state: L } = this.lua;
    const { reply, count } = context;
    api.lua_rawgeti(L, REGISTRY, HANDLER);
    api.lua_enablereadonlytable(L, GLOBALS, 0);
    this.#setArguments("KEYS", context, 3, 3 + keyCount);
    this.#setArguments("ARGV", context, 3 + keyCount, count);
    api.lua_enablereadonlytable(L, GLOBALS, 1);
    api.lua_rawgeti(L, REGISTRY, script);
    const status = api.lua_pcall(L, 0, 1);
    // Above the handler: the first result, or nil.
    api.lua_settop(L, 2);
    if (status === 0) new ValueWriter(this.lua, reply, version()).write(L);
    else this.#writeError(L, reply, sha);
    api.lua_settop(L, 0);
    if (this.#isSeeded) this.#random.seed(crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
    this.#isSeeded = false;
    if (--this.#untilCollection > 0) return;
    this.#untilCollection = COLLECT_EVERY;
    this.lua.collectSome();
  }

  /** Sets the global table `name` to the arguments from `start` to before `end`. */
  #setArguments(name: string, { args }: CommandContext, start: number, end: number): void {
    const { api, state: L } = this.lua;
    api.lua_createtable(L, end - start, 0);
    for (let index = start; index < end; index++) {
      const argument = args[index];
      if (argument === undefined) throw new Error(`no argument ${index}`);
      // A key may have the prefix of its database.
      const first = name === "KEYS" ? argument.start + prefixBytesOf(argument) : argument.start;
      this.lua.pushBytes(L, argument.bytes, first, argument.end);
      api.lua_rawseti(L, -2, index - start + 1);
    }
    api.lua_setfield(L, GLOBALS, this.lua.name(name));
  }

  /** Writes the error on top of the stack as a reply. */
  #writeError(L: number, reply: Reply, sha: string): void {
    const { lua } = this;
    if (lua.api.lua_type(L, -1) !== TABLE) {
      const text = (lua.textAt(L, -1) ?? "execution failure").slice(0, PLAIN_ERROR_LENGTH_MAX);
      reply.fullError(`ERR Error running script ${sha}, ${text}`);
      return;
    }
    // Redis 7.0 crashes without the field.
    const text = lua.fieldText(L, -1, "err") ?? "ERR unknown error";
    const line = lua.fieldText(L, -1, "line");
    const source = lua.fieldText(L, -1, "source");
    const place =
      line === undefined || source === undefined ? "" : ` script: ${sha}, on ${source}:${line}.`;
    reply.fullError(`${text}${place}`);
  }

  /** Makes these tables, the globals and their metatable read-only, or writable. */
  #setLocks(isLocked: 0 | 1, names: readonly string[]): void {
    const { api, state: L } = this.lua;
    for (const name of names) {
      api.lua_getfield(L, GLOBALS, this.lua.name(name));
      api.lua_enablereadonlytable(L, -1, isLocked);
    }
    api.lua_getmetatable(L, GLOBALS);
    api.lua_enablereadonlytable(L, -1, isLocked);
    api.lua_enablereadonlytable(L, GLOBALS, isLocked);
    api.lua_settop(L, 0);
  }

  /** Pushes the table of the functions that the prelude uses. */
  #pushHost(L: number): void {
    const { lua } = this;
    const { api } = lua;
    const functions = Object.entries(this.#functions());
    const first = lua.addFunctions(functions.map(([, call]) => call));
    this.#relay = first + functions.findIndex(([name]) => name === "relay");
    api.lua_createtable(L, 0, functions.length + 2);
    for (const [n, [name]] of functions.entries()) {
      api.lua_pushcclosure(L, first + n, 0);
      api.lua_setfield(L, -2, lua.name(name));
    }
    lua.pushText(L, REDIS_VERSION);
    api.lua_setfield(L, -2, lua.name("version"));
    const [major = 0, minor = 0, patch = 0] = REDIS_VERSION.split(".").map(Number);
    api.lua_pushnumber(L, major * 2 ** 16 + minor * 2 ** 8 + patch);
    api.lua_setfield(L, -2, lua.name("version_number"));
  }

  #functions(): Readonly<Record<string, HostFunction>> {
    const { lua } = this;
    const { api } = lua;
    const host = this.#host;
    return {
      call: (L) => (host.call(L) ? api.lua_error(L) : 1),
      pcall: (L) => {
        host.call(L);
        return 1;
      },
      acl_check_cmd: (L) => this.#pushMayRun(L),
      sha1hex: (L) => {
        const start = lua.stringAt(L, 1);
        const bytes = lua.bytes.subarray(start, start === 0 ? 0 : start + lua.lastLength);
        lua.pushText(L, sha1Of(bytes));
        return 1;
      },
      log: (L) => {
        host.log(Math.trunc(api.lua_tonumber(L, 1)), lua.textAt(L, 2) ?? "");
        return 0;
      },
      setresp: (L) => {
        host.setVersion(api.lua_tonumber(L, 1) === 3 ? 3 : 2);
        return 0;
      },
      random: (L) => {
        api.lua_pushnumber(L, this.#random.next());
        return 1;
      },
      randomseed: (L) => {
        this.#random.seed(api.lua_tonumber(L, 1));
        this.#isSeeded = true;
        return 0;
      },
      place: (L) => this.#pushPlace(L),
      native: (L) => {
        api.lua_pushcclosure(L, this.#relay, 1);
        return 1;
      },
      relay: (L) => {
        api.lua_pushvalue(L, FIRST_UPVALUE);
        api.lua_insert(L, 1);
        api.lua_call(L, api.lua_gettop(L) - 1, ALL_RESULTS);
        return api.lua_gettop(L);
      },
    };
  }

  #pushMayRun(L: number): number {
    const { lua } = this;
    const mayRun = this.#host.mayRun(L);
    if (mayRun === undefined) {
      pushError(lua, L, "Invalid command passed to redis.acl_check_cmd()");
      return lua.api.lua_error(L);
    }
    lua.api.lua_pushboolean(L, mayRun ? 1 : 0);
    return 1;
  }

  /**
   * For the handler of errors: pushes source and line of the function that failed, or of its caller if
   * that is a function of the interpreter. A function of the prelude counts as such, with the `error` that
   * it calls and the `relay` that calls it. Level 2 is the function that failed, below the handler.
   */
  #pushPlace(L: number): number {
    const { lua } = this;
    let level = 2;
    const isNative = (at: number): boolean => lua.placeOf(L, at)?.what === "C";
    const isPrelude = (at: number): boolean => lua.placeOf(L, at)?.source === PRELUDE_NAME;
    if (isNative(level) && isPrelude(level + 1)) level++;
    while (isPrelude(level)) level++;
    if (isNative(level)) level++;
    const place = lua.placeOf(L, level);
    if (place === undefined) return 0;
    lua.pushText(L, place.source);
    lua.api.lua_pushnumber(L, place.line);
    return 2;
  }
}

/** Returns whether an exception means that the interpreter failed: it has no memory or no stack left. */
export function interpreterFailure(error: unknown): string | undefined {
  if (error instanceof InterpreterError) return error.message;
  if (error instanceof RangeError) return "stack overflow";
  if (error instanceof WebAssembly.RuntimeError) return `the interpreter failed: ${error.message}`;
  return undefined;
}

export function sha1Of(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha1").update(bytes).digest("hex");
}
