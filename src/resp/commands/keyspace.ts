// Commands on all keys.

import { KeyBatch } from "../../cache/key-batch.ts";
import { argument, type CommandContext, type Command, readPattern } from "./context.ts";
import { define, LINEAR } from "./define.ts";
import { Failure, NOT_AN_INTEGER, SYNTAX_ERROR } from "./failure.ts";
import { grammar, option, repeatable } from "./grammar.ts";
import { readNumber } from "../protocol/numbers.ts";
import type { Argument } from "../protocol/parser.ts";
import { inSlices } from "./slices.ts";

/** Entries that a scan visits while it holds a shard's lock. */
const SCAN_ENTRIES_PER_STEP = 200;
/** One match may take 1 ms: a key of 64 KiB against a pattern of 1 KiB. */
const MATCHES_PER_STEP = 8;
/** SCAN returns after this time even if it has not reached its COUNT. */
const SCAN_MS_MAX = 5;
const SCAN_COUNT_DEFAULT = 10;
const INVALID_CURSOR = new Failure("ERR invalid cursor");

export const KEYSPACE_COMMANDS: readonly Command[] = [
  define(
    "keys",
    "pattern",
    "readonly",
    "1.0.0",
    "All keys that match a pattern of * ? [a-c] [^x] and \\.",
    keys,
    LINEAR,
  ),
  define(
    "scan",
    "cursor [MATCH pattern] [COUNT count] [TYPE type]",
    "readonly",
    "2.8.0",
    "Some of the keys and where to go on, 0 at the end.",
    scan,
  ),
  define("randomkey", "", "readonly", "1.0.0", "Any key.", randomKey),
  define(
    "dbsize",
    "",
    "readonly fast",
    "1.0.0",
    "Number of entries; one that has expired counts until it is swept.",
    ({ cache, reply, session }) =>
      reply.integer(cache.maintenance.databaseStats()[session.database]?.entries ?? 0),
  ),
];

function keys(context: CommandContext): void | Failure {
  const { cache, reply, session, nowMs } = context;
  const pattern = readPattern(argument(context, 1));
  if (pattern instanceof Failure) return pattern;
  const matches = reply.aside();
  const batch = new KeyBatch(session.database);
  let count = 0;
  let cursor = 0;
  const step = (): boolean => {
    if (batch.isEmpty) cursor = cache.scan(nowMs, cursor, SCAN_ENTRIES_PER_STEP, batch.add);
    for (let n = 0; n < MATCHES_PER_STEP; n++) {
      const key = batch.shift();
      if (key === undefined || !pattern.matches(key)) continue;
      matches.bulk(key);
      count++;
    }
    return batch.isEmpty && cursor === 0;
  };
  const write = (): void => {
    reply.array(count);
    reply.append(matches);
  };
  return inSlices(context, step, write, [matches]);
}

const SCAN_OPTIONS = grammar({
  match: repeatable(option("match", (pattern) => pattern)),
  count: repeatable(
    option("count", (text) => {
      const count = readNumber(text);
      if (count === undefined) return NOT_AN_INTEGER;
      return count < 1 ? SYNTAX_ERROR : count;
    }),
  ),
  type: repeatable(option("type", (type) => type.toWord())),
});

function scan(context: CommandContext): void | Failure {
  const { cache, reply, session, nowMs } = context;
  let cursor = readCursor(argument(context, 1));
  if (cursor instanceof Failure) return cursor;
  const options = SCAN_OPTIONS.parse(context, 2);
  if (options instanceof Failure) return options;
  const { match, count = SCAN_COUNT_DEFAULT, type = "string" } = options;
  const pattern = match === undefined ? undefined : readPattern(match);
  if (pattern instanceof Failure) return pattern;
  const matches = reply.aside();
  const batch = new KeyBatch(session.database);
  const endMs = performance.now() + SCAN_MS_MAX;
  let visited = 0;
  let matchCount = 0;
  do {
    const entries = Math.min(SCAN_ENTRIES_PER_STEP, count - visited);
    cursor = cache.scan(nowMs, cursor, entries, batch.add);
    for (let key = batch.shift(); key !== undefined; key = batch.shift()) {
      visited++;
      if (type !== "string" || (pattern !== undefined && !pattern.matches(key))) continue;
      matches.bulk(key);
      matchCount++;
    }
  } while (cursor !== 0 && visited < count && performance.now() < endMs);
  reply.array(2);
  reply.text(String(cursor));
  reply.array(matchCount);
  reply.append(matches);
  matches.release();
}

/** Accepts any 64-bit number: a number that no scan has returned is past the end. */
function readCursor(cursor: Argument): number | Failure {
  const text = cursor.toText();
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 2n ** 64n) return INVALID_CURSOR;
  return Number(text);
}

/** Scans from a random cursor, past the end to the start: many entries in a row may have expired. */
function randomKey(context: CommandContext): void | Failure {
  const { cache, reply, session, nowMs } = context;
  const batch = new KeyBatch(session.database);
  const first = Math.floor(Math.random() * cache.scanEnd);
  let cursor = first;
  let hasWrapped = false;
  const step = (): boolean => {
    cursor = cache.scan(nowMs, cursor, 1, batch.add);
    const hasVisitedAll = hasWrapped && (cursor === 0 || cursor >= first);
    hasWrapped ||= cursor === 0;
    return !batch.isEmpty || hasVisitedAll;
  };
  return inSlices(context, step, () => {
    const key = batch.shift();
    if (key === undefined) reply.nil();
    else reply.bulk(key);
  });
}
