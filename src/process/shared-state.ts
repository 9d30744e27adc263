// The memory that the threads of one service share, allocated once. A worker attaches it (thread-context.ts).

import { Cache, type CacheMemory, type CacheOptions } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import { allocateHttp, type HttpMemory } from "../http/metrics.ts";
import { releaseZeroPages } from "../linux/pages.ts";
import { allocateHistory } from "../metrics/history.ts";
import { allocateWorkers } from "../metrics/workers.ts";
import { allocateResp, type RespMemory } from "../resp/memory.ts";
import { allocateRejections } from "../security/rejections.ts";
import { allocateLogLines } from "../service/log-lines.ts";
import { allocateState } from "../service/service.ts";
import { allocateBudget } from "../shared-memory/byte-budget.ts";
import type { UpstreamMemory } from "../upstream/memory.ts";

/** Plain data that may be sent to a worker. */
export interface SharedState {
  readonly cacheOptions: CacheOptions;
  readonly cache: CacheMemory;
  readonly service: SharedArrayBuffer;
  readonly http: HttpMemory;
  readonly resp: RespMemory;
  readonly workers: SharedArrayBuffer;
  readonly history: SharedArrayBuffer;
  readonly rejections: SharedArrayBuffer;
  readonly budget: SharedArrayBuffer;
  readonly logLines: SharedArrayBuffer;
  /** Undefined without --upstream. */
  readonly upstream: UpstreamMemory | undefined;
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
  const state: SharedState = {
    cacheOptions,
    cache: Cache.allocate(cacheOptions, workers + 1),
    service: allocateState(),
    http: allocateHttp(workers, config.maxConnections),
    resp: allocateResp(config, workers),
    workers: allocateWorkers(workers),
    history: allocateHistory(),
    rejections: allocateRejections(workers),
    budget: allocateBudget(workers),
    logLines: allocateLogLines(workers),
    upstream,
  };
  for (const memory of memoriesIn(state)) releaseZeroPages(memory);
  return state;
}

function memoriesIn(value: unknown): readonly SharedArrayBuffer[] {
  if (value instanceof SharedArrayBuffer) return [value];
  return typeof value === "object" && value !== null
    ? Object.values(value).flatMap(memoriesIn)
    : [];
}
