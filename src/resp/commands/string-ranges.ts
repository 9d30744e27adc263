// Commands on parts of values.

import { type Change, type Entry, MISS } from "../../cache/cache.ts";
import { argument, type CommandContext, type Command, update } from "./context.ts";
import { define, LINEAR } from "./define.ts";
import { Failure, NOT_AN_INTEGER, TOO_LARGE } from "./failure.ts";
import { readNumber } from "../protocol/numbers.ts";

const OFFSET_OUT_OF_RANGE = new Failure("ERR offset is out of range");

export const RANGE_COMMANDS: readonly Command[] = [
  define(
    "append",
    "key value",
    "write denyoom fast",
    "2.0.0",
    "Appends to the value of a key and answers its new length.",
    append,
  ),
  define("strlen", "key", "readonly fast", "2.2.0", "Bytes of the value of a key.", strlen),
  define(
    "getrange",
    "key start end",
    "readonly",
    "2.4.0",
    "Part of the value of a key; both ends are in it, and negative ones count from its end.",
    getrange,
    LINEAR,
  ),
  define(
    "substr",
    "key start end",
    "readonly",
    "1.0.0",
    "Part of the value of a key, as GETRANGE.",
    getrange,
    LINEAR,
  ),
  define(
    "setrange",
    "key offset value",
    "write denyoom",
    "2.2.0",
    "Overwrites part of a value, with zero bytes before it where there was nothing.",
    setrange,
    LINEAR,
  ),
];

function append(context: CommandContext): void | Failure {
  const { cache, nowMs, reply } = context;
  const part = argument(context, 2);
  let length = 0;
  const change = (entry: Entry | undefined): Change => {
    const at = entry ? entry.value.end - entry.value.start : 0;
    length = at + part.end - part.start;
    return { part, at, expiresAtMs: entry?.expiresAtMs ?? cache.expiresAtMs(undefined, nowMs) };
  };
  const failure = update(context, argument(context, 1), change);
  if (failure !== undefined) return failure;
  reply.integer(length);
}

function strlen(context: CommandContext): void {
  const { cache, nowMs, reply } = context;
  const facts = cache.look(argument(context, 1), nowMs, true);
  cache.countGet(facts !== undefined);
  reply.integer(facts?.valueBytes ?? 0);
}

function getrange(context: CommandContext): void | Failure {
  const { cache, nowMs, reply } = context;
  const first = readNumber(argument(context, 2));
  const last = readNumber(argument(context, 3));
  if (first === undefined || last === undefined) return NOT_AN_INTEGER;
  // Without an entry the reply is an empty string, not nil.
  const length = cache.getRange(argument(context, 1), nowMs, first, last, reply.beginBulk());
  cache.countGet(length !== MISS);
  reply.endBulk(Math.max(0, length));
}

function setrange(context: CommandContext): void | Failure {
  const { cache, nowMs, reply } = context;
  const offset = readNumber(argument(context, 2));
  const part = argument(context, 3);
  if (offset === undefined) return NOT_AN_INTEGER;
  if (offset < 0) return OFFSET_OUT_OF_RANGE;
  let length = 0;
  const change = (entry: Entry | undefined): Change | Failure => {
    const oldLength = entry ? entry.value.end - entry.value.start : 0;
    const partBytes = part.end - part.start;
    length = partBytes === 0 ? oldLength : Math.max(oldLength, offset + partBytes);
    if (partBytes === 0) return "keep";
    if (length > cache.maxValueBytes) return TOO_LARGE;
    const expiresAtMs = entry?.expiresAtMs ?? cache.expiresAtMs(undefined, nowMs);
    return { part, at: offset, expiresAtMs };
  };
  const failure = update(context, argument(context, 1), change);
  if (failure !== undefined) return failure;
  reply.integer(length);
}
