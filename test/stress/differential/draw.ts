// Draws sequences of steps of several connections: transactions, WATCH, scripts, databases, expiry.

import type { Random } from "../../lib/random.ts";
import { drawScript } from "./scripts.ts";

export interface Step {
  readonly connection: number;
  readonly words: readonly string[];
  /** Milliseconds between the reply and the next step: keys with a short lifetime expire. */
  readonly pauseMs?: number;
}

export const CONNECTIONS = 3;
const STEPS_MAX = 40;
/** A lifetime that outlasts a step, and a pause that outlasts the lifetime. */
const SHORT_LIFETIME_MS = "20";
const EXPIRY_PAUSE_MS = 45;

/** Command lines, split by bars. Lower-case words are drawn: key, value, number, db, ttl, script, sha, queue. */
const TEMPLATES: Readonly<Record<"data" | "control" | "script" | "odd", readonly string[]>> = {
  data: lines(`
GET key | GET key | SET key value | SET key value | SET key value NX | SET key value XX GET | SET key value EX ttl | SET key value KEEPTTL
SET key value PXAT 1 | SETNX key value | SETEX key ttl value | GETSET key value | GETDEL key | GETEX key EX ttl | GETEX key PERSIST
GETEX key EX 0 | MSET key value key value | MGET key key key | MSETNX key value key value | APPEND key value | STRLEN key
GETRANGE key 0 number | SETRANGE key 2 value | INCR key | INCR key | DECR key | INCRBY key number | DECRBY key number | INCRBYFLOAT key 0.5
DEL key | DEL key key | UNLINK key | EXISTS key key | TOUCH key | TYPE key | EXPIRE key ttl | EXPIRE key -1 | PEXPIRE key 0 | EXPIREAT key 1
PERSIST key | TTL key | RENAME key key | RENAMENX key key | COPY key key | COPY key key REPLACE | DBSIZE | EXPIRETIME missing
OBJECT ENCODING key | PEXPIREAT key 9999999999999 | EXPIRE key ttl NX | EXPIRE key 1500 GT
SETBIT key 3 1 | GETBIT key 1 | BITCOUNT key | BITPOS key 1 | BITOP XOR key key key | BITFIELD key GET u8 0 INCRBY u4 0 3
`),
  control: lines(`
SELECT db | SELECT db | SELECT db | FLUSHDB | FLUSHALL | SWAPDB db db | MOVE key db | COPY key key DB db | COPY key key DB db REPLACE
UNWATCH | DISCARD | EXEC | MULTI | WATCH key | RESET | DBSIZE
`),
  script: lines(`
EVAL script 2 key key value value | EVAL script 2 key key value value | EVAL script 2 key key value value
EVAL script 2 key key value value | EVALSHA sha 2 key key value value | EVALSHA sha 2 key key value value | EVAL_RO script 2 key key value value
EVALSHA_RO sha 2 key key value value | SCRIPT LOAD script | SCRIPT EXISTS sha sha | SCRIPT FLUSH
EVAL script number key value | EVAL script x | EVAL script 3 key | EVAL script -1 key
`),
  odd: lines(`
GET | NOSUCH key | SET key | SELECT | SELECT x | SELECT 99 | SELECT -1 | WATCH | MULTI x | EXEC x | DISCARD x | UNWATCH x | SWAPDB 0 | SWAPDB 0 x
SWAPDB x 0 | SWAPDB 0 99 | MOVE key | MOVE key x | MOVE key 99 | MOVE key 0 | COPY key key DB | COPY key key DB 99 | COPY key key DB x | SCRIPT
SCRIPT LOAD | SCRIPT EXISTS | SCRIPT FLUSH x | SCRIPT KILL | SCRIPT NOSUCH | EVAL | EVAL script | EVALSHA sha | EVALSHA x 0
EVALSHA X 0 | HELLO 2 | HELLO 3 | HELLO 2 | HELLO 9 | PING | ECHO value | FLUSHALL x | FLUSHDB SYNC | INCRBY key x | SET key value EX 0
SET key value FOO | EXPIRE key x | CLIENT GETNAME | CLIENT SETNAME a | TIME x | CONFIG GET nothing | COMMAND COUNT x
DEBUG | WATCH key key key | SUBSTR key 0 1 | LCS key key | GETEX key FOO | SCAN x | KEYS nothing* | SCAN 0 MATCH nothing* COUNT 1000
`),
};

const KEYS = ["a", "b", "c", "{t}d", "\u00ff", "\u00ff\u0001a"];
const VALUES = [
  "1",
  "5",
  "-3",
  "text",
  "",
  "1.5",
  "9223372036854775807",
  "\u00ff\u0000\r\n",
  "a b",
];
const NUMBERS = ["0", "1", "2", "-1", "10", "-7"];
const DATABASES = ["0", "0", "1", "1", "2", "15"];

/** Draws one sequence. Equal seeds give equal sequences. */
export function drawSequence(random: Random): Step[] {
  const { below } = random;
  const steps: Step[] = [];
  const scripts: string[] = [];
  const queues = Array.from({ length: CONNECTIONS }, () => false);
  const length = 5 + below(STEPS_MAX - 5);
  const hasExpiry = below(2) === 0;
  while (steps.length < length) {
    const connection = below(CONNECTIONS);
    const words = (line: string) => fill(line, random, scripts);
    const isQueueing = queues[connection] === true;
    const kind = below(100);
    if (kind < 8 && !isQueueing) {
      steps.push({ connection, words: words(below(3) === 0 ? "WATCH key key" : "WATCH key") });
    } else if (kind < 22) {
      const line = !isQueueing ? "MULTI" : below(6) === 0 ? "DISCARD" : "EXEC";
      steps.push({ connection, words: words(line) });
      queues[connection] = !isQueueing;
    } else if (kind < 26 && hasExpiry) {
      steps.push(...drawExpiry(connection, words));
    } else {
      const list = kind < 42 ? "script" : kind < 53 ? "control" : kind < 59 ? "odd" : "data";
      const templates = TEMPLATES[list];
      const drawn = words(templates[below(templates.length)] ?? "PING");
      // DBSIZE counts expired entries that have not been removed yet.
      const isVague = (word: string) => (hasExpiry ? word.includes("DBSIZE") : word === "PXAT");
      if (!drawn.some(isVague)) steps.push({ connection, words: drawn });
    }
  }
  return steps;
}

/** A key that expires while it is watched by the connection, or without being watched. */
function drawExpiry(connection: number, words: (line: string) => readonly string[]): Step[] {
  const [, key = "a"] = words("GET key");
  const [, extra = "0"] = words("INCRBY number");
  const step = (line: string, pauseMs?: number): Step => ({
    connection,
    words: line.split(" ").map((word) => (word === "key" ? key : word)),
    ...(pauseMs === undefined ? {} : { pauseMs }),
  });
  const set = `SET key 1 PX ${SHORT_LIFETIME_MS}`;
  if (Number(extra) > 0) return [step(set, EXPIRY_PAUSE_MS), step("GET key")];
  return [step(set), step("WATCH key"), step("PING", EXPIRY_PAUSE_MS)];
}

function fill(line: string, random: Random, scripts: string[]): string[] {
  const { below } = random;
  const pick = (list: readonly string[]): string => list[below(list.length)] ?? "";
  return line.split(" ").map((word) => {
    switch (word) {
      case "key":
        return pick(KEYS);
      case "value":
        return pick(VALUES);
      case "number":
        return pick(NUMBERS);
      case "db":
        return pick(DATABASES);
      case "ttl":
        return pick(["1000", "2000", "100000"]);
      case "script":
        scripts.push(drawScript(random));
        return scripts.at(-1) ?? "";
      case "sha":
        return below(4) === 0 ? "0".repeat(40) : shaOf(pick(scripts));
      default:
        return word;
    }
  });
}

function shaOf(script: string): string {
  return new Bun.CryptoHasher("sha1").update(Buffer.from(script, "latin1")).digest("hex");
}

function lines(text: string): string[] {
  return text
    .split(/[|\n]/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
}
