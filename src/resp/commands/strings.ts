// Commands on whole values: all forms of get and set.

import { type Bytes, type Entry, NEVER, type TimedValue } from "../../cache/cache.ts";
import {
  argument,
  argumentsFrom,
  expiresAtOf,
  type CommandContext,
  type Command,
  fits,
  store,
  update,
} from "./context.ts";
import { type Comparison, COMPARISON_OPTIONS, meets } from "./compare.ts";
import { define, LINEAR } from "./define.ts";
import {
  EXPIRY_SYNTAX,
  MILLISECONDS,
  readExpiry,
  SECONDS,
  TIME_OPTIONS,
  type TimeForm,
} from "./expiry.ts";
import { Failure, FULL, TOO_LARGE, wrongNumberOfArguments } from "./failure.ts";
import { flag, grammar, oneOf } from "./grammar.ts";
import { inParts, KEYS_PER_STEP, type StepBounds } from "./slices.ts";

/** Arguments of a key and its value. */
const PAIR = 2;
/** MSET of up to 5,000 pairs is one step; of more, each 1,000 pairs are one: they take 3 ms of CPU. */
const PAIRS_PER_STEP: StepBounds = { one: 10_000, part: 2000 };
const TOO_MANY_PAIRS = new Failure("ERR MSETNX takes at most 5000 keys, since it is one step");

export const STRING_COMMANDS: readonly Command[] = [
  define("get", "key", "readonly fast", "1.0.0", "The value of a key.", get),
  define(
    "set",
    `key value [NX | XX | IFEQ value | IFNE value | IFDEQ digest | IFDNE digest] [GET] [${EXPIRY_SYNTAX} | KEEPTTL]`,
    "write denyoom",
    "1.0.0",
    "Sets the value of a key, and its lifetime.",
    set,
  ),
  define(
    "setnx",
    "key value",
    "write denyoom fast",
    "1.0.0",
    "Sets the value of a key that is not there.",
    setnx,
  ),
  define(
    "setex",
    "key seconds value",
    "write denyoom",
    "2.0.0",
    "Sets the value of a key, and its lifetime in seconds.",
    (context) => setWithTtl(context, SECONDS),
  ),
  define(
    "psetex",
    "key milliseconds value",
    "write denyoom",
    "2.6.0",
    "Sets the value of a key, and its lifetime in milliseconds.",
    (context) => setWithTtl(context, MILLISECONDS),
  ),
  define(
    "getset",
    "key value",
    "write denyoom fast",
    "1.0.0",
    "Sets the value of a key and answers the old one.",
    getset,
  ),
  define("getdel", "key", "write fast", "6.2.0", "Deletes a key and answers its value.", getdel),
  define(
    "getex",
    `key [${EXPIRY_SYNTAX} | PERSIST]`,
    "write fast",
    "6.2.0",
    "The value of a key, whose lifetime is set.",
    getex,
  ),
  define(
    "mget",
    "key [key ...]",
    "readonly fast",
    "1.0.0",
    "The values of several keys, of one moment for up to 1,000.",
    mget,
    LINEAR,
  ),
  define(
    "mset",
    "key value [key value ...]",
    "write denyoom",
    "1.0.1",
    "Sets the values of several keys, in one step for up to 5,000.",
    mset,
    LINEAR,
  ),
  define(
    "msetnx",
    "key value [key value ...]",
    "write denyoom",
    "1.0.1",
    "Sets the values of up to 5,000 keys in one step, if none of them is there.",
    msetnx,
    LINEAR,
  ),
];

const SET_OPTIONS = grammar({
  condition: oneOf(flag("nx"), flag("xx"), ...COMPARISON_OPTIONS),
  get: oneOf(flag("get")),
  expiry: oneOf(...TIME_OPTIONS, flag("keepttl")),
});
const GETEX_OPTIONS = grammar({ expiry: oneOf(...TIME_OPTIONS, flag("persist")) });

function get(context: CommandContext): void {
  const { cache, reply, nowMs } = context;
  reply.endBulk(cache.get(argument(context, 1), nowMs, reply.beginBulk()));
}

/** SET without options is a function of its own: it has no closure, and so no variables on the heap. */
function set(context: CommandContext): void | Failure {
  if (context.count > 3) return setWithOptions(context);
  const { cache, reply, nowMs } = context;
  const expiresAtMs = cache.expiresAtMs(undefined, nowMs);
  const failure = store(context, argument(context, 1), argument(context, 2), expiresAtMs);
  if (failure !== undefined) return failure;
  reply.ok();
}

function setWithOptions(context: CommandContext): void | Failure {
  const { cache, reply, nowMs } = context;
  const key = argument(context, 1);
  const value = argument(context, 2);
  const options = SET_OPTIONS.parse(context, 3);
  if (options instanceof Failure) return options;
  const { condition, get: repliesOld, expiry } = options;
  const keepsTtl = expiry === "keepttl";
  const expiresAtMs =
    expiry === undefined || keepsTtl
      ? cache.expiresAtMs(undefined, nowMs)
      : readExpiry(context, expiry.time, expiry.form);
  if (expiresAtMs instanceof Failure) return expiresAtMs;
  let isSet = true;
  const failure = update(context, key, (entry) => {
    if (repliesOld) replyValue(context, entry);
    const isMet = condition === undefined || allows(condition, entry);
    if (isMet instanceof Failure) return isMet;
    isSet = isMet;
    if (!isSet) return "keep";
    return { value, expiresAtMs: keepsTtl && entry ? entry.expiresAtMs : expiresAtMs };
  });
  if (failure !== undefined) return failure;
  if (repliesOld) return;
  if (isSet) reply.ok();
  else reply.nil();
}

/** Returns whether SET may set the entry. Without an entry, IFNE and IFDNE are met. */
function allows(condition: "nx" | "xx" | Comparison, entry: Entry | undefined): boolean | Failure {
  if (typeof condition === "string") return (condition === "xx") === (entry !== undefined);
  if (entry !== undefined) return meets(condition, entry);
  return condition.kind === "ifne" || condition.kind === "ifdne";
}

/** Writes the entry's value, or nil. */
function replyValue({ reply, cache }: CommandContext, entry: Entry | undefined): void {
  cache.countGet(entry !== undefined);
  if (entry === undefined) reply.nil();
  else reply.bulk(entry.value);
}

/** Returns the value of SETNX or GETSET with the default lifetime. */
function valueWithDefaultTtl(context: CommandContext): TimedValue {
  const { cache, nowMs } = context;
  return { value: argument(context, 2), expiresAtMs: cache.expiresAtMs(undefined, nowMs) };
}

function setnx(context: CommandContext): void | Failure {
  const newValue = valueWithDefaultTtl(context);
  let isSet = false;
  const failure = update(context, argument(context, 1), (entry) => {
    isSet = entry === undefined;
    return isSet ? newValue : "keep";
  });
  if (failure !== undefined) return failure;
  context.reply.integer(isSet ? 1 : 0);
}

/** SETEX and PSETEX. */
function setWithTtl(context: CommandContext, form: TimeForm): void | Failure {
  const expiresAtMs = readExpiry(context, argument(context, 2), form);
  if (expiresAtMs instanceof Failure) return expiresAtMs;
  const failure = store(context, argument(context, 1), argument(context, 3), expiresAtMs);
  if (failure !== undefined) return failure;
  context.reply.ok();
}

function getset(context: CommandContext): void | Failure {
  const newValue = valueWithDefaultTtl(context);
  return update(context, argument(context, 1), (entry) => {
    replyValue(context, entry);
    return newValue;
  });
}

function getdel(context: CommandContext): void | Failure {
  return update(context, argument(context, 1), (entry) => {
    replyValue(context, entry);
    // Of a missing key an open lease is deleted.
    return "delete";
  });
}

function getex(context: CommandContext): void | Failure {
  const { cache, nowMs } = context;
  if (context.count === 2) return get(context);
  const options = GETEX_OPTIONS.parse(context, 2);
  if (options instanceof Failure) return options;
  const { expiry } = options;
  const expiresAtMs =
    expiry === undefined || expiry === "persist"
      ? cache.expiresAtMs(NEVER, nowMs)
      : readExpiry(context, expiry.time, expiry.form);
  return update(context, argument(context, 1), (entry) => {
    // As in Redis: without an entry the time is not checked.
    if (entry !== undefined && expiresAtMs instanceof Failure) return expiresAtMs;
    replyValue(context, entry);
    if (entry === undefined || expiresAtMs instanceof Failure) return "keep";
    // Without a lifetime PERSIST is no write: a WATCH of the key goes on.
    if (expiry === "persist" && entry.expiresAtMs === NEVER) return "keep";
    return expiresAtMs <= nowMs ? "delete" : { expiresAtMs };
  });
}

function mget(context: CommandContext): void | Failure {
  const { cache, reply, nowMs } = context;
  const count = context.count - 1;
  if (count <= KEYS_PER_STEP) {
    reply.array(count);
    cache.getAll(argumentsFrom(context, 1), nowMs, reply);
    return;
  }
  const values = reply.aside();
  const getPart = (keys: readonly Bytes[]): void => cache.getAll(keys, nowMs, values);
  const write = (): void => {
    reply.array(count);
    reply.append(values);
  };
  return inParts(context, getPart, write, { asides: [values] });
}

function mset(context: CommandContext): void | Failure {
  const failure = checkPairs(context);
  if (failure !== undefined) return failure;
  const { cache, reply } = context;
  let isStored = true;
  const storePart = (words: readonly Bytes[]): void => {
    if (!isStored) return;
    isStored = cache.atomically(words, () => storePairs(context, words), PAIR);
  };
  return inParts(context, storePart, () => (isStored ? reply.ok() : FULL), {
    bounds: PAIRS_PER_STEP,
  });
}

function msetnx(context: CommandContext): void | Failure {
  const failure = checkPairs(context);
  if (failure !== undefined) return failure;
  if (context.count - 1 > PAIRS_PER_STEP.one) return TOO_MANY_PAIRS;
  const { cache, reply } = context;
  const words = argumentsFrom(context, 1);
  let exists = false;
  let isStored = false;
  const work = (): void => {
    exists = words.some((word, n) => n % PAIR === 0 && expiresAtOf(context, word) !== undefined);
    isStored = !exists && storePairs(context, words);
  };
  cache.atomically(words, work, PAIR);
  if (!exists && !isStored) return FULL;
  reply.integer(isStored ? 1 : 0);
}

/** Checks that each key has a value, and that all of them fit. */
function checkPairs(context: CommandContext): Failure | undefined {
  if (context.count % 2 === 0) return wrongNumberOfArguments(context.name);
  for (let index = 1; index < context.count; index += 2) {
    if (!fits(context, argument(context, index), argument(context, index + 1))) return TOO_LARGE;
  }
  return undefined;
}

/** Stores alternating keys and values. Returns false at the first that the cache has no room for. */
function storePairs({ cache, nowMs }: CommandContext, words: readonly Bytes[]): boolean {
  const expiresAtMs = cache.expiresAtMs(undefined, nowMs);
  for (let index = 0; index + 1 < words.length; index += PAIR) {
    const key = words[index] as Bytes;
    if (!cache.put(key, words[index + 1] as Bytes, expiresAtMs, nowMs)) return false;
  }
  return true;
}
