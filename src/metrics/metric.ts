// The types of a metric and of the sources that it is read from.

import type { Cache, CacheStats, ShardStats } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import type { Service } from "../service/service.ts";
import type { StatsHistory } from "./history.ts";
import type { ProtocolStats } from "./protocol.ts";
import type { UpstreamView } from "../live/stats.ts";
import type { DurationSums } from "../shared-memory/histogram.ts";
import type { WorkerRow, WorkerRows } from "./workers.ts";

/** What is known of the upstream; upstream.ts has the implementation, which is imported only with --upstream. */
export interface UpstreamSource {
  readonly metrics: readonly Metric[];
  readonly durations: LabelledHistogram;
  createSampler(): UpstreamSampler;
}

/** Histograms of durations in shared memory, under one name. */
export interface LabelledHistogram {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  read(): readonly (readonly [labels: Labels, sums: DurationSums])[];
}

/** The part of LiveSampler that concerns the upstream. */
export interface UpstreamSampler {
  /** Marks a second. */
  mark(): void;
  view(): UpstreamView;
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
  readonly history: StatsHistory;
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
