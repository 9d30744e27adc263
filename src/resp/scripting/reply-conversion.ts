// Converts replies of commands to values of Lua, and values of Lua to replies. The rules are those of
// Redis 7, src/script_lua.c.
// Typed arrays: indexes are in range by construction.

import type { Reply } from "../protocol/reply.ts";
import { type Lua, BOOLEAN, NIL, NUMBER, STRING, TABLE } from "./lua.ts";
import { formatDouble, toInt64 } from "./numbers.ts";

const CR = 13;
/** Slots of the stack that one level of a value may take. */
const STACK_SLOTS = 4;

/** Reads the bytes of one reply and pushes its value. Reads no further than its end. */
export class ReplyReader {
  #bytes: Buffer = Buffer.alloc(0);
  #position = 0;
  readonly #lua: Lua;

  constructor(lua: Lua) {
    this.#lua = lua;
  }

  /** Pushes the value of the reply at the start of `bytes`. O(bytes). */
  push(L: number, bytes: Buffer): void {
    this.#bytes = bytes;
    this.#position = 0;
    this.#pushNext(L);
  }

  #pushNext(L: number): void {
    const { api } = this.#lua;
    if (api.lua_checkstack(L, STACK_SLOTS) === 0) {
      this.#lua.pushText(L, "reached lua stack limit");
      api.lua_error(L);
    }
    const sign = String.fromCharCode(this.#bytes[this.#position]!);
    const start = this.#position + 1;
    const end = this.#lineEnd(start);
    this.#position = end + 2;
    switch (sign) {
      case ":":
        return api.lua_pushnumber(L, this.#numberIn(start, end));
      case "$":
        return this.#pushBulk(L, start, end);
      case "+":
        return this.#pushField(L, "ok", () => this.#lua.pushBytes(L, this.#bytes, start, end));
      case "-":
        return pushError(this.#lua, L, this.#bytes.toString("latin1", start - 1, end));
      case "*":
        return this.#pushArray(L, start, end);
      case "%":
        return this.#pushField(L, "map", () => this.#pushPairs(L, this.#numberIn(start, end)));
      case "~":
        return this.#pushField(L, "set", () => this.#pushMembers(L, this.#numberIn(start, end)));
      case "_":
        return api.lua_pushnil(L);
      case "#":
        return api.lua_pushboolean(L, this.#bytes[start] === 0x74 ? 1 : 0);
      case ",":
        return this.#pushField(L, "double", () =>
          api.lua_pushnumber(L, Number(this.#textIn(start, end).replace("inf", "Infinity"))),
        );
      case "(":
        return this.#pushField(L, "big_number", () =>
          this.#lua.pushBytes(L, this.#bytes, start, end),
        );
      case "=":
        return this.#pushVerbatim(L, this.#numberIn(start, end));
      case "|":
        return this.#pushAfterAttributes(L, this.#numberIn(start, end));
      default:
        throw new Error(`a command replied with the unknown type "${sign}"`);
    }
  }

  /** Pushes the reply after attributes, which a script does not see. */
  #pushAfterAttributes(L: number, count: number): void {
    const { api } = this.#lua;
    for (let n = 0; n < 2 * count; n++) {
      this.#pushNext(L);
      api.lua_settop(L, -2);
    }
    this.#pushNext(L);
  }

  #pushBulk(L: number, start: number, end: number): void {
    const length = this.#numberIn(start, end);
    if (length < 0) return this.#lua.api.lua_pushboolean(L, 0);
    const { position } = this;
    this.#position = position + length + 2;
    this.#lua.pushBytes(L, this.#bytes, position, position + length);
  }

  #pushArray(L: number, start: number, end: number): void {
    const { api } = this.#lua;
    const count = this.#numberIn(start, end);
    if (count < 0) return api.lua_pushboolean(L, 0);
    api.lua_createtable(L, count, 0);
    for (let n = 1; n <= count; n++) {
      this.#pushNext(L);
      api.lua_rawseti(L, -2, n);
    }
  }

  #pushPairs(L: number, count: number): void {
    const { api } = this.#lua;
    api.lua_createtable(L, 0, count);
    for (let n = 0; n < count; n++) {
      this.#pushNext(L);
      this.#pushNext(L);
      api.lua_rawset(L, -3);
    }
  }

  #pushMembers(L: number, count: number): void {
    const { api } = this.#lua;
    api.lua_createtable(L, 0, count);
    for (let n = 0; n < count; n++) {
      this.#pushNext(L);
      api.lua_pushboolean(L, 1);
      api.lua_rawset(L, -3);
    }
  }

  /** Pushes { verbatim_string = { format = "txt", string = "value" } } for the text "txt:value". */
  #pushVerbatim(L: number, length: number): void {
    const { position } = this;
    this.#position = position + length + 2;
    this.#pushField(L, "verbatim_string", () => {
      const { api } = this.#lua;
      api.lua_createtable(L, 0, 2);
      this.#lua.pushBytes(L, this.#bytes, position, position + 3);
      api.lua_setfield(L, -2, this.#lua.name("format"));
      this.#lua.pushBytes(L, this.#bytes, position + 4, position + length);
      api.lua_setfield(L, -2, this.#lua.name("string"));
    });
  }

  /** Pushes a table with one field. */
  #pushField(L: number, name: string, pushValue: () => void): void {
    const { api } = this.#lua;
    api.lua_createtable(L, 0, 1);
    pushValue();
    api.lua_setfield(L, -2, this.#lua.name(name));
  }

  /** Offset of the reply that follows. */
  private get position(): number {
    return this.#position;
  }

  #lineEnd(start: number): number {
    let end = start;
    while (this.#bytes[end] !== CR) end++;
    return end;
  }

  #textIn(start: number, end: number): string {
    return this.#bytes.toString("latin1", start, end);
  }

  #numberIn(start: number, end: number): number {
    let value = 0;
    const isNegative = this.#bytes[start] === 0x2d;
    for (let n = isNegative ? start + 1 : start; n < end; n++)
      value = value * 10 + this.#bytes[n]! - 48;
    // Larger numbers are rounded once, as C rounds them.
    if (end - start > 15) return Number(this.#textIn(start, end));
    return isNegative ? -value : value;
  }
}

/** Pushes the table of an error reply, "-CODE text", or of a text without a code. */
export function pushError(lua: Lua, L: number, text: string): void {
  const { api } = lua;
  const line = text.replace(/^-/, "");
  const hasCode = text.startsWith("-") && line.includes(" ");
  api.lua_createtable(L, 0, 2);
  lua.pushText(L, hasCode ? line : `ERR ${line}`);
  api.lua_setfield(L, -2, lua.name("err"));
  api.lua_pushboolean(L, 1);
  api.lua_setfield(L, -2, lua.name("ignore_error_stats_update"));
}

/** Arrays and maps may be nested this deep. A table may contain itself. */
const DEPTH_MAX = 1000;

/** Writes values of Lua as replies. `version` is that of redis.setresp. */
export class ValueWriter {
  readonly #lua: Lua;
  readonly #reply: Reply;
  readonly #version: 2 | 3;
  #depth = 0;

  constructor(lua: Lua, reply: Reply, version: 2 | 3) {
    this.#lua = lua;
    this.#reply = reply;
    this.#version = version;
  }

  /** Writes the value on top of the stack and pops it. */
  write(L: number): void {
    const { api } = this.#lua;
    const reply = this.#reply;
    if (this.#depth === DEPTH_MAX || api.lua_checkstack(L, STACK_SLOTS) === 0) {
      reply.error("ERR reached lua stack limit");
      api.lua_settop(L, -2);
      return;
    }
    switch (api.lua_type(L, -1)) {
      case STRING: {
        const start = this.#lua.stringAt(L, -1);
        reply.bulk({ bytes: this.#lua.bytes, start, end: start + this.#lua.lastLength });
        break;
      }
      case NUMBER:
        reply.integer(toInt64(api.lua_tonumber(L, -1)));
        break;
      case BOOLEAN: {
        const isTrue = api.lua_toboolean(L, -1) !== 0;
        if (this.#version === 3) reply.boolean(isTrue);
        else if (isTrue) reply.integer(1);
        else reply.nil();
        break;
      }
      case TABLE:
        this.#depth++;
        this.#writeTable(L);
        this.#depth--;
        break;
      default:
        reply.nil();
    }
    api.lua_settop(L, -2);
  }

  /** Writes a table as what its first known field says, or as an array. */
  #writeTable(L: number): void {
    const { api } = this.#lua;
    for (const field of FIELDS) {
      this.#lua.pushText(L, field);
      api.lua_rawget(L, -2);
      const isWritten = this.#writeField(L, field, api.lua_type(L, -1));
      api.lua_settop(L, -2);
      if (isWritten) return;
    }
    this.#writeArray(L);
  }

  /** Writes the field's value, which is on top of the stack. Returns false if it does not have its type. */
  #writeField(L: number, field: (typeof FIELDS)[number], type: number): boolean {
    if (type !== FIELD_TYPES[field]) return false;
    const reply = this.#reply;
    const text = type === STRING ? (this.#lua.textAt(L, -1) ?? "") : "";
    switch (field) {
      case "err":
        reply.fullError(untilZero(text));
        return true;
      case "ok":
        reply.status(untilZero(text));
        return true;
      case "double":
        reply.double(formatDouble(this.#lua.api.lua_tonumber(L, -1)));
        return true;
      case "big_number":
        reply.bigNumber(text);
        return true;
      case "verbatim_string":
        return this.#writeVerbatim(L);
      case "map":
      case "set":
        this.#writeEntries(L, field === "map");
        return true;
    }
  }

  #writeVerbatim(L: number): boolean {
    const format = this.#lua.fieldText(L, -1, "format");
    const text = this.#lua.fieldText(L, -1, "string");
    if (format === undefined || text === undefined) return false;
    this.#reply.verbatimText(format, text);
    return true;
  }

  /** Writes all keys of the table on top of the stack, with their values if `withValues`. */
  #writeEntries(L: number, withValues: boolean): void {
    const { api } = this.#lua;
    let count = 0;
    api.lua_pushnil(L);
    for (; api.lua_next(L, -2) !== 0; count++) api.lua_settop(L, -2);
    if (withValues) this.#reply.map(count);
    else this.#reply.set(count);
    api.lua_pushnil(L);
    while (api.lua_next(L, -2) !== 0) {
      if (!withValues) api.lua_settop(L, -2);
      api.lua_pushvalue(L, withValues ? -2 : -1);
      this.write(L);
      if (withValues) this.write(L);
    }
  }

  /** Writes the values from index 1 to before the first nil. */
  #writeArray(L: number): void {
    const { api } = this.#lua;
    const mark = this.#reply.out.end;
    let count = 0;
    for (;;) {
      api.lua_rawgeti(L, -1, count + 1);
      if (api.lua_type(L, -1) === NIL) break;
      this.write(L);
      count++;
    }
    api.lua_settop(L, -2);
    this.#reply.insertArray(mark, count);
  }
}

/** The fields of tables that are not arrays, in the order in which Redis looks for them. */
const FIELDS = ["err", "ok", "double", "big_number", "verbatim_string", "map", "set"] as const;
const FIELD_TYPES: Readonly<Record<(typeof FIELDS)[number], number>> = {
  ...{ err: STRING, ok: STRING, double: NUMBER, big_number: STRING },
  ...{ verbatim_string: TABLE, map: TABLE, set: TABLE },
};

/** As C reads a string. */
function untilZero(text = ""): string {
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}
