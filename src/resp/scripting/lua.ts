// One instance of the interpreter, with a memory of its own of 64 MiB. Host functions are functions of
// this process that Lua code calls.
//
// An exception of the host passes through the interpreter to the caller and leaves the instance broken:
// the caller must drop it. Lua's own errors are jumps, which Emscripten makes exceptions with the value
// Infinity; they end in lua_pcall.
// Typed arrays: indexes are in range by construction.

import { DEBUG, HOOK, HOOK_MASK, type LuaExports, luaModule, STATE_POINTER } from "./lua-binary.ts";
import { relayModule } from "./wasm-rewriter.ts";

/** Pseudo-index of the first upvalue of a running function. */
export const FIRST_UPVALUE = -10_003;
/** For lua_call: all results. */
export const ALL_RESULTS = -1;

/** Numbers of Lua's types. */
export const NIL = 0;
export const BOOLEAN = 1;
export const NUMBER = 3;
export const STRING = 4;
export const TABLE = 5;

/** Pseudo-indexes of the registry and of the table of globals. */
export const REGISTRY = -10_000;
export const GLOBALS = -10_002;

/** Number of lua_gc. */
const GC_STEP = 5;

/** Rounds of loops between two checks: about 1 ms. */
const ROUNDS_PER_CHECK = 100_000;
/** Bytes of the stack of the C code. The binary has 64 KiB, and no check of its end. */
const STACK_BYTES = 2 ** 20;
const STACK_ALIGNMENT = 16;
const PAGE_BYTES = 2 ** 16;
/**
 * Bytes of the memory that every interpreter may use: its data, its stack, the libraries, and room for the values
 * of common scripts. They belong to the cost of a worker.
 */
export const FREE_BYTES = 6 * 2 ** 20;
/** The interpreter asks for more memory in steps of this size. */
const STEP_BYTES = 2 ** 20;
/** Strings up to this size pass through one fixed buffer. */
const SCRATCH_BYTES = 64 * 1024;
/** Bytes that are copied one by one: the call of a copy costs more. */
const SHORT_BYTES_MAX = 64;
/** The sandbox with os.clock, and without the rest of os. */
const SANDBOX_WITH_CLOCK = 2;
/** Thrown by Emscripten's longjmp. */
const LONG_JUMP = Infinity;

/** A function that Lua code calls with the state `L`. It returns the number of its results on the stack. */
export type HostFunction = (L: number) => number;

/** The interpreter is broken or has no memory left. */
export class InterpreterError extends Error {}

type HostImport = (...args: never[]) => unknown;

interface CodePlace {
  /** "C" for a function of the interpreter or of the host. */
  readonly what: string;
  readonly source: string;
  readonly line: number;
}

export class Lua {
  readonly api: LuaExports;
  /** The main state. */
  readonly state: number;
  /** The memory of the interpreter, which never moves. */
  readonly bytes: Buffer;
  readonly #words: Int32Array;
  readonly #scratch: number;
  readonly #length: number;
  readonly #debug: number;
  readonly #names = new Map<string, number>();

  /**
   * `check` is called about every millisecond while Lua code runs; it may throw and so end the code. `grow` is
   * called before the interpreter uses more than a number of bytes of its memory for the first time, if that
   * is more than FREE_BYTES. It returns whether it may; otherwise the script gets "not enough memory".
   */
  constructor(check: () => void, grow: (bytes: number) => boolean) {
    const instance = new WebAssembly.Instance(luaModule(), this.#imports(check, grow));
    // The rewriter gives the module these exports.
    this.api = instance.exports as unknown as LuaExports;
    const { api } = this;
    this.bytes = Buffer.from(api.memory.buffer);
    this.#words = new Int32Array(api.memory.buffer);
    api.counter.value = ROUNDS_PER_CHECK;
    api.pages.value = FREE_BYTES / PAGE_BYTES;
    api.__wasm_call_ctors();
    const stack = api.alloc(STACK_BYTES);
    api._emscripten_stack_restore((stack + STACK_BYTES) & -STACK_ALIGNMENT);
    api.set_compat(SANDBOX_WITH_CLOCK);
    if (api.init() !== 0) throw new InterpreterError("it did not start");
    this.state = this.#words[STATE_POINTER / 4]!;
    // The hook of the package ends scripts by a number of instructions of its own.
    this.bytes[this.state + HOOK_MASK] = 0;
    this.#words[(this.state + HOOK) / 4] = 0;
    this.#scratch = api.alloc(SCRATCH_BYTES);
    this.#length = api.alloc(8);
    this.#debug = api.alloc(DEBUG.bytes);
  }

  /** Bytes of the memory that the interpreter may have used, and that may be resident. */
  get heapBytes(): number {
    return Number(this.api.pages.value) * PAGE_BYTES;
  }

  collectSome(): void {
    this.api.lua_gc(this.state, GC_STEP, 50);
  }

  /** Adds host functions to the function table; returns the index of the first. */
  addFunctions(functions: readonly HostFunction[]): number {
    const { __indirect_function_table: table } = this.api;
    const module = new WebAssembly.Module(relayModule(functions.length).slice());
    const host = Object.fromEntries(functions.map((call, n) => [String(n), call]));
    const relays = new WebAssembly.Instance(module, { host }).exports;
    const first = table.length - functions.length;
    for (let n = 0; n < functions.length; n++) table.set(first + n, relays[String(n)]);
    return first;
  }

  /** Returns the address of a name that ends with a zero byte. Each name is kept. */
  name(text: string): number {
    let address = this.#names.get(text);
    if (address === undefined) {
      const bytes = Buffer.from(`${text}\0`);
      address = this.#allocate(bytes.length);
      bytes.copy(this.bytes, address);
      this.#names.set(text, address);
    }
    return address;
  }

  /** Compiles a program and pushes its function, or the error text; returns whether it is a function. */
  load(source: Buffer, name: string): boolean {
    return this.#withCopy(source, 0, source.length, (address, length) => {
      return this.api.luaL_loadbuffer(this.state, address, length, this.name(name)) === 0;
    });
  }

  pushBytes(L: number, from: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length > SHORT_BYTES_MAX) {
      this.#withCopy(from, start, end, (address) => this.api.lua_pushlstring(L, address, length));
      return;
    }
    const { bytes } = this;
    for (let n = 0; n < length; n++) bytes[this.#scratch + n] = from[start + n]!;
    this.api.lua_pushlstring(L, this.#scratch, length);
  }

  /** Pushes a text with one byte for each character. */
  pushText(L: number, text: string): void {
    const bytes = Buffer.from(text, "latin1");
    this.pushBytes(L, bytes, 0, bytes.length);
  }

  /** Returns the address of the string at this index, or 0. A number becomes a string. `lastLength` has its length. */
  stringAt(L: number, index: number): number {
    return this.api.lua_tolstring(L, index, this.#length);
  }

  /** Length of the string of the last `stringAt`. */
  get lastLength(): number {
    return this.#words[this.#length / 4]!;
  }

  /** Returns the string at this index with one character for each byte, or undefined. */
  textAt(L: number, index: number): string | undefined {
    const address = this.stringAt(L, index);
    return address === 0
      ? undefined
      : this.bytes.toString("latin1", address, address + this.lastLength);
  }

  /** As `textAt` for a field of the table at this index. */
  fieldText(L: number, index: number, name: string): string | undefined {
    this.api.lua_getfield(L, index, this.name(name));
    const text = this.textAt(L, -1);
    this.api.lua_settop(L, -2);
    return text;
  }

  /** Returns the place of the function at this level of the stack; the running function has level 0. */
  placeOf(L: number, level: number): CodePlace | undefined {
    const { api } = this;
    if (api.lua_getstack(L, level, this.#debug) === 0) return undefined;
    api.lua_getinfo(L, this.name("Sl"), this.#debug);
    return {
      what: this.#textOf(this.#words[(this.#debug + DEBUG.what) / 4]!),
      source: this.#textOf(this.#words[(this.#debug + DEBUG.source) / 4]!),
      line: this.#words[(this.#debug + DEBUG.line) / 4]!,
    };
  }

  #textOf(address: number): string {
    return this.bytes.toString("latin1", address, this.bytes.indexOf(0, address));
  }

  #allocate(bytes: number): number {
    const address = this.api.alloc(bytes);
    if (address === 0) throw new InterpreterError("not enough memory");
    return address;
  }

  #withCopy<T>(
    from: Uint8Array,
    start: number,
    end: number,
    use: (address: number, length: number) => T,
  ): T {
    const length = end - start;
    const isLong = length > SCRATCH_BYTES;
    const address = isLong ? this.#allocate(length) : this.#scratch;
    this.bytes.set(from.subarray(start, end), address);
    try {
      return use(address, length);
    } finally {
      if (isLong) this.api.free_mem(address);
    }
  }

  #imports(
    check: () => void,
    grow: (bytes: number) => boolean,
  ): Record<string, Record<string, HostImport>> {
    // The binary imports more functions of files and terminals, which no Lua code can reach.
    const unused = new Proxy({}, { get: (_, name) => () => this.#refuse(String(name)) });
    const env = {
      host_redis_props: (result: number) => void this.#words.fill(0, result / 4, result / 4 + 2),
      invoke_vii: (index: number, a: number, b: number) => this.#invoke(index, a, b),
      _emscripten_throw_longjmp: () => {
        throw LONG_JUMP;
      },
      _abort_js: () => {
        this.api.counter.value = ROUNDS_PER_CHECK;
        check();
      },
      // For os.clock: nanoseconds, as a 64-bit number.
      clock_time_get: (_clock: number, _precision: bigint, result: number) => {
        const micros = Math.round(performance.now() * 1000);
        this.bytes.writeBigUInt64LE(BigInt(micros) * 1000n, result);
        return 0;
      },
      // The memory does not grow, but the part that the interpreter may use. Otherwise an allocation fails.
      emscripten_resize_heap: (bytes: number) => {
        const wanted = Math.ceil((bytes >>> 0) / STEP_BYTES) * STEP_BYTES;
        if (wanted > this.bytes.length || !grow(wanted)) return 0;
        this.api.pages.value = wanted / PAGE_BYTES;
        return 1;
      },
    };
    const imports: Record<string, Record<string, HostImport>> = {};
    for (const { module, name } of WebAssembly.Module.imports(luaModule())) {
      (imports[module] ??= {})[name] = Reflect.get(env, name) ?? Reflect.get(unused, name);
    }
    return imports;
  }

  #invoke(index: number, a: number, b: number): void {
    const { api } = this;
    const stack = api.emscripten_stack_get_current();
    try {
      api.__indirect_function_table.get(index)(a, b);
    } catch (error) {
      if (error !== LONG_JUMP) throw error;
      api._emscripten_stack_restore(stack);
      api.setThrew(1, 0);
    }
  }

  #refuse(name: string): never {
    // `exit` is called where an allocation fails outside of lua_pcall.
    throw new InterpreterError(name === "exit" ? "not enough memory" : `it called ${name}`);
  }
}
