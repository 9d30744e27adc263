// The members of the responses of /stats and /ring.

import type { Cache } from "../../cache/cache.ts";
import { type Config, evictionPolicyOf, version } from "../../config/config.ts";
import { residentBytes, usableMemoryBytes } from "../../linux/resources.ts";
import type { Service } from "../../service/service.ts";

export function statsOf(cache: Cache, config: Config, service: Service): Record<string, unknown> {
  const { state, startedMs } = service;
  const stats = cache.maintenance.stats();
  const gets = stats.hit + stats.miss;
  const uptimeSeconds = (performance.now() - startedMs) / 1000;
  const allocated = residentBytes();
  const system = usableMemoryBytes();
  return {
    total_items: stats.entries,
    hit_rate: rounded(gets === 0 ? 0 : (stats.hit / gets) * 100),
    memory_usage_percent: rounded((allocated / system) * 100),
    put_count: stats.inserted,
    get_count: gets,
    hit_count: stats.hit,
    miss_count: stats.miss,
    uptime_seconds: rounded(uptimeSeconds),
    requests_per_second: rounded((stats.inserted + gets + stats.deleted) / uptimeSeconds),
    allocated_memory_mb: rounded(allocated / 2 ** 20),
    system_memory_mb: rounded(system / 2 ** 20),
    evicted_count: stats.evicted,
    expired_count: stats.expired,
    overwritten_count: stats.overwritten,
    delete_count: stats.deleted,
    cache_memory_bytes: stats.memory,
    cache_used_bytes: stats.used,
    live_bytes: stats.bytes,
    dead_bytes: stats.dead,
    ghost_count: stats.ghosts,
    eviction_policy: evictionPolicyOf(config),
    shards: cache.ring.shards,
    virtual_nodes: config.virtualNodes,
    workers: config.workers,
    max_connections: config.maxConnections,
    max_pending_bytes: config.maxPendingBytes,
    planned_memory_bytes: config.plan.neededBytes,
    worker_restarts: stats.lostThreads,
    shards_emptied: stats.emptied,
    loaded_count: stats.loaded,
    snapshot_time: Math.floor(state.get("savedMs") / 1000),
    snapshot_count: state.get("saves"),
    snapshot_failed_count: state.get("failedSaves"),
    snapshot_shards_dropped: state.get("droppedShards"),
    version,
  };
}

export function ringOf(cache: Cache): Record<string, unknown> {
  const fractions = cache.ring.shares();
  const shards = cache.maintenance.shardStats().map((stats, shard) => {
    const { entries, bytes, dead, used, memory, ghosts, evicted, expired } = stats;
    const sizes = { bytes, dead_bytes: dead, used_bytes: used, memory_bytes: memory };
    const counters = { ghosts, evicted, expired };
    return { shard, share: fractions[shard], entries, ...sizes, ...counters };
  });
  return { shards: cache.ring.shards, virtual_nodes: cache.ring.virtualNodes, ring: shards };
}

/** Rounds to three decimals: enough for people and for plots. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
