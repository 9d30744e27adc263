// The stats that the dashboard and `bun run top` receive once a second.

/** One shard: its fraction of the ring (0 to 1), its entries, and the bytes of keys and values. */
export interface ShardView {
  readonly shard: number;
  readonly share: number;
  readonly entries: number;
  readonly bytes: number;
}

/** One worker: the fraction of the last second that it was busy (0 to 1), and its requests. */
export interface WorkerView {
  readonly worker: number;
  readonly load: number;
  readonly requestsPerSecond: number;
}

/** A frequently read key: at most `count` reads in the sample, at least `count - error`. */
export interface HotKey {
  /** Text, or base64 of bytes that are not UTF-8. */
  readonly key: string;
  readonly encoding?: "base64";
  readonly count: number;
  readonly error: number;
}

/** Percentiles of the durations of the last second's requests, in milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** The rates of the last second, and the current state. */
export interface LiveStats {
  /** Unix time in milliseconds. */
  readonly timeMs: number;
  readonly state: "loading" | "serving" | "draining" | "stopping";
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly requestsPerSecond: number;
  /** 0 to 1; null without reads. */
  readonly hitRatio: number | null;
  readonly latencyMs: Percentiles | null;
  readonly entries: number;
  readonly memory: {
    readonly maxBytes: number;
    /** All memory in use. What the three parts below leave is index and headers. */
    readonly usedBytes: number;
    /** Keys and values of entries that have not expired. */
    readonly liveBytes: number;
    /** Removed entries whose memory is not free yet. */
    readonly deadBytes: number;
    /** Expired entries that are not swept yet. */
    readonly expiredBytes: number;
  };
  readonly residentBytes: number;
  readonly evictionsPerSecond: number;
  readonly expirationsPerSecond: number;
  /** Leases given, requests that waited for one, stale values served, and tags invalidated. */
  readonly caching: {
    readonly leasesPerSecond: number;
    readonly waitsPerSecond: number;
    readonly stalePerSecond: number;
    readonly invalidationsPerSecond: number;
  };
  readonly clients: { readonly http: number; readonly resp: number };
  readonly virtualNodes: number;
  readonly shards: readonly ShardView[];
  readonly workers: readonly WorkerView[];
  readonly workerRestarts: number;
  /** The most frequently read keys of a sample, most frequent first. */
  readonly hotKeys: {
    readonly sampled: number;
    readonly oneIn: number;
    readonly keys: readonly HotKey[];
  };
  readonly snapshot: {
    /** False without a data folder. */
    readonly isEnabled: boolean;
    /** Unix time in milliseconds; 0 before the first snapshot. */
    readonly lastMs: number;
    readonly hasFailed: boolean;
  };
}
