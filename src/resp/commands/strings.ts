// Commands on whole values: get and set in all their forms.

import type { Bytes, Change, Entry } from "../../cache/cache.ts";
import {
  argument,
  argumentsFrom,
  deadlineOf,
  type Call,
  type Command,
  fits,
  FULL,
  store,
  SYNTAX_ERROR,
  TOO_LARGE,
  update,
} from "./context.ts";
import { readDeadline, TIME_OPTIONS, type TimeForm } from "./expiry.ts";
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
    run: (call) => setFor(call, { unitMs: 1000, isAbsolute: false }),
  },
  {
    name: "psetex",
    arity: 4,
    flags: ["write", "denyoom"],
    keys: ONE_KEY,
    syntax: "key milliseconds value",
    summary: "Sets the value of a key, and its lifetime in milliseconds.",
    since: "2.6.0",
    run: (call) => setFor(call, { unitMs: 1, isAbsolute: false }),
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

function get(call: Call): void {
  const { cache, reply, nowMs } = call;
  reply.endBulk(cache.get(argument(call, 1), nowMs, reply.beginBulk()));
}

interface SetOptions {
  condition?: "nx" | "xx";
  answersOld: boolean;
  keepsTtl: boolean;
  deadlineMs: number;
}

function set(call: Call): void {
  const { cache, reply, nowMs } = call;
  const key = argument(call, 1);
  const value = argument(call, 2);
  if (call.count === 3) {
    if (store(call, key, value, cache.deadlineMs(undefined, nowMs))) reply.ok();
    return;
  }
  const options = readSetOptions(call);
  if (options === undefined) return;
  const { condition, answersOld, keepsTtl, deadlineMs } = options;
  let isSet = true;
  const isDone = update(call, key, (entry) => {
    if (answersOld) answerOf(call, entry);
    isSet = condition === undefined || (condition === "xx") === (entry !== undefined);
    if (!isSet) return "keep";
    return { value, deadlineMs: keepsTtl && entry ? entry.deadlineMs : deadlineMs };
  });
  if (!isDone || answersOld) return;
  if (isSet) reply.ok();
  else reply.nil();
}

/** Undefined after an error has been answered. */
function readSetOptions(call: Call): SetOptions | undefined {
  const options: SetOptions = {
    answersOld: false,
    keepsTtl: false,
    deadlineMs: call.cache.deadlineMs(undefined, call.nowMs),
  };
  let time: [value: Bytes, form: TimeForm] | undefined;
  for (let place = 3; place < call.count; place++) {
    const word = argument(call, place).toWord();
    const form = TIME_OPTIONS.get(word);
    if ((word === "nx" || word === "xx") && (options.condition ?? word) === word) {
      options.condition = word;
    } else if (word === "get") {
      options.answersOld = true;
    } else if (word === "keepttl" && time === undefined) {
      options.keepsTtl = true;
    } else if (form && !time && !options.keepsTtl && place + 1 < call.count) {
      time = [argument(call, ++place), form];
    } else {
      call.reply.error(SYNTAX_ERROR);
      return undefined;
    }
  }
  if (time === undefined) return options;
  const deadlineMs = readDeadline(call, ...time);
  return deadlineMs === undefined ? undefined : { ...options, deadlineMs };
}

/** Answers the entry's value, or nil. */
function answerOf({ reply, cache }: Call, entry: Entry | undefined): void {
  cache.countGet(entry !== undefined);
  if (entry === undefined) reply.nil();
  else reply.bulk(entry.value);
}

function setnx(call: Call): void {
  const lease = {
    value: argument(call, 2),
    deadlineMs: call.cache.deadlineMs(undefined, call.nowMs),
  };
  let isSet = false;
  const change = (entry: Entry | undefined): Change => {
    isSet = entry === undefined;
    return isSet ? lease : "keep";
  };
  if (update(call, argument(call, 1), change)) call.reply.integer(isSet ? 1 : 0);
}

function setFor(call: Call, form: TimeForm): void {
  const deadlineMs = readDeadline(call, argument(call, 2), form);
  if (deadlineMs === undefined) return;
  if (store(call, argument(call, 1), argument(call, 3), deadlineMs)) call.reply.ok();
}

function getset(call: Call): void {
  const lease = {
    value: argument(call, 2),
    deadlineMs: call.cache.deadlineMs(undefined, call.nowMs),
  };
  update(call, argument(call, 1), (entry) => {
    answerOf(call, entry);
    return lease;
  });
}

function getdel(call: Call): void {
  update(call, argument(call, 1), (entry) => {
    answerOf(call, entry);
    return entry ? "delete" : "keep";
  });
}

function getex(call: Call): void {
  const { cache, nowMs } = call;
  if (call.count === 2) {
    get(call);
    return;
  }
  const word = argument(call, 2).toWord();
  const form = TIME_OPTIONS.get(word);
  const isTime = form !== undefined && call.count === 4;
  if (!isTime && !(word === "persist" && call.count === 3)) {
    call.reply.error(SYNTAX_ERROR);
    return;
  }
  const deadlineMs = isTime
    ? readDeadline(call, argument(call, 3), form)
    : cache.deadlineMs(Infinity, nowMs);
  if (deadlineMs === undefined) return;
  update(call, argument(call, 1), (entry) => {
    answerOf(call, entry);
    if (entry === undefined) return "keep";
    return deadlineMs <= nowMs ? "delete" : { deadlineMs };
  });
}

function mget(call: Call): void {
  const { cache, reply, nowMs } = call;
  const count = call.count - 1;
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
  inParts(call, getPart, write, { asides: isOneStep ? [] : [found] });
}

function mset(call: Call): void {
  if (!hasPairs(call)) return;
  const { cache, reply } = call;
  let isStored = true;
  const storePart = (words: readonly Bytes[]): void => {
    if (!isStored) return;
    cache.atomically(keysOf(words), () => {
      isStored = storePairs(call, words);
    });
  };
  const write = (): void => (isStored ? reply.ok() : reply.error(FULL));
  inParts(call, storePart, write, { bounds: PAIRS_A_STEP });
}

function msetnx(call: Call): void {
  if (!hasPairs(call)) return;
  const { cache, reply } = call;
  if (call.count - 1 > PAIRS_A_STEP.one) {
    reply.error(TOO_MANY_PAIRS);
    return;
  }
  const words = argumentsFrom(call, 1);
  const keys = keysOf(words);
  cache.atomically(keys, () => {
    const isThere = keys.some((key) => deadlineOf(call, key) !== undefined);
    if (isThere) reply.integer(0);
    else if (storePairs(call, words)) reply.integer(1);
    else reply.error(FULL);
  });
}

function keysOf(pairs: readonly Bytes[]): Bytes[] {
  return pairs.filter((_, place) => place % 2 === 0);
}

/** Whether there is a value of each key, and all fit: false after an error has been answered. */
function hasPairs(call: Call): boolean {
  if (call.count % 2 === 0) {
    call.reply.error(`ERR wrong number of arguments for '${call.name}' command`);
    return false;
  }
  for (let place = 1; place < call.count; place += 2) {
    if (fits(call, argument(call, place), argument(call, place + 1))) continue;
    call.reply.error(TOO_LARGE);
    return false;
  }
  return true;
}

/** Stores keys and values by turns until one has no room: then false. */
function storePairs({ cache, nowMs }: Call, words: readonly Bytes[]): boolean {
  const deadlineMs = cache.deadlineMs(undefined, nowMs);
  for (let place = 0; place + 1 < words.length; place += 2) {
    const [key, value] = [words[place] as Bytes, words[place + 1] as Bytes];
    if (!cache.put(key, value, deadlineMs, nowMs)) return false;
  }
  return true;
}
