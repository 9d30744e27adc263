// Commands that count: a value is a number in decimal.

import type { Bytes, Change, Entry } from "../../cache/cache.ts";
import {
  argument,
  type CommandContext,
  type Command,
  Failure,
  NOT_AN_INTEGER,
  update,
} from "./context.ts";
import {
  addFloats,
  addIntegers,
  floatText,
  LONGEST_FLOAT,
  readFloat,
  readInteger,
} from "../protocol/numbers.ts";

const ONE_KEY = [1, 1, 1] as const;
const NOT_A_FLOAT = "ERR value is not a valid float";
const INFINITE = "ERR increment would produce NaN or Infinity";
const MIN_INT64 = -(2n ** 63n);

const counting = (
  name: string,
  syntax: string,
  summary: string,
  since: string,
  run: (context: CommandContext) => void,
): Command => ({
  name,
  arity: syntax.split(" ").length + 1,
  flags: ["write", "denyoom", "fast"],
  keys: ONE_KEY,
  syntax,
  summary,
  since,
  run,
});

export const COUNTING_COMMANDS: readonly Command[] = [
  counting("incr", "key", "Adds 1 to the whole number of a key.", "1.0.0", (context) => {
    update(context, argument(context, 1), incremented);
  }),
  counting("decr", "key", "Takes 1 from the whole number of a key.", "1.0.0", (context) => {
    update(context, argument(context, 1), decremented);
  }),
  counting(
    "incrby",
    "key increment",
    "Adds a whole number of 64 bits to that of a key.",
    "1.0.0",
    (context) => {
      const by = readInteger(argument(context, 2));
      if (by === undefined) context.reply.error(NOT_AN_INTEGER);
      else add(context, by);
    },
  ),
  counting(
    "decrby",
    "key decrement",
    "Takes a whole number of 64 bits from that of a key.",
    "1.0.0",
    (context) => {
      const by = readInteger(argument(context, 2));
      if (by === undefined) context.reply.error(NOT_AN_INTEGER);
      else if (by === MIN_INT64) context.reply.error("ERR decrement would overflow");
      else add(context, -by);
    },
  ),
  counting(
    "incrbyfloat",
    "key increment",
    "Adds a decimal number to that of a key.",
    "2.6.0",
    addFloat,
  ),
];

/** Adds to the number of a key, and answers the sum. */
function added(
  entry: Entry | undefined,
  context: CommandContext,
  by: number | bigint,
): Change | Failure {
  const { cache, reply, nowMs, scratch } = context;
  const before = entry === undefined ? 0 : readInteger(entry.value);
  if (before === undefined) return new Failure(NOT_AN_INTEGER);
  const sum = addIntegers(before, by);
  if (sum === undefined) return new Failure("ERR increment or decrement would overflow");
  if (typeof sum === "number") scratch.setInteger(sum);
  else scratch.setText(String(sum));
  reply.integer(sum);
  return { value: scratch, expiresAtMs: entry?.expiresAtMs ?? cache.expiresAtMs(undefined, nowMs) };
}

function incremented(entry: Entry | undefined, context: CommandContext): Change | Failure {
  return added(entry, context, 1);
}

function decremented(entry: Entry | undefined, context: CommandContext): Change | Failure {
  return added(entry, context, -1);
}

function add(context: CommandContext, by: number | bigint): void {
  update(context, argument(context, 1), (entry) => added(entry, context, by));
}

function addFloat(context: CommandContext): void {
  const { cache, reply, nowMs, scratch } = context;
  const by = floatOf(argument(context, 2));
  if (by === undefined) {
    reply.error(NOT_A_FLOAT);
    return;
  }
  const isDone = update(context, argument(context, 1), (entry: Entry | undefined) => {
    const before = entry === undefined ? { mantissa: 0n, exponent: 0n } : floatOf(entry.value);
    if (before === undefined) return new Failure(NOT_A_FLOAT);
    if (before === "infinite" || by === "infinite") return new Failure(INFINITE);
    const sum = addFloats(before, by);
    if (sum === undefined) return new Failure(INFINITE);
    scratch.setText(floatText(sum));
    return {
      value: scratch,
      expiresAtMs: entry?.expiresAtMs ?? cache.expiresAtMs(undefined, nowMs),
    };
  });
  if (isDone) reply.bulk(scratch);
}

function floatOf({ bytes, start, end }: Bytes): ReturnType<typeof readFloat> {
  // A value of megabytes need not be made a string to be none.
  if (end - start > LONGEST_FLOAT) return undefined;
  return readFloat(bytes.toString("latin1", start, end));
}
