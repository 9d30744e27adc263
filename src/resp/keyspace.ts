// Commands on all keys together.

import type { Bytes } from "../cache.ts";
import { argument, type Call, type Command, NOT_AN_INTEGER, SYNTAX_ERROR } from "./call.ts";
import { matches } from "./glob.ts";
import { readNumber } from "./numbers.ts";
import { Argument } from "./parser.ts";

/** Entries that KEYS looks at before it lets others write. */
const KEYS_CHUNK = 1000;
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
    run: ({ cache, reply }) => reply.integer(cache.figures().entries),
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
    run(call) {
      const isRight =
        call.count === 1 ||
        (call.count === 2 && ["async", "sync"].includes(argument(call, 1).toWord()));
      if (isRight) {
        call.cache.clear();
        call.reply.ok();
      } else call.reply.error(SYNTAX_ERROR);
    },
  };
}

function keys(call: Call): void {
  const { cache, reply, nowMs } = call;
  const pattern = argument(call, 1);
  const mark = reply.out.end;
  let count = 0;
  let position = 0;
  do {
    position = cache.scan(nowMs, position, KEYS_CHUNK, (key) => {
      if (!matches(pattern, key)) return;
      reply.bulk(key);
      count++;
    });
  } while (position !== 0);
  reply.insertArray(mark, count);
}

function scan(call: Call): void {
  const { cache, reply, nowMs } = call;
  const position = readCursor(argument(call, 1));
  if (position === undefined) {
    reply.error("ERR invalid cursor");
    return;
  }
  let pattern: Bytes | undefined;
  let count = DEFAULT_COUNT;
  let hasType = true;
  for (let place = 2; place < call.count; place += 2) {
    const word = argument(call, place).toWord();
    if (place + 1 >= call.count || !["match", "count", "type"].includes(word)) {
      reply.error(SYNTAX_ERROR);
      return;
    }
    const value = argument(call, place + 1);
    if (word === "match") pattern = value;
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
  const found: Buffer[] = [];
  const next = cache.scan(nowMs, position, count, (key) => {
    if (!hasType || (pattern !== undefined && !matches(pattern, key))) return;
    found.push(Buffer.from(key.bytes.subarray(key.start, key.end)));
  });
  reply.array(2);
  reply.text(String(next));
  reply.array(found.length);
  for (const bytes of found) reply.bulk({ bytes, start: 0, end: bytes.length });
}

/** Any 64-bit number: one that no scan has answered is past the end. */
function readCursor(cursor: Argument): number | undefined {
  const text = cursor.toText();
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 2n ** 64n) return undefined;
  return Number(text);
}

function randomKey({ cache, reply, nowMs }: Call): void {
  const first = Math.floor(Math.random() * cache.scanEnd);
  const mark = reply.out.end;
  for (const [from, end] of [
    [first, Infinity],
    [0, first],
  ] as const) {
    let position = from;
    do {
      position = cache.scan(nowMs, position, 1, (key) => {
        if (reply.out.end === mark) reply.bulk(key);
      });
      if (reply.out.end > mark) return;
    } while (position !== 0 && position < end);
  }
  reply.nil();
}
