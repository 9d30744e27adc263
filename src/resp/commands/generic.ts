// Commands on keys of any value.

import { type Bytes, type Entry, type Facts, NEVER } from "../../cache/cache.ts";
import { clientKey, storedKey } from "../../cache/databases.ts";
import {
  argument,
  type CommandContext,
  type Command,
  expiresAtOf,
  fits,
  store,
} from "./context.ts";
import { container, define, LINEAR } from "./define.ts";
import { readDatabase } from "./database-number.ts";
import { Failure, FULL, NO_SUCH_KEY, SYNTAX_ERROR, TOO_LARGE } from "./failure.ts";
import { flag, grammar, oneOf, option, repeatable } from "./grammar.ts";
import { readInteger, readNumber } from "../protocol/numbers.ts";
import { inParts } from "./slices.ts";

export const SAME_KEY = new Failure("ERR source and destination objects are the same");
const NO_IDLE_TIME = new Failure(
  "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
);
/** Redis keeps a string of at most this length beside its header. */
const EMBSTR_BYTES_MAX = 44;

export const KEY_COMMANDS: readonly Command[] = [
  define(
    "del",
    "key [key ...]",
    "write",
    "1.0.0",
    "Deletes keys and answers how many there were.",
    remove,
    LINEAR,
  ),
  define(
    "unlink",
    "key [key ...]",
    "write fast",
    "4.0.0",
    "Deletes keys and answers how many there were, as DEL does.",
    remove,
    LINEAR,
  ),
  define(
    "exists",
    "key [key ...]",
    "readonly fast",
    "1.0.0",
    "How many of the keys are there.",
    (context) => countKeys(context, (key) => context.cache.look(key, context.nowMs) !== undefined),
    LINEAR,
  ),
  define(
    "touch",
    "key [key ...]",
    "readonly fast",
    "3.2.1",
    "How many of the keys are there, and a hit of each for eviction.",
    (context) =>
      countKeys(context, (key) => context.cache.look(key, context.nowMs, true) !== undefined),
    LINEAR,
  ),
  define(
    "type",
    "key",
    "readonly fast",
    "1.0.0",
    "string, or none if there is no such key.",
    (context) => {
      const exists = expiresAtOf(context, argument(context, 1)) !== undefined;
      context.reply.simple(exists ? "string" : "none");
    },
  ),
  define(
    "rename",
    "key newkey",
    "write",
    "1.0.0",
    "Gives a value and its lifetime another key.",
    (context) => rename(context, true),
  ),
  define(
    "renamenx",
    "key newkey",
    "write fast",
    "1.0.0",
    "Gives a value and its lifetime another key, if that is not there.",
    (context) => rename(context, false),
  ),
  define(
    "copy",
    "source destination [DB destination-db] [REPLACE]",
    "write denyoom",
    "6.2.0",
    "Copies a value and its lifetime to another key.",
    copy,
  ),
  container("object", "2.2.3", "What the cache knows of a value.", [
    define(
      "object encoding",
      "key",
      "readonly",
      "2.2.3",
      "int, embstr or raw: what redis would keep it as.",
      (context) => describeEntry(context, encodingOf),
    ),
    define(
      "object freq",
      "key",
      "readonly",
      "2.2.3",
      "Hits that eviction counts, 0 to 3.",
      (context) => describeEntry(context, (_, { hits }) => hits),
    ),
    define(
      "object idletime",
      "key",
      "readonly",
      "2.2.3",
      "An error, as with redis under LFU: it is not kept.",
      (context) => describeEntry(context, () => NO_IDLE_TIME),
    ),
    define("object refcount", "key", "readonly", "2.2.3", "1.", (context) =>
      describeEntry(context, () => 1),
    ),
  ]),
  container("memory", "4.0.0", "What an entry takes.", [
    define(
      "memory usage",
      "key [SAMPLES count]",
      "readonly",
      "4.0.0",
      "Bytes of an entry with its part of the index.",
      memoryUsage,
    ),
  ]),
];

/** Deletes up to KEYS_PER_STEP keys in one step; of more keys each part in a step of its own. */
function remove(context: CommandContext): void | Failure {
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
  return inParts(context, removePart, () => reply.integer(count));
}

/** Writes how many keys pass. Each key is checked by itself, without a lock. */
function countKeys(context: CommandContext, passes: (key: Bytes) => boolean): void | Failure {
  if (context.count === 2) {
    context.reply.integer(passes(argument(context, 1)) ? 1 : 0);
    return;
  }
  let count = 0;
  const countPart = (keys: readonly Bytes[]): void => {
    for (const key of keys) if (passes(key)) count++;
  };
  return inParts(context, countPart, () => context.reply.integer(count));
}

/** Stores the value in `scratch` and the rest of an entry under another key. */
function storeCopy(
  context: CommandContext,
  key: Bytes,
  { expiresAtMs, meta }: Pick<Entry, "expiresAtMs" | "meta">,
  usesReserve: boolean,
): Failure | undefined {
  const { cache, scratch, nowMs } = context;
  if (meta === undefined) return store(context, key, scratch, expiresAtMs, usesReserve);
  if (!fits(context, key, scratch)) return TOO_LARGE;
  return cache.update(key, nowMs, () => ({ value: scratch, expiresAtMs, meta })) ? undefined : FULL;
}

/** Reads the value into `scratch` and returns the rest of the entry. This does not count as a hit. */
function readEntry(
  { cache, scratch, nowMs }: CommandContext,
  key: Bytes,
): Pick<Entry, "expiresAtMs" | "meta"> | undefined {
  let found: Pick<Entry, "expiresAtMs" | "meta"> | undefined;
  scratch.clear();
  cache.update(key, nowMs, (entry) => {
    if (entry === undefined) return "keep";
    const { value, expiresAtMs, meta } = entry;
    scratch.appendRun(value.bytes, value.start, value.end);
    found = { expiresAtMs, meta };
    return "keep";
  });
  return found;
}

function isSameKey(a: Bytes, b: Bytes): boolean {
  return a.bytes.compare(b.bytes, b.start, b.end, a.start, a.end) === 0;
}

function rename(context: CommandContext, replaces: boolean): void | Failure {
  const { cache, reply } = context;
  const from = argument(context, 1);
  const to = argument(context, 2);
  const isRenamed = cache.atomically([from, to], () => renameLocked(context, from, to, replaces));
  if (isRenamed instanceof Failure) return isRenamed;
  if (replaces) reply.ok();
  else reply.integer(isRenamed ? 1 : 0);
}

/** Returns whether the key has another name now. */
function renameLocked(
  context: CommandContext,
  from: Bytes,
  to: Bytes,
  replaces: boolean,
): boolean | Failure {
  const { cache, nowMs } = context;
  const entry = readEntry(context, from);
  if (entry === undefined) return NO_SUCH_KEY;
  if (!replaces && expiresAtOf(context, to) !== undefined) return false;
  if (isSameKey(from, to)) return true;
  // The entry needs no more bytes than before, so the reserve of a full cache may hold it.
  const failure = storeCopy(context, to, entry, true);
  if (failure !== undefined) return failure;
  cache.delete(from, nowMs);
  return true;
}

const COPY_OPTIONS = grammar({
  replace: oneOf(flag("replace")),
  database: repeatable(option("db", (text, { config }) => readDatabase(text, config.databases))),
});

function copy(context: CommandContext): void | Failure {
  const { cache, reply, session } = context;
  const from = argument(context, 1);
  const options = COPY_OPTIONS.parse(context, 3);
  if (options instanceof Failure) return options;
  const { database = session.database } = options;
  const to = storedKey(database, clientKey(argument(context, 2)));
  if (isSameKey(from, to)) return SAME_KEY;
  const replaces = options.replace !== undefined;
  const isCopied = cache.atomically([from, to], () => copyLocked(context, from, to, replaces));
  if (isCopied instanceof Failure) return isCopied;
  reply.integer(isCopied ? 1 : 0);
}

/** Returns whether there is a copy now. Guard: a step over the shards of both keys. */
export function copyLocked(
  context: CommandContext,
  from: Bytes,
  to: Bytes,
  replaces: boolean,
): boolean | Failure {
  if (!replaces && expiresAtOf(context, to) !== undefined) return false;
  const entry = readEntry(context, from);
  return entry === undefined ? false : (storeCopy(context, to, entry, false) ?? true);
}

/** OBJECT: writes what `describe` returns for the entry, or nil if there is none. */
function describeEntry(
  context: CommandContext,
  describe: (context: CommandContext, facts: Facts) => string | number | Failure,
): void | Failure {
  const { cache, reply, nowMs } = context;
  const facts = cache.look(argument(context, 2), nowMs);
  if (facts === undefined) {
    reply.nil();
    return;
  }
  const description = describe(context, facts);
  if (description instanceof Failure) return description;
  if (typeof description === "string") reply.text(description);
  else reply.integer(description);
}

export function encodingOf(context: CommandContext, { valueBytes }: Facts): string {
  if (valueBytes > EMBSTR_BYTES_MAX) return "raw";
  const isRead = readEntry(context, argument(context, 2)) !== undefined;
  return isRead && readInteger(context.scratch) !== undefined ? "int" : "embstr";
}

const MEMORY_USAGE_OPTIONS = grammar({
  // An entry has no elements to sample: the number is checked and ignored.
  samples: oneOf(
    option("samples", (text) => {
      const samples = readNumber(text);
      return samples === undefined || samples < 0 ? SYNTAX_ERROR : samples;
    }),
  ),
});

function memoryUsage(context: CommandContext): void | Failure {
  const { cache, reply, nowMs } = context;
  const key = argument(context, 2);
  const options = MEMORY_USAGE_OPTIONS.parse(context, 3);
  if (options instanceof Failure) return options;
  const facts = cache.look(key, nowMs);
  if (facts === undefined) {
    reply.nil();
    return;
  }
  const hasExpiry = facts.expiresAtMs !== NEVER;
  reply.integer(cache.entryBytes(key.end - key.start, facts.valueBytes, hasExpiry));
}
