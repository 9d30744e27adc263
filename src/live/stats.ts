// What the dashboard and `bun run top` are told once a second.

/** One shard: its part of the ring, 0 to 1, and what it holds. */
export interface ShardView {
  readonly shard: number;
  readonly share: number;
  readonly entries: number;
  readonly bytes: number;
}

/** One thread: the part of the last second that it worked, 0 to 1, and what it did. */
export interface WorkerView {
  readonly worker: number;
  readonly load: number;
  readonly requestsPerSecond: number;
}

/** A key that is asked for often: at most `count` times in the sample, at least `count - error`. */
export interface HotKey {
  /** Text, or base64 of bytes that are not UTF-8. */
  readonly key: string;
  readonly encoding?: "base64";
  readonly count: number;
  readonly error: number;
}

/** Milliseconds below which so many of the last second's requests stayed. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** Figures of the last second, and of this moment. */
export interface LiveStats {
  /** Unix time in milliseconds. */
  readonly timeMs: number;
  readonly state: "loading" | "serving" | "draining" | "stopping";
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly requestsPerSecond: number;
  /** 0 to 1; null if nothing was asked for. */
  readonly hitRatio: number | null;
  readonly latencyMs: Percentiles | null;
  readonly entries: number;
  readonly memory: {
    readonly maxBytes: number;
    /** In use, and of that: keys and values alive, dead, due but not swept yet; the rest is index and headers. */
    readonly usedBytes: number;
    readonly liveBytes: number;
    readonly deadBytes: number;
    readonly expiredBytes: number;
  };
  readonly residentBytes: number;
  readonly evictionsPerSecond: number;
  readonly expirationsPerSecond: number;
  readonly clients: { readonly http: number; readonly resp: number };
  readonly virtualNodes: number;
  readonly shards: readonly ShardView[];
  readonly workers: readonly WorkerView[];
  readonly workerRestarts: number;
  /** The most frequent keys of a sample, most frequent first. */
  readonly hotKeys: {
    readonly sampled: number;
    readonly oneIn: number;
    readonly keys: readonly HotKey[];
  };
  readonly snapshot: {
    /** Without a data folder there are none. */
    readonly isEnabled: boolean;
    /** Unix time in milliseconds, 0 if there is none yet. */
    readonly lastMs: number;
    readonly hasFailed: boolean;
  };
}
