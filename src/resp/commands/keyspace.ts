// Commands on all keys together.

import { ByteBuffer, type Bytes } from "../../cache/cache.ts";
import {
  argument,
  type CommandContext,
  type Command,
  NOT_AN_INTEGER,
  readPattern,
  SYNTAX_ERROR,
} from "./context.ts";
import { readNumber } from "../protocol/numbers.ts";
import { Argument } from "../protocol/parser.ts";
import { inSlices } from "./slices.ts";

/** Entries that a scan looks at while it has a shard's lock. */
const CHUNK = 200;
/** Matching one may take 1 ms: a key of 64 KiB, a pattern of 1 KiB. */
const KEYS_A_STEP = 8;
/** SCAN returns after so long, whatever its COUNT. */
const LONGEST_SCAN_MS = 5;
const DEFAULT_COUNT = 10;

export const KEYSPACE_COMMANDS: readonly Command[] = [
  {
    name: "keys",
    arity: 2,
    flags: ["readonly"],
    syntax: "pattern",
    summary: "All keys that match a pattern of * ? [a-c] [^x] and \\.",
    since: "1.0.0",
    complexity: "O(N)",
    run: keys,
  },
  {
    name: "scan",
    arity: -2,
    flags: ["readonly"],
    syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]",
    summary: "Some of the keys and where to go on, 0 at the end.",
    since: "2.8.0",
    run: scan,
  },
  {
    name: "randomkey",
    arity: 1,
    flags: ["readonly"],
    syntax: "",
    summary: "Any key.",
    since: "1.0.0",
    run: randomKey,
  },
  {
    name: "dbsize",
    arity: 1,
    flags: ["readonly", "fast"],
    syntax: "",
    summary: "Number of entries; one that has expired counts until it is swept.",
    since: "1.0.0",
    run: ({ cache, reply }) => reply.integer(cache.stats().entries),
  },
  flushing("flushall"),
  flushing("flushdb"),
];

function flushing(name: string): Command {
  return {
    name,
    arity: -1,
    flags: ["write"],
    syntax: "[ASYNC | SYNC]",
    summary: "Deletes every entry.",
    since: "1.0.0",
    complexity: "O(N)",
    run(context) {
      const isRight =
        context.count === 1 ||
        (context.count === 2 && ["async", "sync"].includes(argument(context, 1).toWord()));
      if (isRight) {
        context.cache.clear();
        context.reply.ok();
      } else context.reply.error(SYNTAX_ERROR);
    },
  };
}

function keys(context: CommandContext): void {
  const { cache, reply, nowMs } = context;
  const pattern = readPattern(context, argument(context, 1));
  if (pattern === undefined) return;
  const found = reply.aside();
  const batch = new KeyBatch();
  let count = 0;
  let position = 0;
  const step = (): boolean => {
    if (batch.isEmpty) position = cache.scan(nowMs, position, CHUNK, batch.add);
    for (let n = 0; n < KEYS_A_STEP; n++) {
      const key = batch.take();
      if (key === undefined || !pattern.matches(key)) continue;
      found.bulk(key);
      count++;
    }
    return batch.isEmpty && position === 0;
  };
  const write = (): void => {
    reply.array(count);
    reply.append(found);
  };
  inSlices(context, step, write, [found]);
}

/** Copies of keys, so that a scan keeps a shard's lock no longer than the copying takes. */
class KeyBatch {
  readonly #bytes = new ByteBuffer();
  #ends: number[] = [];
  #taken = 0;

  readonly add = (key: Bytes): void => {
    if (this.isEmpty) {
      this.#bytes.clear();
      this.#ends = [];
      this.#taken = 0;
    }
    this.#bytes.appendRun(key.bytes, key.start, key.end);
    this.#ends.push(this.#bytes.end);
  };

  get isEmpty(): boolean {
    return this.#taken === this.#ends.length;
  }

  /** The next key, valid until one is added; undefined if there is none. */
  take(): Bytes | undefined {
    if (this.isEmpty) return undefined;
    const start = this.#ends[this.#taken - 1] ?? 0;
    const end = this.#ends[this.#taken++] ?? start;
    return { bytes: this.#bytes.bytes, start, end };
  }
}

function scan(context: CommandContext): void {
  const { cache, reply, nowMs } = context;
  const position = readCursor(argument(context, 1));
  if (position === undefined) {
    reply.error("ERR invalid cursor");
    return;
  }
  let match: Argument | undefined;
  let count = DEFAULT_COUNT;
  let hasType = true;
  for (let place = 2; place < context.count; place += 2) {
    const word = argument(context, place).toWord();
    if (place + 1 >= context.count || !["match", "count", "type"].includes(word)) {
      reply.error(SYNTAX_ERROR);
      return;
    }
    const value = argument(context, place + 1);
    if (word === "match") match = value;
    else if (word === "type") hasType = value.toWord() === "string";
    else {
      const wanted = readNumber(value);
      if (wanted === undefined || wanted < 1) {
        reply.error(wanted === undefined ? NOT_AN_INTEGER : SYNTAX_ERROR);
        return;
      }
      count = wanted;
    }
  }
  const pattern = match === undefined ? undefined : readPattern(context, match);
  if (match !== undefined && pattern === undefined) return;
  const found = reply.aside();
  const batch = new KeyBatch();
  const endMs = performance.now() + LONGEST_SCAN_MS;
  let next = position;
  let seen = 0;
  let matched = 0;
  do {
    next = cache.scan(nowMs, next, Math.min(CHUNK, count - seen), batch.add);
    for (let key = batch.take(); key !== undefined; key = batch.take()) {
      seen++;
      if (!hasType || (pattern !== undefined && !pattern.matches(key))) continue;
      found.bulk(key);
      matched++;
    }
  } while (next !== 0 && seen < count && performance.now() < endMs);
  reply.array(2);
  reply.text(String(next));
  reply.array(matched);
  reply.append(found);
  found.release();
}

/** Any 64-bit number: one that no scan has answered is past the end. */
function readCursor(cursor: Argument): number | undefined {
  const text = cursor.toText();
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 2n ** 64n) return undefined;
  return Number(text);
}

/** The first key from a place at random on, round the end: many entries in a row may have expired. */
function randomKey(context: CommandContext): void {
  const { cache, reply, nowMs } = context;
  const batch = new KeyBatch();
  const first = Math.floor(Math.random() * cache.scanEnd);
  let position = first;
  let hasTurned = false;
  const step = (): boolean => {
    position = cache.scan(nowMs, position, 1, batch.add);
    const isRound = hasTurned && (position === 0 || position >= first);
    hasTurned ||= position === 0;
    return !batch.isEmpty || isRound;
  };
  inSlices(context, step, () => {
    const key = batch.take();
    if (key === undefined) reply.nil();
    else reply.bulk(key);
  });
}
