// One run of bench churn in a process of its own, so that its memory is its own:
// `bun churn-run.ts WORKLOAD THREADS MEMORY-BYTES` prints one line of JSON.

import { Worker } from "node:worker_threads";
import { mean, min } from "simple-statistics";

import { Cache, type CacheOptions, fitOptions } from "../../src/cache/cache.ts";
import { startMaintenance } from "../../src/process/maintenance.ts";
import type { ChurnResult, ChurnStart } from "./churn-thread.ts";

/** Bytes that are written, in sizes of the memory. */
const TURNOVERS = 20;
const MAX_VALUE_BYTES = 2 ** 20;
const SAMPLE_EVERY_MS = 20;
const MEBIBYTE = 2 ** 20;

export interface ChurnFigures {
  /** Peak resident memory of the process, and its bound: 1.15 × memory + 80 MB + 10 MB a thread. */
  readonly rssMb: number;
  readonly boundMb: number;
  /** Bytes of keys and values held, as a part of the memory, in the second half. */
  readonly leastUseful: number;
  readonly meanUseful: number;
  readonly puts: number;
  readonly putsPerSecond: number;
  readonly p9999Micros: number;
}

/** What each workload does; its sizes are up to the limit where `valueBytes` is 0. */
export const WORKLOADS = {
  "insert, mixed sizes": { valueBytes: 0 },
  "insert, 100 B": { valueBytes: 100 },
  "overwrite, mixed sizes": { valueBytes: 0, fill: 1.6 },
  "overwrite, 100 B": { valueBytes: 100, fill: 1.6 },
  "delete, mixed sizes": { valueBytes: 0, fill: 4, deleteShare: 0.45 },
  "delete, 100 B": { valueBytes: 100, fill: 4, deleteShare: 0.45 },
  "ttl, mixed sizes": { valueBytes: 0, longestTtlMs: 6000, turnoverSeconds: 2 },
  "ttl, 100 B": { valueBytes: 100, longestTtlMs: 6000, turnoverSeconds: 2 },
} as const satisfies Record<string, Shape>;

interface Shape {
  readonly valueBytes: number;
  /** Bytes of the entries of all keys, in sizes of the memory; without it every key is new. */
  readonly fill?: number;
  readonly deleteShare?: number;
  readonly longestTtlMs?: number;
  /** Milliseconds in which at most one --memory of bytes is written. */
  readonly turnoverSeconds?: number;
}

if (import.meta.main) {
  const [name = "", threads = "1", memoryBytes = "0"] = Bun.argv.slice(2);
  const shape = (WORKLOADS as Readonly<Record<string, Shape>>)[name];
  if (shape === undefined) throw new Error(`no workload "${name}"`);
  console.log(JSON.stringify(await churn(shape, Number(threads), Number(memoryBytes))));
  // The upkeep would go on for ever.
  process.exit(0);
}

async function churn(shape: Shape, threads: number, memoryBytes: number): Promise<ChurnFigures> {
  const options: CacheOptions = fitOptions({
    store: "shared",
    shards: 64,
    virtualNodes: 1024,
    memoryBytes,
    evicts: true,
    maxKeyBytes: 1024,
    defaultTtlMs: Infinity,
    maxTtlMs: Infinity,
    maxValueBytes: MAX_VALUE_BYTES,
  });
  const memory = Cache.allocate(options, threads + 1);
  const cache = new Cache(options, memory, threads);
  startMaintenance(cache, () => {});
  const { valueBytes, fill, deleteShare = 0, longestTtlMs = 0, turnoverSeconds } = shape;
  // Of sizes whose logarithm is uniform.
  const meanLength = valueBytes || MAX_VALUE_BYTES / Math.log(MAX_VALUE_BYTES);
  const useful: number[] = [];
  let rssMb = 0;
  const sampling = setInterval(() => {
    rssMb = Math.max(rssMb, process.memoryUsage.rss() / MEBIBYTE);
    useful.push(cache.maintenance.stats().bytes / memoryBytes);
  }, SAMPLE_EVERY_MS);
  const began = performance.now();
  const results = await Promise.all(
    Array.from({ length: threads }, (_, thread) => {
      const bytes = (TURNOVERS * memoryBytes) / threads;
      const start: ChurnStart = {
        options,
        memory,
        thread,
        valueBytes,
        bytes,
        rate: turnoverSeconds === undefined ? Infinity : bytes / TURNOVERS / turnoverSeconds,
        keys: fill === undefined ? Infinity : Math.ceil((fill * memoryBytes) / meanLength),
        deleteShare,
        longestTtlMs,
      };
      const worker = new Worker(new URL("churn-thread.ts", import.meta.url), { workerData: start });
      return new Promise<ChurnResult>((resolve, reject) => {
        worker.once("message", resolve);
        worker.once("error", reject);
      });
    }),
  );
  clearInterval(sampling);
  const seconds = (performance.now() - began) / 1000;
  cache.maintenance.verify();
  const { inserted, entries, evicted, expired, deleted, overwritten } = cache.maintenance.stats();
  const left = evicted + expired + deleted + overwritten;
  if (inserted !== entries + left)
    throw new Error(`${inserted} put, ${entries} held, ${left} gone`);
  const puts = results.reduce((sum, result) => sum + result.puts, 0);
  const settled = useful.slice(Math.floor(useful.length / 2));
  return {
    rssMb,
    boundMb: (1.15 * memoryBytes) / MEBIBYTE + 80 + 10 * threads,
    leastUseful: min(settled),
    meanUseful: mean(settled),
    puts,
    putsPerSecond: puts / seconds,
    p9999Micros: Math.max(...results.map(({ p9999 }) => p9999)) / 1000,
  };
}
