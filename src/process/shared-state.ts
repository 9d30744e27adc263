// The memory that the threads of one service share: allocated once, attached by every thread.

import { Cache, type CacheMemory, type CacheOptions } from "../cache/cache.ts";
import { Waiters } from "../caching/waiters.ts";
import type { Config } from "../config/config.ts";
import { allocateHttp, HttpMetrics, type HttpMemory } from "../http/metrics.ts";
import { allocateWorkers, WorkerRows } from "../metrics/workers.ts";
import { allocateResp, type RespMemory } from "../resp/memory.ts";
import { allocateRejections, RejectionCounters } from "../security/rejections.ts";
import { Activity } from "../service/activity.ts";
import { EventLoopMonitor } from "../service/event-loop-monitor.ts";
import { allocateLogLines } from "../service/log-lines.ts";
import { allocateState, type Service, ServiceState } from "../service/service.ts";
import { allocateBudget, ByteBudget } from "../shared-memory/byte-budget.ts";
import type { UpstreamMemory } from "../upstream/memory.ts";

/** Plain data that may be sent to a worker. */
export interface SharedState {
  readonly cacheOptions: CacheOptions;
  readonly cache: CacheMemory;
  readonly service: SharedArrayBuffer;
  readonly http: HttpMemory;
  readonly resp: RespMemory;
  readonly workers: SharedArrayBuffer;
  readonly rejections: SharedArrayBuffer;
  readonly budget: SharedArrayBuffer;
  readonly logLines: SharedArrayBuffer;
  /** Undefined without --upstream. */
  readonly upstream: UpstreamMemory | undefined;
}

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
}

/**
 * Allocates the memory of `config.workers` workers, and of the supervisor, whose thread number is the
 * next one. `cacheOptions` come from fitOptions. `upstream`: the memory for it, undefined without --upstream.
 * Throws RangeError if the system lacks address space.
 */
export function allocateSharedState(
  config: Config,
  cacheOptions: CacheOptions,
  upstream?: UpstreamMemory,
): SharedState {
  const { workers } = config;
  return {
    cacheOptions,
    cache: Cache.allocate(cacheOptions, workers + 1),
    service: allocateState(),
    http: allocateHttp(workers, config.maxConnections),
    resp: allocateResp(config, workers),
    workers: allocateWorkers(workers),
    rejections: allocateRejections(workers),
    budget: allocateBudget(workers),
    logLines: allocateLogLines(workers),
    upstream,
  };
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
  };
}
