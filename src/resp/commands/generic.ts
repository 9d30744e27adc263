// Commands on keys, whatever their values.

import { type Bytes, type Facts, MISS, NEVER } from "../../cache/cache.ts";
import { argument, type Call, type Command, deadlineOf, store, SYNTAX_ERROR } from "./context.ts";
import { readInteger, readNumber } from "../protocol/numbers.ts";
import { inParts } from "./slices.ts";

const ONE_KEY = [1, 1, 1] as const;
const ALL_KEYS = [1, -1, 1] as const;
const TWO_KEYS = [1, 2, 1] as const;
const NO_SUCH_KEY = "ERR no such key";
/** Up to here redis keeps a string beside its header. */
const EMBSTR_BYTES = 44;

export const KEY_COMMANDS: readonly Command[] = [
  {
    name: "del",
    arity: -2,
    flags: ["write"],
    keys: ALL_KEYS,
    syntax: "key [key ...]",
    summary: "Deletes keys and answers how many there were.",
    since: "1.0.0",
    complexity: "O(N)",
    run: remove,
  },
  {
    name: "unlink",
    arity: -2,
    flags: ["write", "fast"],
    keys: ALL_KEYS,
    syntax: "key [key ...]",
    summary: "Deletes keys and answers how many there were, as DEL does.",
    since: "4.0.0",
    complexity: "O(N)",
    run: remove,
  },
  {
    name: "exists",
    arity: -2,
    flags: ["readonly", "fast"],
    keys: ALL_KEYS,
    syntax: "key [key ...]",
    summary: "How many of the keys are there.",
    since: "1.0.0",
    complexity: "O(N)",
    run: (call) => countKeys(call, (key) => call.cache.look(key, call.nowMs) !== undefined),
  },
  {
    name: "touch",
    arity: -2,
    flags: ["readonly", "fast"],
    keys: ALL_KEYS,
    syntax: "key [key ...]",
    summary: "How many of the keys are there, and a hit of each for eviction.",
    since: "3.2.1",
    complexity: "O(N)",
    run: (call) => countKeys(call, (key) => call.cache.look(key, call.nowMs, true) !== undefined),
  },
  {
    name: "type",
    arity: 2,
    flags: ["readonly", "fast"],
    keys: ONE_KEY,
    syntax: "key",
    summary: "string, or none if there is no such key.",
    since: "1.0.0",
    run(call) {
      const isThere = deadlineOf(call, argument(call, 1)) !== undefined;
      call.reply.simple(isThere ? "string" : "none");
    },
  },
  {
    name: "rename",
    arity: 3,
    flags: ["write"],
    keys: TWO_KEYS,
    syntax: "key newkey",
    summary: "Gives a value and its lifetime another key.",
    since: "1.0.0",
    run: (call) => rename(call, true),
  },
  {
    name: "renamenx",
    arity: 3,
    flags: ["write", "fast"],
    keys: TWO_KEYS,
    syntax: "key newkey",
    summary: "Gives a value and its lifetime another key, if that is not there.",
    since: "1.0.0",
    run: (call) => rename(call, false),
  },
  {
    name: "copy",
    arity: -3,
    flags: ["write", "denyoom"],
    keys: TWO_KEYS,
    syntax: "source destination [DB 0] [REPLACE]",
    summary: "Copies a value and its lifetime to another key.",
    since: "6.2.0",
    run: copy,
  },
  {
    name: "object",
    arity: -2,
    flags: [],
    syntax: "subcommand",
    summary: "What the cache knows of a value.",
    since: "2.2.3",
    subcommands: [
      telling("encoding", "int, embstr or raw: what redis would keep it as.", (call, facts) =>
        call.reply.text(encodingOf(call, facts)),
      ),
      telling("freq", "Hits that eviction counts, 0 to 3.", (call, { hits }) =>
        call.reply.integer(hits),
      ),
      telling("idletime", "An error, as with redis under LFU: it is not kept.", (call) =>
        call.reply.error(
          "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ),
      ),
      telling("refcount", "1.", (call) => call.reply.integer(1)),
    ],
  },
  {
    name: "memory",
    arity: -2,
    flags: [],
    syntax: "subcommand",
    summary: "What an entry takes.",
    since: "4.0.0",
    subcommands: [
      {
        name: "usage",
        arity: -3,
        flags: ["readonly"],
        keys: [2, 2, 1],
        syntax: "key [SAMPLES count]",
        summary: "Bytes of an entry with its part of the index.",
        since: "4.0.0",
        run: memoryUsage,
      },
    ],
  },
];

/** Up to KEYS_A_STEP keys are deleted in one step, more in one step for each part of so many. */
function remove(call: Call): void {
  const { cache, nowMs, reply } = call;
  if (call.count === 2) {
    reply.integer(cache.delete(argument(call, 1), nowMs) ? 1 : 0);
    return;
  }
  let count = 0;
  const removePart = (keys: readonly Bytes[]): void => {
    cache.atomically(keys, () => {
      for (const key of keys) if (cache.delete(key, nowMs)) count++;
    });
  };
  inParts(call, removePart, () => reply.integer(count));
}

/** Answers how many keys pass. Each is looked at by itself, without a lock. */
function countKeys(call: Call, passes: (key: Bytes) => boolean): void {
  if (call.count === 2) {
    call.reply.integer(passes(argument(call, 1)) ? 1 : 0);
    return;
  }
  let count = 0;
  const countPart = (keys: readonly Bytes[]): void => {
    for (const key of keys) if (passes(key)) count++;
  };
  inParts(call, countPart, () => call.reply.integer(count));
}

/** Reads the value into `scratch`. It is no hit. */
function read({ cache, scratch, nowMs }: Call, key: Bytes): number {
  let length = MISS;
  scratch.clear();
  cache.update(key, nowMs, (entry) => {
    if (entry === undefined) return "keep";
    const { bytes, start, end } = entry.value;
    scratch.appendRun(bytes, start, end);
    length = end - start;
    return "keep";
  });
  return length;
}

function rename(call: Call, replaces: boolean): void {
  const { cache, reply, scratch, nowMs } = call;
  const from = argument(call, 1);
  const to = argument(call, 2);
  cache.atomically([from, to], () => {
    const deadlineMs = deadlineOf(call, from);
    if (deadlineMs === undefined || read(call, from) === MISS) {
      reply.error(NO_SUCH_KEY);
      return;
    }
    const isSame = from.bytes.compare(to.bytes, to.start, to.end, from.start, from.end) === 0;
    if (!replaces && deadlineOf(call, to) !== undefined) {
      reply.integer(0);
      return;
    }
    if (!isSame) {
      // It is no more bytes than before: a full cache has kept room for it.
      if (!store(call, to, scratch, deadlineMs, true)) return;
      cache.delete(from, nowMs);
    }
    if (replaces) reply.ok();
    else reply.integer(1);
  });
}

function copy(call: Call): void {
  const { cache, reply, scratch } = call;
  const from = argument(call, 1);
  const to = argument(call, 2);
  let replaces = false;
  for (let place = 3; place < call.count; place++) {
    const word = argument(call, place).toWord();
    if (word === "replace") replaces = true;
    else if (word === "db" && place + 1 < call.count) {
      const database = readInteger(argument(call, ++place));
      if (database !== 0) {
        reply.error(
          database === undefined
            ? "ERR value is not an integer or out of range"
            : "ERR DB index is out of range",
        );
        return;
      }
    } else {
      reply.error(SYNTAX_ERROR);
      return;
    }
  }
  if (from.bytes.compare(to.bytes, to.start, to.end, from.start, from.end) === 0) {
    reply.error("ERR source and destination objects are the same");
    return;
  }
  cache.atomically([from, to], () => {
    const deadlineMs = deadlineOf(call, from);
    const isTaken = !replaces && deadlineOf(call, to) !== undefined;
    if (deadlineMs === undefined || isTaken || read(call, from) === MISS) reply.integer(0);
    else if (store(call, to, scratch, deadlineMs)) reply.integer(1);
  });
}

/** A subcommand of OBJECT. */
function telling(
  name: string,
  summary: string,
  answer: (call: Call, facts: Facts) => void,
): Command {
  return {
    name,
    arity: 3,
    flags: ["readonly"],
    keys: [2, 2, 1],
    syntax: "key",
    summary,
    since: "2.2.3",
    run(call) {
      const { cache, reply, nowMs } = call;
      const facts = cache.look(argument(call, 2), nowMs);
      if (facts === undefined) reply.nil();
      else answer(call, facts);
    },
  };
}

function encodingOf(call: Call, { valueBytes }: Facts): string {
  if (valueBytes > EMBSTR_BYTES) return "raw";
  return read(call, argument(call, 2)) !== MISS && readInteger(call.scratch) !== undefined
    ? "int"
    : "embstr";
}

function memoryUsage(call: Call): void {
  const { cache, reply, nowMs } = call;
  const key = argument(call, 2);
  if (call.count > 3) {
    const isRight = call.count === 5 && argument(call, 3).toWord() === "samples";
    const samples = isRight ? readNumber(argument(call, 4)) : undefined;
    if (samples === undefined || samples < 0) {
      reply.error(SYNTAX_ERROR);
      return;
    }
  }
  const facts = cache.look(key, nowMs);
  if (facts === undefined) {
    reply.nil();
    return;
  }
  const isMortal = facts.deadlineMs !== NEVER;
  reply.integer(cache.entryBytes(key.end - key.start, facts.valueBytes, isMortal));
}
