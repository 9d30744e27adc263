// Commands on whole values: get and set in all their forms.

import type { Bytes, Change, Entry } from "../../cache/cache.ts";
import {
  argument,
  argumentsFrom,
  expiresAtOf,
  type CommandContext,
  type Command,
  fits,
  FULL,
  store,
  SYNTAX_ERROR,
  TOO_LARGE,
  update,
} from "./context.ts";
import { readExpiry, TIME_OPTIONS, type TimeForm } from "./expiry.ts";
import { inParts, KEYS_A_STEP, type StepBounds } from "./slices.ts";

const ONE_KEY = [1, 1, 1] as const;
/** An MSET of up to 5,000 keys is one step, of more one step for each 1,000: 1,000 take 3 ms of CPU. */
const PAIRS_A_STEP: StepBounds = { one: 10_000, part: 2000 };
const TOO_MANY_PAIRS = "ERR MSETNX takes at most 5000 keys, since it is one step";
const EXPIRY_SYNTAX =
  "EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds";

export const STRING_COMMANDS: readonly Command[] = [
  {
    name: "get",
    arity: 2,
    flags: ["readonly", "fast"],
    keys: ONE_KEY,
    syntax: "key",
    summary: "The value of a key.",
    since: "1.0.0",
    run: get,
  },
  {
    name: "set",
    arity: -3,
    flags: ["write", "denyoom"],
    keys: ONE_KEY,
    syntax: `key value [NX | XX] [GET] [${EXPIRY_SYNTAX} | KEEPTTL]`,
    summary: "Sets the value of a key, and its lifetime.",
    since: "1.0.0",
    run: set,
  },
  {
    name: "setnx",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    keys: ONE_KEY,
    syntax: "key value",
    summary: "Sets the value of a key that is not there.",
    since: "1.0.0",
    run: setnx,
  },
  {
    name: "setex",
    arity: 4,
    flags: ["write", "denyoom"],
    keys: ONE_KEY,
    syntax: "key seconds value",
    summary: "Sets the value of a key, and its lifetime in seconds.",
    since: "2.0.0",
    run: (context) => setFor(context, { unitMs: 1000, isAbsolute: false }),
  },
  {
    name: "psetex",
    arity: 4,
    flags: ["write", "denyoom"],
    keys: ONE_KEY,
    syntax: "key milliseconds value",
    summary: "Sets the value of a key, and its lifetime in milliseconds.",
    since: "2.6.0",
    run: (context) => setFor(context, { unitMs: 1, isAbsolute: false }),
  },
  {
    name: "getset",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    keys: ONE_KEY,
    syntax: "key value",
    summary: "Sets the value of a key and answers the old one.",
    since: "1.0.0",
    run: getset,
  },
  {
    name: "getdel",
    arity: 2,
    flags: ["write", "fast"],
    keys: ONE_KEY,
    syntax: "key",
    summary: "Deletes a key and answers its value.",
    since: "6.2.0",
    run: getdel,
  },
  {
    name: "getex",
    arity: -2,
    flags: ["write", "fast"],
    keys: ONE_KEY,
    syntax: `key [${EXPIRY_SYNTAX} | PERSIST]`,
    summary: "The value of a key, whose lifetime is set.",
    since: "6.2.0",
    run: getex,
  },
  {
    name: "mget",
    arity: -2,
    flags: ["readonly", "fast"],
    keys: [1, -1, 1],
    syntax: "key [key ...]",
    summary: "The values of several keys, of one moment for up to 1,000.",
    since: "1.0.0",
    complexity: "O(N)",
    run: mget,
  },
  {
    name: "mset",
    arity: -3,
    flags: ["write", "denyoom"],
    keys: [1, -1, 2],
    syntax: "key value [key value ...]",
    summary: "Sets the values of several keys, in one step for up to 5,000.",
    since: "1.0.1",
    complexity: "O(N)",
    run: mset,
  },
  {
    name: "msetnx",
    arity: -3,
    flags: ["write", "denyoom"],
    keys: [1, -1, 2],
    syntax: "key value [key value ...]",
    summary: "Sets the values of up to 5,000 keys in one step, if none of them is there.",
    since: "1.0.1",
    complexity: "O(N)",
    run: msetnx,
  },
];

function get(context: CommandContext): void {
  const { cache, reply, nowMs } = context;
  reply.endBulk(cache.get(argument(context, 1), nowMs, reply.beginBulk()));
}

interface SetOptions {
  condition?: "nx" | "xx";
  answersOld: boolean;
  keepsTtl: boolean;
  expiresAtMs: number;
}

function set(context: CommandContext): void {
  const { cache, reply, nowMs } = context;
  const key = argument(context, 1);
  const value = argument(context, 2);
  if (context.count === 3) {
    if (store(context, key, value, cache.expiresAtMs(undefined, nowMs))) reply.ok();
    return;
  }
  const options = readSetOptions(context);
  if (options === undefined) return;
  const { condition, answersOld, keepsTtl, expiresAtMs } = options;
  let isSet = true;
  const isDone = update(context, key, (entry) => {
    if (answersOld) answerOf(context, entry);
    isSet = condition === undefined || (condition === "xx") === (entry !== undefined);
    if (!isSet) return "keep";
    return { value, expiresAtMs: keepsTtl && entry ? entry.expiresAtMs : expiresAtMs };
  });
  if (!isDone || answersOld) return;
  if (isSet) reply.ok();
  else reply.nil();
}

/** Undefined after an error has been answered. */
function readSetOptions(context: CommandContext): SetOptions | undefined {
  const options: SetOptions = {
    answersOld: false,
    keepsTtl: false,
    expiresAtMs: context.cache.expiresAtMs(undefined, context.nowMs),
  };
  let time: [value: Bytes, form: TimeForm] | undefined;
  for (let place = 3; place < context.count; place++) {
    const word = argument(context, place).toWord();
    const form = TIME_OPTIONS.get(word);
    if ((word === "nx" || word === "xx") && (options.condition ?? word) === word) {
      options.condition = word;
    } else if (word === "get") {
      options.answersOld = true;
    } else if (word === "keepttl" && time === undefined) {
      options.keepsTtl = true;
    } else if (form && !time && !options.keepsTtl && place + 1 < context.count) {
      time = [argument(context, ++place), form];
    } else {
      context.reply.error(SYNTAX_ERROR);
      return undefined;
    }
  }
  if (time === undefined) return options;
  const expiresAtMs = readExpiry(context, ...time);
  return expiresAtMs === undefined ? undefined : { ...options, expiresAtMs };
}

/** Answers the entry's value, or nil. */
function answerOf({ reply, cache }: CommandContext, entry: Entry | undefined): void {
  cache.countGet(entry !== undefined);
  if (entry === undefined) reply.nil();
  else reply.bulk(entry.value);
}

function setnx(context: CommandContext): void {
  const lease = {
    value: argument(context, 2),
    expiresAtMs: context.cache.expiresAtMs(undefined, context.nowMs),
  };
  let isSet = false;
  const change = (entry: Entry | undefined): Change => {
    isSet = entry === undefined;
    return isSet ? lease : "keep";
  };
  if (update(context, argument(context, 1), change)) context.reply.integer(isSet ? 1 : 0);
}

function setFor(context: CommandContext, form: TimeForm): void {
  const expiresAtMs = readExpiry(context, argument(context, 2), form);
  if (expiresAtMs === undefined) return;
  if (store(context, argument(context, 1), argument(context, 3), expiresAtMs)) context.reply.ok();
}

function getset(context: CommandContext): void {
  const lease = {
    value: argument(context, 2),
    expiresAtMs: context.cache.expiresAtMs(undefined, context.nowMs),
  };
  update(context, argument(context, 1), (entry) => {
    answerOf(context, entry);
    return lease;
  });
}

function getdel(context: CommandContext): void {
  update(context, argument(context, 1), (entry) => {
    answerOf(context, entry);
    return entry ? "delete" : "keep";
  });
}

function getex(context: CommandContext): void {
  const { cache, nowMs } = context;
  if (context.count === 2) {
    get(context);
    return;
  }
  const word = argument(context, 2).toWord();
  const form = TIME_OPTIONS.get(word);
  const isTime = form !== undefined && context.count === 4;
  if (!isTime && !(word === "persist" && context.count === 3)) {
    context.reply.error(SYNTAX_ERROR);
    return;
  }
  const expiresAtMs = isTime
    ? readExpiry(context, argument(context, 3), form)
    : cache.expiresAtMs(Infinity, nowMs);
  if (expiresAtMs === undefined) return;
  update(context, argument(context, 1), (entry) => {
    answerOf(context, entry);
    if (entry === undefined) return "keep";
    return expiresAtMs <= nowMs ? "delete" : { expiresAtMs };
  });
}

function mget(context: CommandContext): void {
  const { cache, reply, nowMs } = context;
  const count = context.count - 1;
  const isOneStep = count <= KEYS_A_STEP;
  const found = isOneStep ? reply : reply.aside();
  if (isOneStep) reply.array(count);
  const getPart = (keys: readonly Bytes[]): void => {
    const mark = found.out.end;
    cache.consistently(keys, () => {
      found.out.end = mark;
      for (const key of keys) found.endBulk(cache.get(key, nowMs, found.beginBulk()));
    });
  };
  const write = (): void => {
    if (isOneStep) return;
    reply.array(count);
    reply.append(found);
  };
  inParts(context, getPart, write, { asides: isOneStep ? [] : [found] });
}

function mset(context: CommandContext): void {
  if (!hasPairs(context)) return;
  const { cache, reply } = context;
  let isStored = true;
  const storePart = (words: readonly Bytes[]): void => {
    if (!isStored) return;
    cache.atomically(keysOf(words), () => {
      isStored = storePairs(context, words);
    });
  };
  const write = (): void => (isStored ? reply.ok() : reply.error(FULL));
  inParts(context, storePart, write, { bounds: PAIRS_A_STEP });
}

function msetnx(context: CommandContext): void {
  if (!hasPairs(context)) return;
  const { cache, reply } = context;
  if (context.count - 1 > PAIRS_A_STEP.one) {
    reply.error(TOO_MANY_PAIRS);
    return;
  }
  const words = argumentsFrom(context, 1);
  const keys = keysOf(words);
  cache.atomically(keys, () => {
    const isThere = keys.some((key) => expiresAtOf(context, key) !== undefined);
    if (isThere) reply.integer(0);
    else if (storePairs(context, words)) reply.integer(1);
    else reply.error(FULL);
  });
}

function keysOf(pairs: readonly Bytes[]): Bytes[] {
  return pairs.filter((_, place) => place % 2 === 0);
}

/** Whether there is a value of each key, and all fit: false after an error has been answered. */
function hasPairs(context: CommandContext): boolean {
  if (context.count % 2 === 0) {
    context.reply.error(`ERR wrong number of arguments for '${context.name}' command`);
    return false;
  }
  for (let place = 1; place < context.count; place += 2) {
    if (fits(context, argument(context, place), argument(context, place + 1))) continue;
    context.reply.error(TOO_LARGE);
    return false;
  }
  return true;
}

/** Stores keys and values by turns until one has no room: then false. */
function storePairs({ cache, nowMs }: CommandContext, words: readonly Bytes[]): boolean {
  const expiresAtMs = cache.expiresAtMs(undefined, nowMs);
  for (let place = 0; place + 1 < words.length; place += 2) {
    const [key, value] = [words[place] as Bytes, words[place + 1] as Bytes];
    if (!cache.put(key, value, expiresAtMs, nowMs)) return false;
  }
  return true;
}
