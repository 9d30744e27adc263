// What /stats and /ring answer.

import type { Cache } from "../../cache/cache.ts";
import { type Config, version } from "../../config/config.ts";
import { residentBytes, usableMemoryBytes } from "../../linux/resources.ts";
import type { Service } from "../../service/service.ts";

export function statsOf(cache: Cache, config: Config, service: Service): Record<string, unknown> {
  const { state, startedMs } = service;
  const figures = cache.figures();
  const gets = figures.hit + figures.miss;
  const uptimeSeconds = (performance.now() - startedMs) / 1000;
  const allocated = residentBytes();
  const system = usableMemoryBytes();
  return {
    total_items: figures.entries,
    hit_rate: rounded(gets === 0 ? 0 : (figures.hit / gets) * 100),
    memory_usage_percent: rounded((allocated / system) * 100),
    put_count: figures.inserted,
    get_count: gets,
    hit_count: figures.hit,
    miss_count: figures.miss,
    uptime_seconds: rounded(uptimeSeconds),
    requests_per_second: rounded((figures.inserted + gets + figures.deleted) / uptimeSeconds),
    allocated_memory_mb: rounded(allocated / 2 ** 20),
    system_memory_mb: rounded(system / 2 ** 20),
    evicted_count: figures.evicted,
    expired_count: figures.expired,
    overwritten_count: figures.overwritten,
    delete_count: figures.deleted,
    cache_memory_bytes: figures.memory,
    cache_used_bytes: figures.used,
    live_bytes: figures.bytes,
    dead_bytes: figures.dead,
    ghost_count: figures.ghosts,
    shards: cache.ring.shards,
    virtual_nodes: config.virtualNodes,
    workers: config.workers,
    max_connections: config.maxConnections,
    max_pending_bytes: config.maxPendingBytes,
    planned_memory_bytes: config.plan.neededBytes,
    worker_restarts: figures.lostThreads,
    shards_emptied: figures.emptied,
    loaded_count: figures.loaded,
    snapshot_time: Math.floor(state.get("savedMs") / 1000),
    snapshot_count: state.get("saves"),
    snapshot_failed_count: state.get("failedSaves"),
    snapshot_shards_dropped: state.get("droppedShards"),
    version,
  };
}

export function ringOf(cache: Cache): Record<string, unknown> {
  const shares = cache.ring.shares();
  const shards = cache.shardFigures().map((figures, shard) => {
    const { entries, bytes, dead, used, memory, ghosts, evicted, expired } = figures;
    const memories = { bytes, dead_bytes: dead, used_bytes: used, memory_bytes: memory };
    const counts = { ghosts, evicted, expired };
    return { shard, share: shares[shard], entries, ...memories, ...counts };
  });
  return { shards: cache.ring.shards, virtual_nodes: cache.ring.virtualNodes, ring: shards };
}

/** Three decimals are enough for people and for plots. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
