// One thread of bench churn: writes its part of the bytes and says how long its puts took.

import { parentPort, workerData } from "node:worker_threads";
import { edenGC } from "bun:jsc";
import { build } from "hdr-histogram-js";

import {
  type Bytes,
  Cache,
  type CacheMemory,
  type CacheOptions,
  NEVER,
} from "../../src/cache/cache.ts";

export interface ChurnStart {
  readonly options: CacheOptions;
  readonly memory: CacheMemory;
  readonly thread: number;
  /** 0 for sizes whose logarithm is uniform up to the limit. */
  readonly valueBytes: number;
  /** Key and value bytes to write. */
  readonly bytes: number;
  /** Bytes a second at most; Infinity as fast as it goes. */
  readonly rate: number;
  /** Keys that the entries are of; Infinity for new ones only. */
  readonly keys: number;
  readonly deleteShare: number;
  readonly longestTtlMs: number;
}

export interface ChurnResult {
  readonly puts: number;
  /** Nanoseconds a put took while the cache evicted, at the 99.99th percentile. */
  readonly p9999: number;
}

const PUTS_A_COLLECTION = 50_000;
/** The thread's number, for new keys only, and the key's. */
const KEY_BYTES = 8;

const start = workerData as ChurnStart;
const { options } = start;
const cache = new Cache(options, start.memory, start.thread);
const pool = Buffer.alloc(options.maxValueBytes, start.thread + 1);
// Nothing is made for each put: what is resident shall be the cache's.
const key: Bytes = { bytes: Buffer.alloc(KEY_BYTES, start.thread), start: 0, end: KEY_BYTES };
const value = { bytes: pool, start: 0, end: 0 };
const histogram = build({ highestTrackableValue: 60_000_000_000 });
const beganMs = performance.now();
let written = 0;
let puts = 0;
for (let n = 0; written < start.bytes; n++) {
  const id = start.keys === Infinity ? n : Math.floor(Math.random() * start.keys);
  if (start.keys !== Infinity) key.bytes[0] = 0;
  key.bytes.writeUInt32LE(id, 1);
  const nowMs = cache.clock.now();
  if (Math.random() < start.deleteShare) {
    cache.delete(key, nowMs);
    continue;
  }
  value.end = nextLength();
  const mortal = start.longestTtlMs > 0;
  const expiresAtMs = mortal ? nowMs + Math.random() * start.longestTtlMs : NEVER;
  const putNanos = Bun.nanoseconds();
  cache.put(key, value, expiresAtMs, nowMs);
  // The first half of the bytes fills the cache, and more than once.
  if (written > start.bytes / 2) histogram.recordValue(Bun.nanoseconds() - putNanos);
  written += key.end + value.end;
  puts++;
  pace();
  // A worker of the service does so ten times a second.
  if (puts % PUTS_A_COLLECTION === 0) edenGC();
}
const result: ChurnResult = { puts, p9999: histogram.getValueAtPercentile(99.99) };
parentPort?.postMessage(result);

function nextLength(): number {
  if (start.valueBytes > 0) return start.valueBytes;
  return Math.floor(options.maxValueBytes ** Math.random());
}

/** Waits while more has been written than the rate allows. */
function pace(): void {
  const aheadMs = (written / start.rate) * 1000 - (performance.now() - beganMs);
  if (aheadMs > 20) Bun.sleepSync(aheadMs);
}
