// A metric, and what it is read from.

import type { Cache, CacheStats, ShardStats } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import type { Service } from "../service/service.ts";
import type { ProtocolStats } from "./protocol.ts";
import type { WorkerRow, WorkerRows } from "./workers.ts";

/** Whom metrics and live figures are read from. */
export interface MetricsContext {
  readonly cache: Cache;
  readonly config: Config;
  readonly service: Service;
  readonly workers: WorkerRows;
  readonly protocols: () => readonly ProtocolStats[];
}

/** What one answer of /metrics is made of. */
export interface Scrape extends MetricsContext {
  readonly stats: CacheStats;
  readonly shards: readonly ShardStats[];
  /** By thread. */
  readonly rows: readonly WorkerRow[];
}

export type Labels = Readonly<Record<string, string>>;

/** One metric: a number, or one for each combination of labels. */
export interface Metric {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  readonly labels?: readonly string[];
  readonly read: (scrape: Scrape) => number | readonly (readonly [labels: Labels, value: number])[];
}
