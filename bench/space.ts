// The part of the memory that keys and values fill, by length of value and by memory, with the
// limits of the service. Run by `bun run bench space`.
//
//   new keys:       each put has a key that was never there; one and a half times the memory is put
//   get or put:     keys at random from twice as many as fit; a get, and a put on a miss; twice the memory is put

import Table from "cli-table3";

import { type Bytes, ByteBuffer, Cache, MISS, NEVER } from "../src/cache/cache.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { keepResult } from "./lib/results.ts";

const MEBIBYTE = 2 ** 20;
const MEMORIES = [32, 64, 128, 256, 512] as const;
const KEY_BYTES = 8;

const { largest } = optionsOrExit("bench space", {
  largest: { kind: "integer", default: 512, min: 32, max: 512, help: "the largest memory, in MiB" },
} as const);

/** A number from 0 up to 1 that the key always has. */
type Draw = (part: number) => number;
const KINDS: Readonly<Record<string, Draw>> = {
  ...Object.fromEntries(
    [100, 1000, 10_000, 20_000, 36_000, 65_536, 100_000, 262_144, MEBIBYTE].map(fixed),
  ),
  "20,000 to 65,536": (part) => 20_000 + Math.floor(part * 45_536),
  "65,536 to 1,048,576": (part) => 65_536 + Math.floor(part * 983_040),
  "100 to 1,048,576, as many of each magnitude": (part) => Math.floor(100 * 10_485.76 ** part),
};

function fixed(bytes: number): [string, Draw] {
  return [bytes.toLocaleString("en"), () => bytes];
}

interface Row {
  readonly values: string;
  readonly load: "new keys" | "get or put";
  readonly mebibytes: number;
  readonly shards: number;
  /** Keys and values by memory, in per cent. */
  readonly share: number;
  /** Bytes that moves copied for each byte that was put. */
  readonly copied: number;
  readonly worstMs: number;
}

/** Bytes that moves have copied: nothing else in the store calls `copyWithin`. */
let copied = 0;
const { copyWithin } = Uint8Array.prototype;
Uint8Array.prototype.copyWithin = function (this: Uint8Array, to, from, end = this.length) {
  copied += end - from;
  return copyWithin.call(this, to, from, end);
};

const rows: Row[] = [];
const memories = MEMORIES.filter((mebibytes) => mebibytes <= largest);
for (const [values, draw] of Object.entries(KINDS)) {
  for (const load of ["new keys", "get or put"] as const) {
    for (const mebibytes of memories) rows.push(measure(values, draw, load, mebibytes));
    process.stderr.write(`${values} ${load}\n`);
  }
}
await report();

function measure(values: string, draw: Draw, load: Row["load"], mebibytes: number): Row {
  const memoryBytes = mebibytes * MEBIBYTE;
  const cache = Cache.create({ memoryBytes, maxValueBytes: MEBIBYTE });
  const key: Bytes = { bytes: Buffer.alloc(KEY_BYTES), start: 0, end: KEY_BYTES };
  const value = { bytes: Buffer.alloc(MEBIBYTE, "v"), start: 0, end: 0 };
  const into = new ByteBuffer(MEBIBYTE);
  const isNew = load === "new keys";
  const keys = Math.ceil((2 * memoryBytes) / meanOf(draw));
  let state = 1;
  let inserted = 0;
  let worstMs = 0;
  copied = 0;
  for (let n = 0; inserted < (isNew ? 1.5 : 2) * memoryBytes; n++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const number = isNew ? n : Math.floor((state / 2 ** 32) * keys);
    key.bytes.writeUInt32LE(number);
    into.clear();
    if (!isNew && cache.get(key, 0, into) !== MISS) continue;
    value.end = draw(partOf(number));
    const start = performance.now();
    cache.put(key, value, NEVER, 0);
    worstMs = Math.max(worstMs, performance.now() - start);
    inserted += KEY_BYTES + value.end;
  }
  const share = (100 * cache.maintenance.stats().bytes) / memoryBytes;
  const shards = cache.ring.shards;
  return { values, load, mebibytes, shards, share, copied: copied / inserted, worstMs };
}

function meanOf(draw: Draw): number {
  let sum = 0;
  for (let n = 0; n < 1000; n++) sum += draw(partOf(n));
  return sum / 1000;
}

function partOf(number: number): number {
  return (Math.imul(number + 1, 0x9e37_79b1) >>> 0) / 2 ** 32;
}

async function report(): Promise<void> {
  const machine = describeMachine();
  const method = `${KEY_BYTES} B keys, limits of the service; keys and values in per cent of the memory`;
  console.log(`${machine}\n${method}`);
  const table = new Table({
    head: ["bytes of a value", "load", ...memories.map((of) => `${of} MiB`), "copied a byte put"],
    colAligns: ["right", "left", ...memories.map(() => "right" as const), "right"],
    style: { head: [], border: [], compact: true },
  });
  for (let first = 0; first < rows.length; first += memories.length) {
    const some = rows.slice(first, first + memories.length);
    const { values = "", load = "" } = some[0] ?? {};
    const most = Math.max(...some.map((row) => row.copied));
    table.push([values, load, ...some.map(({ share }) => share.toFixed(1)), most.toFixed(2)]);
  }
  console.log(table.toString());
  await keepResult("space", { machine, method, rows });
}
