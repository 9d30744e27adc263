// Commands that count: the value is a number in decimal.

import { type Bytes, type Change, type Entry, NOT_ADDED } from "../../cache/cache.ts";
import {
  argument,
  type ChangeEntry,
  type CommandContext,
  type Command,
  update,
} from "./context.ts";
import { define } from "./define.ts";
import { Failure, NOT_AN_INTEGER } from "./failure.ts";
import {
  addFloats,
  addIntegers,
  floatText,
  LONGEST_FLOAT,
  readFloat,
  readInteger,
} from "../protocol/numbers.ts";

const FLAGS = "write denyoom fast";
const NOT_A_FLOAT = new Failure("ERR value is not a valid float");
const INFINITE = new Failure("ERR increment would produce NaN or Infinity");
const SUM_OVERFLOW = new Failure("ERR increment or decrement would overflow");
const DECREMENT_OVERFLOW = new Failure("ERR decrement would overflow");
const INT64_MIN = -(2n ** 63n);

export const COUNTING_COMMANDS: readonly Command[] = [
  define("incr", "key", FLAGS, "1.0.0", "Adds 1 to the whole number of a key.", (context) =>
    addTo(context, 1, increment),
  ),
  define("decr", "key", FLAGS, "1.0.0", "Takes 1 from the whole number of a key.", (context) =>
    addTo(context, -1, decrement),
  ),
  define(
    "incrby",
    "key increment",
    FLAGS,
    "1.0.0",
    "Adds a whole number of 64 bits to that of a key.",
    incrementBy,
  ),
  define(
    "decrby",
    "key decrement",
    FLAGS,
    "1.0.0",
    "Takes a whole number of 64 bits from that of a key.",
    decrementBy,
  ),
  define(
    "incrbyfloat",
    "key increment",
    FLAGS,
    "2.6.0",
    "Adds a decimal number to that of a key.",
    incrementByFloat,
  ),
];

function increment(entry: Entry | undefined, context: CommandContext): Change | Failure {
  return add(entry, context, 1);
}

function decrement(entry: Entry | undefined, context: CommandContext): Change | Failure {
  return add(entry, context, -1);
}

function incrementBy(context: CommandContext): void | Failure {
  const delta = readInteger(argument(context, 2));
  if (delta === undefined) return NOT_AN_INTEGER;
  return addTo(context, delta, (entry) => add(entry, context, delta));
}

function decrementBy(context: CommandContext): void | Failure {
  const delta = readInteger(argument(context, 2));
  if (delta === undefined) return NOT_AN_INTEGER;
  if (delta === INT64_MIN) return DECREMENT_OVERFLOW;
  return addTo(context, -delta, (entry) => add(entry, context, -delta));
}

/** Adds to the number where it lies if that is possible, or else by `change`, an update. */
function addTo(
  context: CommandContext,
  delta: number | bigint,
  change: ChangeEntry,
): void | Failure {
  const { cache, reply, nowMs } = context;
  const key = argument(context, 1);
  const isShort = typeof delta === "number" && Math.abs(delta) < 2 ** 31;
  const sum = isShort ? cache.tryAdd(key, delta, nowMs) : NOT_ADDED;
  if (sum === NOT_ADDED) return update(context, key, change);
  // So short a number needs no claim of room, which could fail.
  reply.integer(sum);
}

/** Adds to the number of the entry, and writes the sum as the reply. */
function add(
  entry: Entry | undefined,
  context: CommandContext,
  delta: number | bigint,
): Change | Failure {
  const { cache, reply, nowMs, scratch } = context;
  const before = entry === undefined ? 0 : readInteger(entry.value);
  if (before === undefined) return NOT_AN_INTEGER;
  const sum = addIntegers(before, delta);
  if (sum === undefined) return SUM_OVERFLOW;
  if (typeof sum === "number") scratch.setInteger(sum);
  else scratch.setText(String(sum));
  reply.integer(sum);
  const expiresAtMs = entry?.expiresAtMs ?? cache.expiresAtMs(undefined, nowMs);
  return { value: scratch, expiresAtMs, keepsMeta: true };
}

function incrementByFloat(context: CommandContext): void | Failure {
  const { cache, reply, nowMs, scratch } = context;
  const delta = parseFloat80(argument(context, 2));
  if (delta === undefined) return NOT_A_FLOAT;
  const failure = update(context, argument(context, 1), (entry: Entry | undefined) => {
    const before = entry === undefined ? { mantissa: 0n, exponent: 0n } : parseFloat80(entry.value);
    if (before === undefined) return NOT_A_FLOAT;
    if (before === "infinite" || delta === "infinite") return INFINITE;
    const sum = addFloats(before, delta);
    if (sum === undefined) return INFINITE;
    scratch.setText(floatText(sum));
    return {
      value: scratch,
      expiresAtMs: entry?.expiresAtMs ?? cache.expiresAtMs(undefined, nowMs),
      keepsMeta: true,
    };
  });
  if (failure !== undefined) return failure;
  reply.bulk(scratch);
}

/** Returns an 80-bit float. A value of megabytes is rejected before a string is made of it. */
function parseFloat80({ bytes, start, end }: Bytes): ReturnType<typeof readFloat> {
  if (end - start > LONGEST_FLOAT) return undefined;
  return readFloat(bytes.toString("latin1", start, end));
}
