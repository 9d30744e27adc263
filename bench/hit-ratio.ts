// What part of the requests of real traces the cache answers, against other policies.
// Run by `bun run bench hit-ratio`. Each request is a get and, on a miss, a put.
//
// The cache is bounded in bytes, the figures it is held against in entries: so each
// trace is given the most memory with which the cache never holds more entries than the
// capacity. The same numbers of entries are measured with values of several lengths, since
// one length has hidden faults of the others: values up to 4 KiB in up to 64 shards, longer
// ones in shards as the service has them for its largest value.
//
// With mixed lengths, the memory is the fraction of what the entries of all keys take. Each other
// policy has as many bytes as the cache held at most, index included. The lengths are drawn by a printed
// seed (lib/value-sizes.ts), and where the trace has real ones (NAME.sizes.u32.gz) those are measured too.

import { existsSync } from "node:fs";

import { Glob } from "bun";
import Table from "cli-table3";
import { mean } from "simple-statistics";

import {
  type Bytes,
  ByteBuffer,
  Cache,
  type CacheOptions,
  MISS,
  NEVER,
} from "../src/cache/cache.ts";
import { SharedShard } from "../src/cache/store/shared/shared-shard.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { barChart } from "./lib/plot.ts";
import { hitRatioOf, type HitRatio, POLICIES, type Trace } from "./lib/policies.ts";
import { keepResult, resultPath } from "./lib/results.ts";
import { etcLengths } from "./lib/value-sizes.ts";

const FRACTIONS = [0.01, 0.1] as const;
const KEY_BYTES = 4;
/** Requests between two looks at how many entries there are. */
const LOOK_EVERY = 64;
/** Runs in which the memory is looked for, and the part of the capacity that is near enough. */
const MOST_STEPS = 12;
const NEAR = 0.998;
const VALUE_BYTES = [100, 2000, 30_000] as const;
/** For longer values the shards are those of the service: eight of its largest value. */
const SHORT_BYTES = 4096;
const LARGEST_BYTES = 2 ** 20;
/** Bytes of an entry beyond its key and value: those of the record, and a slot of the index. */
const ENTRY_BYTES = SharedShard.entryBytes(KEY_BYTES, 0, false, true) - KEY_BYTES;
/** The longest value, as a part of the memory: a record may take an eighth of a shard. */
const VALUE_SHARE_MAX = 1 / 16;

const { traces, valueBytes, only, seed } = optionsOrExit("bench hit-ratio", {
  traces: {
    kind: "text",
    default: new URL("../../shared/traces/", import.meta.url).pathname,
    placeholder: "a folder",
    help: "where the traces are: NAME.u32.gz, little-endian 32-bit key numbers in request order",
  },
  valueBytes: {
    kind: "auto",
    default: "auto",
    min: 0,
    max: 1_000_000,
    help: "bytes of a value; auto: 100, 2,000 and 30,000",
  },
  only: { kind: "text", default: "", placeholder: "a trace", help: "measure this trace alone" },
  seed: { kind: "integer", default: 1, min: 0, max: 2 ** 31, help: "draws the mixed lengths" },
} as const);

/** Miss ratios that other policies have on a trace, by the fraction of its keys that fits. */
type Baselines = Readonly<
  Record<string, { readonly sizes: Readonly<Record<string, Readonly<Record<string, number>>>> }>
>;

type Name = "ringcache" | keyof typeof POLICIES;

/** A trace with mixed lengths. */
interface MixedRow {
  readonly trace: string;
  readonly lengths: "drawn" | "real";
  readonly fraction: number;
  readonly shards: number;
  readonly memoryBytes: number;
  readonly ratios: Readonly<Record<Name, HitRatio>>;
}

interface Row {
  readonly trace: string;
  readonly fraction: number;
  readonly valueBytes: number;
  readonly capacity: number;
  readonly mostEntries: number;
  readonly shards: number;
  readonly memoryBytes: number;
  /** Hit ratios in per cent; those of baselines only where there are any. */
  readonly ours: number;
  readonly lru: number;
  readonly s3fifo: number;
  readonly sampledLru: number | undefined;
  readonly best: number | undefined;
}

const names = existsSync(traces) ? await traceNames() : [];
if (names.length === 0) {
  process.stderr.write(`bench hit-ratio: no NAME.u32.gz in ${traces}; name a folder by --traces\n`);
  process.exit(66);
}
const baselines = await readBaselines();
const rows: Row[] = [];
const mixedRows: MixedRow[] = [];
for (const trace of names.filter((name) => only === "" || name === only)) {
  const requests = await readTrace(trace);
  const distinct = new Set(requests).size;
  for (const fraction of FRACTIONS) {
    for (const length of valueBytes === "auto" ? VALUE_BYTES : [valueBytes]) {
      const row = measure(trace, requests, fraction, Math.round(distinct * fraction), length);
      rows.push(row);
      const percent = `${(fraction * 100).toString()} %, ${length} B`;
      process.stderr.write(`${trace} ${percent}: ${row.ours.toFixed(2)} %\n`);
    }
    if (valueBytes !== "auto") continue;
    for (const [lengths, bytes] of await lengthsOf(trace, requests)) {
      mixedRows.push(measureMixed(trace, lengths, requests, bytes, fraction));
    }
  }
}
await report();

/** By the memory that was too much and that which was not, in between by the entries that there were. */
function measure(
  trace: string,
  requests: Uint32Array,
  fraction: number,
  capacity: number,
  bytes: number,
): Row {
  const limits = {
    maxKeyBytes: KEY_BYTES,
    maxValueBytes: bytes <= SHORT_BYTES ? bytes : LARGEST_BYTES,
  };
  let low = Math.max(2 ** 13, SharedShard.bytesFor(KEY_BYTES, bytes));
  let high = Infinity;
  let memoryBytes = Math.max(
    low,
    Math.floor(capacity * SharedShard.entryBytes(KEY_BYTES, bytes, false, true)),
  );
  let best: (ReturnType<typeof run> & { memoryBytes: number }) | undefined;
  for (let step = 0; step < MOST_STEPS; step++) {
    const result = run(requests, { ...limits, memoryBytes }, bytes);
    if (result.mostEntries > capacity) high = memoryBytes;
    else {
      low = memoryBytes;
      best = { ...result, memoryBytes };
      if (result.mostEntries >= capacity * NEAR) break;
    }
    if (memoryBytes <= low && high <= low) break;
    const guess = (memoryBytes * capacity * (1 + NEAR)) / 2 / result.mostEntries;
    memoryBytes = Math.floor(guess > low && guess < high ? guess : (low + high) / 2);
    if (high - low < 64) break;
  }
  if (best === undefined) throw new RangeError(`${capacity} entries of ${bytes} bytes are too few`);
  const other = baselines[trace]?.sizes[String(fraction)];
  const hits = (miss: number | undefined) => (miss === undefined ? undefined : (1 - miss) * 100);
  return {
    trace,
    fraction,
    valueBytes: bytes,
    capacity,
    ...best,
    lru: modelled("LRU", requests, capacity),
    s3fifo: modelled("S3-FIFO", requests, capacity),
    sampledLru: hits(other?.["rlru"]),
    best: hits(other?.["opt"]),
  };
}

function run(requests: Uint32Array, options: Partial<CacheOptions>, valueBytes: number) {
  const cache = Cache.create(options);
  const key: Bytes = { bytes: Buffer.alloc(KEY_BYTES), start: 0, end: KEY_BYTES };
  const value: Bytes = { bytes: Buffer.alloc(valueBytes, "v"), start: 0, end: valueBytes };
  const into = new ByteBuffer(valueBytes);
  let hits = 0;
  let mostEntries = 0;
  for (const [index, number] of requests.entries()) {
    key.bytes.writeUInt32LE(number);
    into.clear();
    if (cache.get(key, 0, into) !== MISS) hits++;
    else cache.put(key, value, NEVER, 0);
    if (index % LOOK_EVERY === 0)
      mostEntries = Math.max(mostEntries, cache.maintenance.stats().entries);
  }
  return { ours: (hits / requests.length) * 100, mostEntries, shards: cache.ring.shards };
}

/** The hit ratio of a policy that holds `capacity` entries of one length. */
function modelled(name: keyof typeof POLICIES, requests: Uint32Array, capacity: number): number {
  const bytes = new Uint32Array(keysOf(requests)).fill(1);
  return hitRatioOf(name, { requests, bytes }, capacity).objects;
}

/** One more than the largest key number. */
function keysOf(requests: Uint32Array): number {
  return requests.reduce((most, key) => Math.max(most, key + 1), 0);
}

/** The lengths of the values by key: drawn ones, and real ones if the trace has them. */
async function lengthsOf(
  trace: string,
  requests: Uint32Array,
): Promise<[MixedRow["lengths"], Uint32Array][]> {
  const drawn = etcLengths(seed, keysOf(requests), LARGEST_BYTES);
  if (!existsSync(`${traces}/${trace}.sizes.u32.gz`)) return [["drawn", drawn]];
  const real = new Uint32Array(drawn.length);
  const lengths = await readTrace(`${trace}.sizes`);
  for (const [at, key] of requests.entries()) real[key] = lengths[at] as number;
  return [
    ["drawn", drawn],
    ["real", real],
  ];
}

function measureMixed(
  trace: string,
  lengths: MixedRow["lengths"],
  requests: Uint32Array,
  drawn: Uint32Array,
  fraction: number,
): MixedRow {
  let total = 0;
  for (const key of new Set(requests)) total += (drawn[key] as number) + KEY_BYTES + ENTRY_BYTES;
  const memoryBytes = Math.max(2 ** 16, Math.round(total * fraction));
  const longest = Math.floor(memoryBytes * VALUE_SHARE_MAX);
  const values = drawn.map((length) => Math.min(length, longest));
  const maxValueBytes = values.reduce((most, length) => Math.max(most, length), 1);
  const options = { memoryBytes, maxKeyBytes: KEY_BYTES, maxValueBytes };
  const { ratio, mostBytes, shards } = runMixed({ requests, bytes: values }, options);
  const charged = values.map((length) => length + KEY_BYTES + ENTRY_BYTES);
  const held = { requests, bytes: charged, counted: values };
  const ratios = { ringcache: ratio } as Record<Name, HitRatio>;
  for (const name of Object.keys(POLICIES) as (keyof typeof POLICIES)[]) {
    ratios[name] = hitRatioOf(name, held, mostBytes);
  }
  const percent = `${fraction * 100} %, ${lengths} lengths`;
  process.stderr.write(`${trace} ${percent}: ${ratio.objects.toFixed(2)} %\n`);
  return { trace, lengths, fraction, shards, memoryBytes, ratios };
}

/** The hit ratios of the cache with these lengths of values, and the most bytes that its entries took. */
function runMixed({ requests, bytes }: Trace, options: Partial<CacheOptions>) {
  const cache = Cache.create(options);
  const key: Bytes = { bytes: Buffer.alloc(KEY_BYTES), start: 0, end: KEY_BYTES };
  const value = { bytes: Buffer.alloc(options.maxValueBytes ?? 0, "v"), start: 0, end: 0 };
  const into = new ByteBuffer(value.bytes.length);
  const count = { hits: 0, hitBytes: 0, bytes: 0 };
  let mostBytes = 0;
  for (const [index, number] of requests.entries()) {
    key.bytes.writeUInt32LE(number);
    into.clear();
    value.end = bytes[number] as number;
    count.bytes += value.end;
    if (cache.get(key, 0, into) !== MISS) {
      count.hits++;
      count.hitBytes += value.end;
    } else cache.put(key, value, NEVER, 0);
    if (index % LOOK_EVERY > 0) continue;
    const stats = cache.maintenance.stats();
    mostBytes = Math.max(mostBytes, stats.bytes + stats.entries * ENTRY_BYTES);
  }
  const objects = (count.hits / requests.length) * 100;
  const ratio: HitRatio = { objects, bytes: (count.hitBytes / count.bytes) * 100 };
  return { ratio, mostBytes, shards: cache.ring.shards };
}

function printMixed(): void {
  const names = ["ringcache", ...Object.keys(POLICIES)] as Name[];
  for (const fraction of FRACTIONS) {
    const some = mixedRows.filter((row) => row.fraction === fraction);
    if (some.length === 0) continue;
    const head = [`memory for ${fraction * 100} %, objects / bytes`, "lengths", "shards", ...names];
    const table = new Table({
      head,
      colAligns: head.map((_, column) => (column < 2 ? "left" : "right")),
      style: { head: [], border: [], compact: true },
    });
    const shown = ({ objects, bytes }: HitRatio) => `${objects.toFixed(2)} / ${bytes.toFixed(2)}`;
    for (const { trace, lengths, shards, ratios } of some) {
      table.push([trace, lengths, shards, ...names.map((name) => shown(ratios[name]))]);
    }
    const drawn = some.filter(({ lengths }) => lengths === "drawn");
    const means = names.map((name) => {
      const each = drawn.map(({ ratios }) => ratios[name]);
      return shown({
        objects: mean(each.map(({ objects }) => objects)),
        bytes: mean(each.map(({ bytes }) => bytes)),
      });
    });
    table.push(["mean", "drawn", "", ...means]);
    console.log(table.toString());
  }
}

async function report(): Promise<void> {
  const machine = describeMachine();
  const method = `get, and put on a miss; ${KEY_BYTES} B keys, cold start`;
  console.log(`${machine}\n${method}; hit ratios in per cent`);
  for (const fraction of FRACTIONS) {
    const some = rows.filter((row) => row.fraction === fraction);
    const table = new Table({
      head: [
        `${fraction * 100} % of the keys fit`,
        "value",
        "entries",
        "shards",
        "ringcache",
        "LRU",
        "S3-FIFO",
        "sampled LRU",
        "best possible",
      ],
      colAligns: ["left", "right", "right", "right", "right", "right", "right", "right", "right"],
      style: { head: [], border: [], compact: true },
    });
    const shown = (value: number | undefined) => value?.toFixed(2) ?? "";
    for (const { trace, valueBytes: length, mostEntries, shards, ...row } of some) {
      const stats = [row.ours, row.lru, row.s3fifo, row.sampledLru, row.best].map(shown);
      table.push([trace, `${length} B`, mostEntries.toLocaleString("en"), shards, ...stats]);
    }
    for (const length of new Set(some.map((row) => row.valueBytes))) {
      const alike = some.filter((row) => row.valueBytes === length);
      const means = (["ours", "lru", "s3fifo", "sampledLru", "best"] as const).map((name) => {
        const known = alike.map((row) => row[name]).filter((value) => value !== undefined);
        return known.length === alike.length ? shown(mean(known)) : "";
      });
      table.push(["mean", `${length} B`, "", "", ...means]);
    }
    console.log(table.toString());
  }
  console.log(`mixed lengths: of the pool ETC of Facebook (SIGMETRICS 2012), seed ${seed}`);
  printMixed();
  await keepResult("hit-ratio", { machine, method, seed, rows, mixedRows });
  const first = rows.filter((row) => row.valueBytes === rows[0]?.valueBytes);
  const bars = first.flatMap(({ trace, fraction, ours, lru, s3fifo, best }) => {
    const group = `${trace}, ${fraction * 100} %`;
    const of = { ringcache: ours, LRU: lru, "S3-FIFO": s3fifo, "best possible": best };
    const panel = "values of one length";
    return Object.entries(of).map(([name, y]) => ({ panel, group, name, y: y ?? 0 }));
  });
  for (const { trace, lengths, fraction, ratios } of mixedRows) {
    const group = `${trace}, ${fraction * 100} %${lengths === "real" ? ", real" : ""}`;
    for (const name of ["ringcache", "LRU", "S3-FIFO", "best possible"] as const) {
      for (const part of ["objects", "bytes"] as const) {
        bars.push({ panel: `mixed lengths, ${part}`, group, name, y: ratios[name][part] });
      }
    }
  }
  const chart = await barChart("Hit ratio on real traces", "per cent", bars);
  await Bun.write(resultPath("hit-ratio", "svg"), chart);
}

/** Without those that are too small to be told anything by. */
async function traceNames(): Promise<string[]> {
  const files = await Array.fromAsync(new Glob("*.u32.gz").scan(traces));
  const names = files.map((file) => file.slice(0, -".u32.gz".length));
  return names.filter((name) => !name.endsWith(".sizes") && name !== "gli").sort();
}

async function readTrace(name: string): Promise<Uint32Array> {
  const bytes = Bun.gunzipSync(await Bun.file(`${traces}/${name}.u32.gz`).bytes());
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

async function readBaselines(): Promise<Baselines> {
  const file = Bun.file(`${traces}/baselines.json`);
  if (!(await file.exists())) return {};
  return ((await file.json()) as { traces: Baselines }).traces;
}
