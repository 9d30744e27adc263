// The interpreter's binary: Lua 5.1 with the patches and libraries of Redis, compiled to WebAssembly by
// the package lua-redis-wasm. This service uses only the binary. The package's own interface compiles a
// script for each call, and has one kind of error.
//
// The binary exports no functions of Lua's C interface, so the rewriter exports them by their indexes.
// The indexes hold for exactly this binary, which is checked by its SHA-256. They were read from the
// calls of the exported functions, whose source is wasm/src/runtime.c of the package; the functions of
// lapi.c have the order of their source. For another version of the package they must be read again.

import { readFileSync } from "node:fs";

import { type Rewriting, rewriteModule } from "./wasm-rewriter.ts";

const SHA_256 = "c95b450f963b03479fe34da98bfecff67f277708dff89893ce2e40f898a0b42a";

/** The functions of Lua's C interface that the service calls, as in the reference manual of Lua 5.1. */
const FUNCTIONS = {
  lua_checkstack: 53,
  lua_gettop: 56,
  lua_settop: 57,
  lua_insert: 59,
  lua_pushvalue: 61,
  lua_type: 62,
  lua_tonumber: 67,
  lua_toboolean: 69,
  lua_tolstring: 70,
  lua_pushnil: 74,
  lua_pushnumber: 75,
  lua_pushlstring: 77,
  lua_pushcclosure: 80,
  lua_pushboolean: 81,
  lua_getfield: 85,
  lua_rawget: 86,
  lua_rawgeti: 87,
  lua_createtable: 88,
  lua_getmetatable: 89,
  lua_setfield: 91,
  lua_rawset: 92,
  lua_rawseti: 93,
  lua_call: 96,
  // The compiler removed the number of results: it is always LUA_MULTRET.
  lua_pcall: 97,
  lua_gc: 100,
  lua_error: 101,
  lua_next: 102,
  // Of Redis: a table that only this function can make writable again.
  lua_enablereadonlytable: 106,
  lua_getstack: 137,
  lua_getinfo: 138,
  luaL_loadbuffer: 264,
} as const;

/** Address of the pointer to the state that `init` creates. */
export const STATE_POINTER = 28_472;
/** Offsets in the structure of a state: the mask and the function of the hook that counts instructions. */
export const HOOK_MASK = 56;
export const HOOK = 68;
/** Size of lua_Debug, and the offsets of three of its fields. */
export const DEBUG = { bytes: 100, what: 12, source: 16, line: 20 } as const;

type Pointer = number;

/** The exports of the rewritten module. A state, `L`, is a pointer. */
export interface LuaExports {
  readonly memory: WebAssembly.Memory;
  readonly __indirect_function_table: WebAssembly.Table;
  readonly counter: WebAssembly.Global;
  readonly pages: WebAssembly.Global;
  __wasm_call_ctors(): void;
  set_compat(flags: number): void;
  init(): number;
  alloc(bytes: number): Pointer;
  free_mem(pointer: Pointer): void;
  setThrew(threw: number, value: number): void;
  emscripten_stack_get_current(): Pointer;
  _emscripten_stack_restore(pointer: Pointer): void;
  lua_checkstack(L: Pointer, size: number): number;
  lua_gettop(L: Pointer): number;
  lua_settop(L: Pointer, index: number): void;
  lua_insert(L: Pointer, index: number): void;
  lua_pushvalue(L: Pointer, index: number): void;
  lua_type(L: Pointer, index: number): number;
  lua_tonumber(L: Pointer, index: number): number;
  lua_toboolean(L: Pointer, index: number): number;
  /** Returns 0 for a value that is neither a string nor a number. Writes the length to `length`. */
  lua_tolstring(L: Pointer, index: number, length: Pointer): Pointer;
  lua_pushnil(L: Pointer): void;
  lua_pushnumber(L: Pointer, value: number): void;
  lua_pushlstring(L: Pointer, text: Pointer, length: number): void;
  lua_pushcclosure(L: Pointer, tableIndex: number, upvalues: number): void;
  lua_pushboolean(L: Pointer, value: number): void;
  lua_getfield(L: Pointer, index: number, name: Pointer): void;
  lua_rawget(L: Pointer, index: number): void;
  lua_rawgeti(L: Pointer, index: number, n: number): void;
  lua_createtable(L: Pointer, arraySize: number, hashSize: number): void;
  lua_getmetatable(L: Pointer, index: number): number;
  lua_setfield(L: Pointer, index: number, name: Pointer): void;
  lua_rawset(L: Pointer, index: number): void;
  lua_rawseti(L: Pointer, index: number, n: number): void;
  lua_call(L: Pointer, args: number, results: number): void;
  /** All results of the function stay on the stack. */
  lua_pcall(L: Pointer, args: number, handlerIndex: number): number;
  lua_gc(L: Pointer, what: number, data: number): number;
  lua_error(L: Pointer): number;
  lua_next(L: Pointer, index: number): number;
  lua_enablereadonlytable(L: Pointer, index: number, isEnabled: number): void;
  lua_getstack(L: Pointer, level: number, debug: Pointer): number;
  lua_getinfo(L: Pointer, what: Pointer, debug: Pointer): number;
  luaL_loadbuffer(L: Pointer, text: Pointer, length: number, name: Pointer): number;
}

const REWRITING: Rewriting = {
  functions: FUNCTIONS,
  // The module calls it before it traps; with the counter below 0 it means a check.
  check: "_abort_js",
  counter: "counter",
  pages: "pages",
  tableEntries: 16,
};

let compiled: WebAssembly.Module | undefined;

/** Returns the place of the binary: in its package, or in the executable (scripts/build.ts). */
export function binaryUrl(): URL {
  const base = Bun.isStandaloneExecutable ? import.meta.url : import.meta.resolve("lua-redis-wasm");
  return new URL("redis_lua.wasm", base);
}

/**
 * Reads, rewrites and compiles the binary at the first call of the thread: 30 to 60 ms. Throws Error if
 * the file is missing or is not the expected one.
 */
export function luaModule(): WebAssembly.Module {
  if (compiled !== undefined) return compiled;
  const path = binaryUrl();
  const binary = readFileSync(path);
  const hash = new Bun.CryptoHasher("sha256").update(binary).digest("hex");
  if (hash !== SHA_256)
    throw new Error(
      `${path.pathname} is not the interpreter that this version needs: run bun install`,
    );
  return (compiled = new WebAssembly.Module(rewriteModule(binary, REWRITING).slice()));
}
