// The types of a metric and of the sources that it is read from.

import type { Cache, CacheStats, ShardStats } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import type { Service } from "../service/service.ts";
import type { ProtocolStats } from "./protocol.ts";
import type { UpstreamStats } from "../upstream/stats.ts";
import type { Trust } from "../upstream/trust.ts";
import type { WorkerRow, WorkerRows } from "./workers.ts";

/** The sources of the metrics of the upstream. */
export interface UpstreamSource {
  readonly stats: UpstreamStats;
  readonly trust: Trust;
}

/** The sources of metrics and live stats. */
export interface MetricsContext {
  readonly cache: Cache;
  readonly config: Config;
  readonly service: Service;
  readonly workers: WorkerRows;
  readonly protocols: () => readonly ProtocolStats[];
  /** Undefined without --upstream. */
  readonly upstream?: UpstreamSource | undefined;
}

/** One reading of all sources: every metric in a response of /metrics comes from it. */
export interface Scrape extends MetricsContext {
  readonly stats: CacheStats;
  readonly shards: readonly ShardStats[];
  /** By thread. */
  readonly rows: readonly WorkerRow[];
}

export type Labels = Readonly<Record<string, string>>;

/** One metric: one number, or one number per combination of labels. */
export interface Metric {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  readonly labels?: readonly string[];
  readonly read: (scrape: Scrape) => number | readonly (readonly [labels: Labels, value: number])[];
}
