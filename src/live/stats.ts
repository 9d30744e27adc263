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

/** A route of HTTP or a command of the Redis port: in the last second, and since the start. */
export interface CommandView {
  readonly protocol: "http" | "resp";
  readonly command: string;
  readonly callsPerSecond: number;
  readonly errorsPerSecond: number;
  readonly calls: number;
  readonly errors: number;
}

/** A reason for which requests are rejected or connections closed. */
export interface RejectionView {
  readonly protocol: "http" | "resp";
  readonly reason: string;
  readonly perSecond: number;
  readonly count: number;
}

/** Bytes of the last second. */
export interface TrafficView {
  readonly receivedPerSecond: number;
  readonly sentPerSecond: number;
}

/** Percentiles of the durations of the last second's requests, in milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** One primary of the upstream. */
export interface PrimaryView {
  /** For example "10.0.0.1:6379". */
  readonly address: string;
  /** Whether its near values are served. */
  readonly isTrusted: boolean;
  /** Time since its last answered beat was sent; null before the first one. */
  readonly beatAgeMs: number | null;
  /** Number of slots that it owns; 16,384 for a single server. */
  readonly slots: number;
}

/** The near cache of a node with --upstream, and the primaries behind it. */
export interface UpstreamView {
  /** "unknown" until the upstream has been found. */
  readonly mode: "unknown" | "server" | "cluster";
  /** Number of slots whose primary is connected, of 16,384. Requests for the others fail. */
  readonly slotsCovered: number;
  readonly primaries: readonly PrimaryView[];
  readonly nearHitsPerSecond: number;
  readonly nearMissesPerSecond: number;
  /** 0 to 1; null without reads. */
  readonly nearHitRatio: number | null;
  /** Values that were loaded and kept. */
  readonly fillsPerSecond: number;
  /** Loaded values that were not kept: they changed, were flushed or were not trusted meanwhile. */
  readonly dropsPerSecond: number;
  /** Changes of keys that the upstream reported. */
  readonly invalidationsPerSecond: number;
  /** Times that all near values of a primary were dropped, since the start. */
  readonly flushes: number;
  /** Commands that the upstream has not answered yet. */
  readonly inFlight: number;
  /** Commands that ended with an error or a timeout. */
  readonly errorsPerSecond: number;
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
  /** Responses that report an error; a miss is none. */
  readonly errorsPerSecond: number;
  /** Rejected requests and closed connections. */
  readonly rejectionsPerSecond: number;
  readonly network: {
    /** The Redis port. */
    readonly resp: TrafficView;
    /** All interfaces but the loopback; null if the system does not count them. */
    readonly interfaces: TrafficView | null;
  };
  readonly evictionsPerSecond: number;
  readonly expirationsPerSecond: number;
  /** Leases given, requests that waited for one, stale values served, and tags invalidated. */
  readonly caching: {
    readonly leasesPerSecond: number;
    readonly waitsPerSecond: number;
    readonly stalePerSecond: number;
    readonly invalidationsPerSecond: number;
  };
  /** Null without --upstream. */
  readonly upstream: UpstreamView | null;
  readonly clients: { readonly http: number; readonly resp: number };
  readonly virtualNodes: number;
  readonly shards: readonly ShardView[];
  readonly workers: readonly WorkerView[];
  readonly workerRestarts: number;
  /** The most frequent ones first, at most 12. */
  readonly commands: readonly CommandView[];
  /** The reasons that have occurred since the start. */
  readonly rejections: readonly RejectionView[];
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
