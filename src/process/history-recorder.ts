// Records the live stats once a second, so that a dashboard opens with the last five minutes. The
// supervisor imports it after the start.

import type { Cache } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import { HttpMetrics } from "../http/metrics.ts";
import { StatsHistory } from "../metrics/history.ts";
import { LiveSampler } from "../metrics/live-sampler.ts";
import type { UpstreamSource } from "../metrics/metric.ts";
import { WorkerRows } from "../metrics/workers.ts";
import { unnamedRespStats } from "../resp/stats.ts";
import { RejectionCounters } from "../security/rejections.ts";
import { ServiceState } from "../service/service.ts";
import type { UpstreamMemory } from "../upstream/memory.ts";
import type { SharedState } from "./shared-state.ts";

const INTERVAL_MS = 1000;

/** Records until the thread ends. `cache` is the attachment of the calling thread, the supervisor. */
export async function recordHistory(
  state: SharedState,
  config: Config,
  cache: Cache,
): Promise<void> {
  const { workers } = config;
  // The supervisor has no row in the counters: it reads those of the workers.
  const http = new HttpMetrics(state.http, workers);
  const resp = unnamedRespStats(state.resp, workers);
  const { upstream } = state;
  const sampler = new LiveSampler({
    ...{ cache, config, workers: new WorkerRows(state.workers) },
    history: new StatsHistory(state.history),
    service: {
      state: new ServiceState(state.service),
      rejections: new RejectionCounters(state.rejections, workers),
      startedMs: 0,
    },
    protocols: () => [http, resp],
    upstream: upstream && (await sourceOf(upstream, cache, workers)),
  });
  setInterval(() => sampler.record(), INTERVAL_MS);
}

/** Only a service with an upstream loads this code. */
async function sourceOf(
  { stats, trust }: UpstreamMemory,
  cache: Cache,
  thread: number,
): Promise<UpstreamSource> {
  const [{ upstreamSource }, { UpstreamStats }, { Trust }] = await Promise.all([
    import("../metrics/upstream.ts"),
    import("../upstream/stats.ts"),
    import("../upstream/trust.ts"),
  ]);
  const parts = { stats: new UpstreamStats(stats, thread), trust: new Trust(trust), cache };
  return upstreamSource(parts);
}
