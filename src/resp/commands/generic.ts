// Commands on keys, whatever their values.

import { type Bytes, type Facts, MISS, NEVER } from "../../cache/cache.ts";
import {
  argument,
  type CommandContext,
  type Command,
  expiresAtOf,
  store,
  SYNTAX_ERROR,
} from "./context.ts";
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
    run: (context) =>
      countKeys(context, (key) => context.cache.look(key, context.nowMs) !== undefined),
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
    run: (context) =>
      countKeys(context, (key) => context.cache.look(key, context.nowMs, true) !== undefined),
  },
  {
    name: "type",
    arity: 2,
    flags: ["readonly", "fast"],
    keys: ONE_KEY,
    syntax: "key",
    summary: "string, or none if there is no such key.",
    since: "1.0.0",
    run(context) {
      const isThere = expiresAtOf(context, argument(context, 1)) !== undefined;
      context.reply.simple(isThere ? "string" : "none");
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
    run: (context) => rename(context, true),
  },
  {
    name: "renamenx",
    arity: 3,
    flags: ["write", "fast"],
    keys: TWO_KEYS,
    syntax: "key newkey",
    summary: "Gives a value and its lifetime another key, if that is not there.",
    since: "1.0.0",
    run: (context) => rename(context, false),
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
      telling("encoding", "int, embstr or raw: what redis would keep it as.", (context, facts) =>
        context.reply.text(encodingOf(context, facts)),
      ),
      telling("freq", "Hits that eviction counts, 0 to 3.", (context, { hits }) =>
        context.reply.integer(hits),
      ),
      telling("idletime", "An error, as with redis under LFU: it is not kept.", (context) =>
        context.reply.error(
          "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ),
      ),
      telling("refcount", "1.", (context) => context.reply.integer(1)),
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
function remove(context: CommandContext): void {
  const { cache, nowMs, reply } = context;
  if (context.count === 2) {
    reply.integer(cache.delete(argument(context, 1), nowMs) ? 1 : 0);
    return;
  }
  let count = 0;
  const removePart = (keys: readonly Bytes[]): void => {
    cache.atomically(keys, () => {
      for (const key of keys) if (cache.delete(key, nowMs)) count++;
    });
  };
  inParts(context, removePart, () => reply.integer(count));
}

/** Answers how many keys pass. Each is looked at by itself, without a lock. */
function countKeys(context: CommandContext, passes: (key: Bytes) => boolean): void {
  if (context.count === 2) {
    context.reply.integer(passes(argument(context, 1)) ? 1 : 0);
    return;
  }
  let count = 0;
  const countPart = (keys: readonly Bytes[]): void => {
    for (const key of keys) if (passes(key)) count++;
  };
  inParts(context, countPart, () => context.reply.integer(count));
}

/** Reads the value into `scratch`. It is no hit. */
function read({ cache, scratch, nowMs }: CommandContext, key: Bytes): number {
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

function rename(context: CommandContext, replaces: boolean): void {
  const { cache, reply, scratch, nowMs } = context;
  const from = argument(context, 1);
  const to = argument(context, 2);
  cache.atomically([from, to], () => {
    const expiresAtMs = expiresAtOf(context, from);
    if (expiresAtMs === undefined || read(context, from) === MISS) {
      reply.error(NO_SUCH_KEY);
      return;
    }
    const isSame = from.bytes.compare(to.bytes, to.start, to.end, from.start, from.end) === 0;
    if (!replaces && expiresAtOf(context, to) !== undefined) {
      reply.integer(0);
      return;
    }
    if (!isSame) {
      // It is no more bytes than before: a full cache has kept room for it.
      if (!store(context, to, scratch, expiresAtMs, true)) return;
      cache.delete(from, nowMs);
    }
    if (replaces) reply.ok();
    else reply.integer(1);
  });
}

function copy(context: CommandContext): void {
  const { cache, reply, scratch } = context;
  const from = argument(context, 1);
  const to = argument(context, 2);
  let replaces = false;
  for (let place = 3; place < context.count; place++) {
    const word = argument(context, place).toWord();
    if (word === "replace") replaces = true;
    else if (word === "db" && place + 1 < context.count) {
      const database = readInteger(argument(context, ++place));
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
    const expiresAtMs = expiresAtOf(context, from);
    const isTaken = !replaces && expiresAtOf(context, to) !== undefined;
    if (expiresAtMs === undefined || isTaken || read(context, from) === MISS) reply.integer(0);
    else if (store(context, to, scratch, expiresAtMs)) reply.integer(1);
  });
}

/** A subcommand of OBJECT. */
function telling(
  name: string,
  summary: string,
  answer: (context: CommandContext, facts: Facts) => void,
): Command {
  return {
    name,
    arity: 3,
    flags: ["readonly"],
    keys: [2, 2, 1],
    syntax: "key",
    summary,
    since: "2.2.3",
    run(context) {
      const { cache, reply, nowMs } = context;
      const facts = cache.look(argument(context, 2), nowMs);
      if (facts === undefined) reply.nil();
      else answer(context, facts);
    },
  };
}

function encodingOf(context: CommandContext, { valueBytes }: Facts): string {
  if (valueBytes > EMBSTR_BYTES) return "raw";
  return read(context, argument(context, 2)) !== MISS && readInteger(context.scratch) !== undefined
    ? "int"
    : "embstr";
}

function memoryUsage(context: CommandContext): void {
  const { cache, reply, nowMs } = context;
  const key = argument(context, 2);
  if (context.count > 3) {
    const isRight = context.count === 5 && argument(context, 3).toWord() === "samples";
    const samples = isRight ? readNumber(argument(context, 4)) : undefined;
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
  const hasExpiry = facts.expiresAtMs !== NEVER;
  reply.integer(cache.entryBytes(key.end - key.start, facts.valueBytes, hasExpiry));
}
