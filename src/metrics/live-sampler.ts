// The stats of the last second, for the dashboard and `bun run top`.
// Typed arrays: indexes are in range by construction.

import { isUtf8 } from "node:buffer";

import { type Cache, SAMPLE_ONE_IN } from "../cache/cache.ts";
import { type Config, version } from "../config/config.ts";
import type { HotKey as HotKeyView, LiveStats } from "../live/stats.ts";
import { residentBytes } from "../linux/resources.ts";
import type { Service } from "../service/service.ts";
import { BUCKETS, quantileOf } from "../shared-memory/histogram.ts";
import type { HotKey } from "./hot-keys.ts";
import type { MetricsContext, UpstreamSampler } from "./metric.ts";
import { totalRequests } from "./protocol.ts";
import { PUBLISHED_KEYS } from "./workers.ts";

/** Slots that are inspected to estimate the bytes of expired entries. */
const EXPIRED_SAMPLE = 1000;
const KEYS_MAX = 10;
/**
 * A key is left out if more than 1 / ERROR_FACTOR of its count may be error: all keys are then
 * equally frequent, and none is hot.
 */
const ERROR_FACTOR = 2;

/** Counters since the start. */
interface Totals {
  readonly timeMs: number;
  readonly requests: number;
  readonly hit: number;
  readonly miss: number;
  readonly evicted: number;
  readonly expired: number;
  readonly leasesGranted: number;
  readonly leaseWaits: number;
  readonly staleServed: number;
  readonly invalidations: number;
  /** Durations of requests, by bucket. */
  readonly durations: Float64Array;
}

export class LiveSampler {
  readonly #context: MetricsContext;
  readonly #shares: ArrayLike<number>;
  readonly #upstream: UpstreamSampler | undefined;
  /** The totals at the last mark and at the mark before it. */
  #previous: Totals;
  #last: Totals;

  constructor(context: MetricsContext) {
    this.#context = context;
    this.#shares = context.cache.ring.shares();
    this.#upstream = context.upstream?.createSampler();
    this.#last = this.#previous = this.#totals();
  }

  /**
   * Marks a second; to be called once a second. Rates count from the mark before the last.
   * O(commands × threads).
   */
  mark(): void {
    this.#previous = this.#last;
    this.#last = this.#totals();
    this.#upstream?.mark();
  }

  /**
   * Returns the current state, and the rates of the last one to two seconds. O(shards + commands ×
   * threads).
   */
  stats(): LiveStats {
    const { cache, config, service, workers, protocols } = this.#context;
    const last = this.#previous;
    const now = this.#totals();
    const seconds = Math.max(0.001, (now.timeMs - last.timeMs) / 1000);
    const perSecond = (name: Exclude<keyof Totals, "durations">) =>
      Math.max(0, now[name] - last[name]) / seconds;
    const gets = now.hit + now.miss - last.hit - last.miss;
    const stats = cache.maintenance.stats();
    const rows = Array.from({ length: workers.count }, (_, thread) => workers.read(thread));
    const expiredBytes = Math.round(
      stats.expiring === 0
        ? 0
        : stats.bytes * cache.maintenance.expiredRatio(cache.clock.now(), EXPIRED_SAMPLE),
    );
    const clients = { http: 0, resp: 0 };
    for (const protocol of protocols()) clients[protocol.protocol] = protocol.clients() ?? 0;
    return {
      timeMs: Date.now(),
      state: service.state.phase,
      version,
      uptimeSeconds: (performance.now() - service.startedMs) / 1000,
      requestsPerSecond: perSecond("requests"),
      hitRatio: gets === 0 ? null : (now.hit - last.hit) / gets,
      latencyMs: percentiles(last.durations, now.durations),
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
      caching: {
        leasesPerSecond: perSecond("leasesGranted"),
        waitsPerSecond: perSecond("leaseWaits"),
        stalePerSecond: perSecond("staleServed"),
        invalidationsPerSecond: perSecond("invalidations"),
      },
      upstream: this.#upstream?.view() ?? null,
      clients,
      virtualNodes: config.virtualNodes,
      shards: shardViews(cache, this.#shares),
      workers: rows.map(({ load, requestsPerSecond }, worker) => {
        return { worker, load, requestsPerSecond };
      }),
      workerRestarts: stats.lostThreads,
      hotKeys: {
        sampled: Math.round(rows.reduce((sum, { sampled }) => sum + sampled, 0)),
        oneIn: SAMPLE_ONE_IN,
        keys: mergeSketches(rows.map(({ hotKeys }) => hotKeys)),
      },
      snapshot: snapshotView(config, service),
    };
  }

  #totals(): Totals {
    const { cache, protocols } = this.#context;
    const { hit, miss, evicted, expired, ...more } = cache.maintenance.stats();
    const { leasesGranted, leaseWaits, staleServed, invalidations } = more;
    const durations = new Float64Array(BUCKETS);
    let requests = 0;
    for (const protocol of protocols()) {
      requests += totalRequests(protocol);
      for (const [bucket, count] of protocol.durations.all().entries()) {
        durations[bucket]! += count;
      }
    }
    return {
      ...{ timeMs: performance.now(), requests, hit, miss, evicted, expired, durations },
      ...{ leasesGranted, leaseWaits, staleServed, invalidations },
    };
  }
}

function percentiles(last: Float64Array, now: Float64Array): LiveStats["latencyMs"] {
  const counts = now.map((count, bucket) => count - last[bucket]!);
  const [p50, p99, p999] = [0.5, 0.99, 0.999].map((quantile) => quantileOf(counts, quantile));
  if (p50 === undefined || p99 === undefined || p999 === undefined) return null;
  return { p50: p50 / 1000, p99: p99 / 1000, p999: p999 / 1000 };
}

function shardViews(cache: Cache, shares: ArrayLike<number>): LiveStats["shards"] {
  return cache.maintenance
    .shardStats()
    .map(({ entries, bytes }, shard) => ({ shard, share: shares[shard]!, entries, bytes }));
}

function snapshotView({ dataDir }: Config, { state }: Service): LiveStats["snapshot"] {
  return {
    isEnabled: dataDir !== "",
    lastMs: state.get("savedMs"),
    hasFailed: state.get("hasSaveFailed") !== 0,
  };
}

/**
 * Merges the sketches of all workers. A key that a worker did not publish may have there as high a
 * count as the last key that the worker published.
 */
function mergeSketches(sketches: readonly (readonly HotKey[])[]): HotKeyView[] {
  const keys = new Set(sketches.flat().map(({ key }) => key));
  const merged = [...keys].map((key) => {
    let count = 0;
    let error = 0;
    for (const sketch of sketches) {
      const known = sketch.find((entry) => entry.key === key);
      const unseen = sketch.length < PUBLISHED_KEYS ? 0 : (sketch.at(-1)?.count ?? 0);
      count += known?.count ?? unseen;
      error += known?.error ?? unseen;
    }
    return { key, count: Math.round(count), error: Math.round(error) };
  });
  return merged
    .filter(({ count, error }) => error * ERROR_FACTOR <= count)
    .sort((a, b) => b.count - b.error - (a.count - a.error))
    .slice(0, KEYS_MAX)
    .map(({ key, ...counts }) => {
      const bytes = Buffer.from(key, "latin1");
      return isUtf8(bytes)
        ? { key: bytes.toString("utf8"), ...counts }
        : { key: bytes.toString("base64"), encoding: "base64", ...counts };
    });
}
