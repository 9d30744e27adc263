// One measurement of an engine in a process of its own, so that its memory is its own:
// `bun engine-run.ts ENGINE ENTRIES` prints one line of JSON. bench/engine.ts starts it.
//
// Engines: the cache over SharedShard or MapShard, which take and give bytes; and a bare
// JavaScript Map of Buffers whose keys are strings that were made beforehand. It copies
// a value when it is set, as a store must; a get hands out the Buffer itself, and is
// measured a second time with a copy, which is what the caches do.

import { build } from "hdr-histogram-js";

import { type Bytes, ByteBuffer, Cache, NEVER } from "../../src/cache/cache.ts";

export const KEY_BYTES = 12;
export const VALUE_BYTES = 100;
const BATCH = 64;
const BATCHES = 40_000;
const GET_SHARE = 0.75;
const SINGLE_OPERATIONS = 1_000_000;

export type EngineName = "shared" | "map" | "bare Map";

export interface EngineResult {
  /** Resident bytes for each entry beyond its key and value. */
  readonly overheadBytes: number;
  readonly operationsPerSecond: number;
  /** Latency of the batches, in milliseconds. */
  readonly p9999: number;
  readonly worst: number;
  readonly getNanos: number;
  /** With the value copied out; the caches do nothing else. */
  readonly getCopyNanos: number;
  readonly setNanos: number;
}

interface Engine {
  /** Throws if the value is not as long as it was put: a wrong answer is not a fast one. */
  get(n: number): void;
  getCopy(n: number): void;
  set(n: number): void;
}

function run(name: EngineName, entries: number): EngineResult {
  // Keys lie in one buffer for all engines, so that making them costs no engine anything.
  const keys = Buffer.alloc(entries * KEY_BYTES);
  for (let n = 0; n < entries; n++) {
    keys.write(`key:${String(n).padStart(8, "0")}`, n * KEY_BYTES, "latin1");
  }
  const value = Buffer.alloc(VALUE_BYTES, "v");
  const engine = name === "bare Map" ? bareMap(entries, keys, value) : ours(name, keys, value);
  Bun.gc(true);
  const before = process.memoryUsage.rss();
  for (let n = 0; n < entries; n++) engine.set(n);
  Bun.gc(true);
  const resident = process.memoryUsage.rss() - before;

  const batches = measureBatches(engine, entries);
  return {
    overheadBytes: resident / entries - KEY_BYTES - VALUE_BYTES,
    ...batches,
    getNanos: measureSingle(engine.get, entries),
    getCopyNanos: measureSingle(engine.getCopy, entries),
    setNanos: measureSingle(engine.set, entries),
  };
}

function measureBatches(engine: Engine, entries: number) {
  const histogram = build({
    highestTrackableValue: 60_000_000_000,
    numberOfSignificantValueDigits: 3,
  });
  const startNanos = Bun.nanoseconds();
  for (let batch = 0; batch < BATCHES; batch++) {
    const batchNanos = Bun.nanoseconds();
    for (let n = 0; n < BATCH; n++) {
      const key = Math.floor(Math.random() * entries);
      if (Math.random() < GET_SHARE) engine.get(key);
      else engine.set(key);
    }
    histogram.recordValue(Math.max(1, Math.round(Bun.nanoseconds() - batchNanos)));
  }
  const seconds = (Bun.nanoseconds() - startNanos) / 1e9;
  return {
    operationsPerSecond: (BATCHES * BATCH) / seconds,
    p9999: histogram.getValueAtPercentile(99.99) / 1e6,
    worst: histogram.maxValue / 1e6,
  };
}

function measureSingle(operation: (n: number) => void, entries: number): number {
  const startNanos = Bun.nanoseconds();
  for (let n = 0; n < SINGLE_OPERATIONS; n++) operation(Math.floor(Math.random() * entries));
  return (Bun.nanoseconds() - startNanos) / SINGLE_OPERATIONS;
}

function ours(store: "shared" | "map", keys: Buffer, value: Buffer): Engine {
  const cache = Cache.create({ store, memoryBytes: 2 ** 32 });
  const key = { bytes: keys, start: 0, end: 0 };
  const put: Bytes = { bytes: value, start: 0, end: value.length };
  const into = new ByteBuffer();
  const point = (n: number): Bytes => {
    key.start = n * KEY_BYTES;
    key.end = key.start + KEY_BYTES;
    return key;
  };
  const get = (n: number): void => {
    into.clear();
    if (cache.get(point(n), 0, into) !== value.length) throw new Error("wrong answer");
  };
  return {
    get,
    getCopy: get,
    set: (n) => cache.put(point(n), put, NEVER, 0),
  };
}

function bareMap(entries: number, keys: Buffer, value: Buffer): Engine {
  const name = (n: number) => keys.toString("latin1", n * KEY_BYTES, (n + 1) * KEY_BYTES);
  const names = Array.from({ length: entries }, (_, n) => name(n));
  const map = new Map<string, Buffer>();
  const into = Buffer.alloc(VALUE_BYTES);
  return {
    get(n) {
      if (map.get(names[n] ?? "")?.length !== value.length) throw new Error("wrong answer");
    },
    getCopy(n) {
      if (map.get(names[n] ?? "")?.copy(into) !== value.length) throw new Error("wrong answer");
    },
    set: (n) => void map.set(names[n] ?? "", Buffer.from(value)),
  };
}

if (import.meta.main) {
  const [engine, entries] = Bun.argv.slice(2);
  console.log(JSON.stringify(run(engine as EngineName, Number(entries))));
}
