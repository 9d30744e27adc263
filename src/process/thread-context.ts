// One worker's view of the memory that the threads share. The supervisor does not load this file, which
// imports what only workers need.

import { Cache } from "../cache/cache.ts";
import { Waiters } from "../caching/waiters.ts";
import type { Config } from "../config/config.ts";
import { HttpMetrics } from "../http/metrics.ts";
import { StatsHistory } from "../metrics/history.ts";
import { WorkerRows } from "../metrics/workers.ts";
import type { RespMemory } from "../resp/memory.ts";
import { RejectionCounters } from "../security/rejections.ts";
import { Activity } from "../service/activity.ts";
import { EventLoopMonitor } from "../service/event-loop-monitor.ts";
import { type Service, ServiceState } from "../service/service.ts";
import { ByteBudget } from "../shared-memory/byte-budget.ts";
import type { SharedState } from "./shared-state.ts";

/** The members of Service that the process gives to a thread, rather than shared memory. */
export type ProcessLink = Pick<Service, "tokens" | "tls" | "startedMs" | "save" | "shutDown">;

/** One worker's view of the shared state. */
export interface ThreadContext {
  readonly config: Config;
  readonly thread: number;
  readonly cache: Cache;
  readonly service: Service;
  readonly waiters: Waiters;
  readonly httpMetrics: HttpMetrics;
  readonly respMemory: RespMemory;
  readonly workers: WorkerRows;
  readonly history: StatsHistory;
}

/** Attaches the calling thread as worker number `thread`, from 0. */
export function attach(
  state: SharedState,
  config: Config,
  thread: number,
  link: ProcessLink,
): ThreadContext {
  const activity = new Activity();
  const lag = new EventLoopMonitor();
  lag.start(activity);
  const cache = new Cache(state.cacheOptions, state.cache, thread);
  return {
    config,
    thread,
    cache,
    waiters: new Waiters(cache, config.maxWaiters),
    service: {
      ...link,
      state: new ServiceState(state.service),
      rejections: new RejectionCounters(state.rejections, thread),
      budget: new ByteBudget(state.budget, thread, config.maxPendingBytes),
      activity,
      lag,
    },
    httpMetrics: new HttpMetrics(state.http, thread),
    respMemory: state.resp,
    workers: new WorkerRows(state.workers),
    history: new StatsHistory(state.history),
  };
}
