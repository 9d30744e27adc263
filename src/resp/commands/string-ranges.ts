// Commands on parts of values.

import { type Change, type Entry, MISS } from "../../cache/cache.ts";
import {
  argument,
  type CommandContext,
  type Command,
  Failure,
  NOT_AN_INTEGER,
  TOO_LARGE,
  update,
} from "./context.ts";
import { readNumber } from "../protocol/numbers.ts";

const ONE_KEY = [1, 1, 1] as const;

export const RANGE_COMMANDS: readonly Command[] = [
  {
    name: "append",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    keys: ONE_KEY,
    syntax: "key value",
    summary: "Appends to the value of a key and answers its new length.",
    since: "2.0.0",
    run: append,
  },
  {
    name: "strlen",
    arity: 2,
    flags: ["readonly", "fast"],
    keys: ONE_KEY,
    syntax: "key",
    summary: "Bytes of the value of a key.",
    since: "2.2.0",
    run: strlen,
  },
  {
    name: "getrange",
    arity: 4,
    flags: ["readonly"],
    keys: ONE_KEY,
    syntax: "key start end",
    summary:
      "Part of the value of a key; both ends are in it, and negative ones count from its end.",
    since: "2.4.0",
    complexity: "O(N)",
    run: getrange,
  },
  {
    name: "substr",
    arity: 4,
    flags: ["readonly"],
    keys: ONE_KEY,
    syntax: "key start end",
    summary: "Part of the value of a key, as GETRANGE.",
    since: "1.0.0",
    complexity: "O(N)",
    run: getrange,
  },
  {
    name: "setrange",
    arity: 4,
    flags: ["write", "denyoom"],
    keys: ONE_KEY,
    syntax: "key offset value",
    summary: "Overwrites part of a value, with zero bytes before it where there was nothing.",
    since: "2.2.0",
    complexity: "O(N)",
    run: setrange,
  },
];

function append(context: CommandContext): void {
  const { cache, nowMs, reply } = context;
  const part = argument(context, 2);
  let length = 0;
  const change = (entry: Entry | undefined): Change => {
    const at = entry ? entry.value.end - entry.value.start : 0;
    length = at + part.end - part.start;
    return { part, at, expiresAtMs: entry?.expiresAtMs ?? cache.expiresAtMs(undefined, nowMs) };
  };
  if (update(context, argument(context, 1), change)) reply.integer(length);
}

function strlen(context: CommandContext): void {
  const { cache, nowMs, reply } = context;
  const facts = cache.look(argument(context, 1), nowMs, true);
  cache.countGet(facts !== undefined);
  reply.integer(facts?.valueBytes ?? 0);
}

function getrange(context: CommandContext): void {
  const { cache, nowMs, reply } = context;
  const first = readNumber(argument(context, 2));
  const last = readNumber(argument(context, 3));
  if (first === undefined || last === undefined) {
    reply.error(NOT_AN_INTEGER);
    return;
  }
  // Without an entry the answer is an empty string, not nil.
  const length = cache.getRange(argument(context, 1), nowMs, first, last, reply.beginBulk());
  cache.countGet(length !== MISS);
  reply.endBulk(Math.max(0, length));
}

function setrange(context: CommandContext): void {
  const { cache, nowMs, reply } = context;
  const offset = readNumber(argument(context, 2));
  const part = argument(context, 3);
  if (offset === undefined) {
    reply.error(NOT_AN_INTEGER);
    return;
  }
  if (offset < 0) {
    reply.error("ERR offset is out of range");
    return;
  }
  let length = 0;
  const change = (entry: Entry | undefined): Change | Failure => {
    const old = entry ? entry.value.end - entry.value.start : 0;
    const partBytes = part.end - part.start;
    length = partBytes === 0 ? old : Math.max(old, offset + partBytes);
    if (partBytes === 0) return "keep";
    if (length > cache.maxValueBytes) return new Failure(TOO_LARGE);
    const expiresAtMs = entry?.expiresAtMs ?? cache.expiresAtMs(undefined, nowMs);
    return { part, at: offset, expiresAtMs };
  };
  if (update(context, argument(context, 1), change)) reply.integer(length);
}
