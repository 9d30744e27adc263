// MSETEX: values of several keys with one lifetime, in one step.

import { argument, type Command, type CommandContext, expiresAtOf, fits } from "./context.ts";
import { define, LINEAR } from "./define.ts";
import { EXPIRY_SYNTAX, readExpiry, TIME_OPTIONS } from "./expiry.ts";
import { Failure, FULL, TOO_LARGE } from "./failure.ts";
import { flag, grammar, oneOf } from "./grammar.ts";
import { readNumber } from "../protocol/numbers.ts";
import type { Argument } from "../protocol/parser.ts";

const INVALID_COUNT = new Failure("ERR invalid numkeys value");
const MISSING_PAIRS = new Failure("ERR wrong number of key-value pairs");
/** As many take 3 ms of CPU for each 1,000. */
const KEYS_MAX = 5000;
const TOO_MANY_KEYS = new Failure(
  `ERR MSETEX takes at most ${KEYS_MAX} keys, since it is one step`,
);

export const MSETEX_COMMAND: Command = define(
  "msetex",
  `numkeys key value [key value ...] [NX | XX] [${EXPIRY_SYNTAX} | KEEPTTL]`,
  "write denyoom movablekeys",
  "8.4.0",
  "Sets the values of up to 5,000 keys and one lifetime in one step, if none or all of them are there.",
  msetex,
  LINEAR,
);

const OPTIONS = grammar({
  condition: oneOf(flag("nx"), flag("xx")),
  expiry: oneOf(...TIME_OPTIONS, flag("keepttl")),
});

function msetex(context: CommandContext): void | Failure {
  const { cache, nowMs, reply, count } = context;
  const keyCount = readNumber(argument(context, 1));
  if (keyCount === undefined || keyCount < 1) return INVALID_COUNT;
  if (keyCount * 2 > count - 2) return MISSING_PAIRS;
  if (keyCount > KEYS_MAX) return TOO_MANY_KEYS;
  const options = OPTIONS.parse(context, 2 + keyCount * 2);
  if (options instanceof Failure) return options;
  const { condition, expiry } = options;
  const keepsTtl = expiry === "keepttl";
  const expiresAtMs =
    expiry === undefined || keepsTtl
      ? cache.expiresAtMs(undefined, nowMs)
      : readExpiry(context, expiry.time, expiry.form);
  if (expiresAtMs instanceof Failure) return expiresAtMs;
  const pairs: [key: Argument, value: Argument][] = [];
  for (let index = 2; pairs.length < keyCount; index += 2) {
    const [key, value] = [argument(context, index), argument(context, index + 1)];
    if (!fits(context, key, value)) return TOO_LARGE;
    pairs.push([key, value]);
  }
  const keys = pairs.map(([key]) => key);
  const isStored = cache.atomically(keys, (): boolean | Failure => {
    const isThere = (key: Argument) => expiresAtOf(context, key) !== undefined;
    if (condition === "nx" && keys.some(isThere)) return false;
    if (condition === "xx" && !keys.every(isThere)) return false;
    for (const [key, value] of pairs) {
      const keptMs = keepsTtl ? expiresAtOf(context, key) : undefined;
      if (!cache.put(key, value, keptMs ?? expiresAtMs, nowMs)) return FULL;
    }
    return true;
  });
  if (isStored instanceof Failure) return isStored;
  reply.integer(isStored ? 1 : 0);
}
