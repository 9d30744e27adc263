// The figures of the last second, for the dashboard and `bun run top`.

import { isUtf8 } from "node:buffer";

import { type Cache, SAMPLE_ONE_IN } from "../cache/cache.ts";
import { type Config, version } from "../config/config.ts";
import type { HotKey as HotKeyView, LiveStats } from "../live/stats.ts";
import { residentBytes } from "../linux/resources.ts";
import type { Service } from "../service/service.ts";
import { BUCKETS, quantileOf } from "../shared-memory/histogram.ts";
import type { HotKey } from "./hot-keys.ts";
import { requestsOf } from "./protocol.ts";

import { PUBLISHED_KEYS } from "./workers.ts";
import type { MetricsContext } from "./metric.ts";

/** Slots looked at to estimate what has expired. */
const EXPIRED_SAMPLE = 1000;
const KEYS_MAX = 10;
/** A key whose count may be mostly error is not told: all keys are alike then, and none is hot. */
const MOST_DOUBT = 2;

/** Counts since the start. */
interface CounterTable {
  readonly timeMs: number;
  readonly requests: number;
  readonly hit: number;
  readonly miss: number;
  readonly evicted: number;
  readonly expired: number;
  /** Durations of requests, by bucket. */
  readonly durations: Float64Array;
}

export class LiveSampler {
  readonly #sources: MetricsContext;
  readonly #shares: ArrayLike<number>;
  /** The marks before the last one, and the last. */
  #before: CounterTable;
  #last: CounterTable;

  constructor(sources: MetricsContext) {
    this.#sources = sources;
    this.#shares = sources.cache.ring.shares();
    this.#last = this.#before = this.#counts();
  }

  /** To be called once a second: the figures are those since the mark before the last one. O(commands × threads). */
  mark(): void {
    this.#before = this.#last;
    this.#last = this.#counts();
  }

  /** What is now, and what has happened in the last second or two. O(shards + commands × threads). */
  stats(): LiveStats {
    const { cache, config, service, workers, protocols } = this.#sources;
    const last = this.#before;
    const now = this.#counts();
    const seconds = Math.max(0.001, (now.timeMs - last.timeMs) / 1000);
    const perSecond = (name: "requests" | "evicted" | "expired") =>
      Math.max(0, now[name] - last[name]) / seconds;
    const gets = now.hit + now.miss - last.hit - last.miss;
    const stats = cache.stats();
    const rows = Array.from({ length: workers.count }, (_, thread) => workers.read(thread));
    const expiredBytes = Math.round(
      stats.expiring === 0 ? 0 : stats.bytes * cache.expiredPart(cache.clock.now(), EXPIRED_SAMPLE),
    );
    const clients = { http: 0, resp: 0 };
    for (const one of protocols()) clients[one.protocol] = one.clients() ?? 0;
    return {
      timeMs: Date.now(),
      state: service.state.phase,
      version,
      uptimeSeconds: (performance.now() - service.startedMs) / 1000,
      requestsPerSecond: perSecond("requests"),
      hitRatio: gets === 0 ? null : (now.hit - last.hit) / gets,
      latencyMs: latencyOf(last.durations, now.durations),
      entries: stats.entries,
      memory: {
        maxBytes: stats.memory,
        usedBytes: stats.used,
        liveBytes: stats.bytes - expiredBytes,
        deadBytes: stats.dead,
        expiredBytes,
      },
      residentBytes: residentBytes(),
      evictionsPerSecond: perSecond("evicted"),
      expirationsPerSecond: perSecond("expired"),
      clients,
      virtualNodes: config.virtualNodes,
      shards: shardsOf(cache, this.#shares),
      workers: rows.map(({ load, requestsPerSecond }, worker) => {
        return { worker, load, requestsPerSecond };
      }),
      workerRestarts: stats.lostThreads,
      hotKeys: {
        sampled: Math.round(rows.reduce((sum, { sampled }) => sum + sampled, 0)),
        oneIn: SAMPLE_ONE_IN,
        keys: mergedOf(rows.map(({ hotKeys }) => hotKeys)),
      },
      snapshot: snapshotOf(config, service),
    };
  }

  #counts(): CounterTable {
    const { cache, protocols } = this.#sources;
    const { hit, miss, evicted, expired } = cache.stats();
    const durations = new Float64Array(BUCKETS);
    let requests = 0;
    for (const protocol of protocols()) {
      requests += requestsOf(protocol);
      for (const [bucket, count] of protocol.durations.all().entries()) {
        durations[bucket] = (durations[bucket] ?? 0) + count;
      }
    }
    return { timeMs: performance.now(), requests, hit, miss, evicted, expired, durations };
  }
}

function latencyOf(last: Float64Array, now: Float64Array): LiveStats["latencyMs"] {
  const counts = now.map((count, bucket) => count - (last[bucket] ?? 0));
  const of = (quantile: number) => quantileOf(counts, quantile);
  const [p50, p99, p999] = [of(0.5), of(0.99), of(0.999)];
  if (p50 === undefined || p99 === undefined || p999 === undefined) return null;
  return { p50: p50 / 1000, p99: p99 / 1000, p999: p999 / 1000 };
}

function shardsOf(cache: Cache, shares: ArrayLike<number>): LiveStats["shards"] {
  return cache
    .shardStats()
    .map(({ entries, bytes }, shard) => ({ shard, share: shares[shard] ?? 0, entries, bytes }));
}

function snapshotOf({ dataDir }: Config, { state }: Service): LiveStats["snapshot"] {
  return {
    isEnabled: dataDir !== "",
    lastMs: state.get("savedMs"),
    hasFailed: state.get("hasSaveFailed") !== 0,
  };
}

/**
 * The sketches of all workers as one. A key that a worker does not tell of may have been seen there
 * as often as the last one that it does tell of.
 */
function mergedOf(sketches: readonly (readonly HotKey[])[]): HotKeyView[] {
  const keys = new Set(sketches.flat().map(({ key }) => key));
  const merged = [...keys].map((key) => {
    let count = 0;
    let error = 0;
    for (const sketch of sketches) {
      const known = sketch.find((one) => one.key === key);
      const unseen = sketch.length < PUBLISHED_KEYS ? 0 : (sketch.at(-1)?.count ?? 0);
      count += known?.count ?? unseen;
      error += known?.error ?? unseen;
    }
    return { key, count: Math.round(count), error: Math.round(error) };
  });
  return merged
    .filter(({ count, error }) => error * MOST_DOUBT <= count)
    .sort((a, b) => b.count - b.error - (a.count - a.error))
    .slice(0, KEYS_MAX)
    .map(({ key, ...counts }) => {
      const bytes = Buffer.from(key, "latin1");
      return isUtf8(bytes)
        ? { key: bytes.toString("utf8"), ...counts }
        : { key: bytes.toString("base64"), encoding: "base64", ...counts };
    });
}
