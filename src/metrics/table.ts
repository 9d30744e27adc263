// The table of metrics. All values in a response of /metrics come from one reading of the cache.
// No label ever contains a key.

import type { CacheStats, ShardStats } from "../cache/cache.ts";
import { version } from "../config/config.ts";
import type { StateField } from "../service/service.ts";
import type { Metric, Scrape } from "./metric.ts";
import { processMetrics } from "./process.ts";
import type { ProtocolStats } from "./protocol.ts";

type Row<T> = readonly [name: string, source: T, help: string, factor?: number];

/** Metrics of the cache: entries, memory, locks and failed workers. */
const CACHE_METRICS: readonly Row<keyof CacheStats>[] = [
  ["keyspace_hits_total", "hit", "Key lookups that found an entry."],
  ["keyspace_misses_total", "miss", "Key lookups that found no entry."],
  ["stored_keys_total", "inserted", "Entries stored: new ones and replacements."],
  ["overwritten_keys_total", "overwritten", "Entries stored in place of an existing entry."],
  ["deleted_keys_total", "deleted", "Entries deleted."],
  ["expired_keys_total", "expired", "Entries removed because they expired."],
  ["evicted_keys_total", "evicted", "Entries evicted to make room."],
  ["loaded_keys_total", "loaded", "Entries loaded from the snapshot."],
  ["db_keys", "entries", "Entries in the cache; an expired entry counts until it is swept."],
  ["db_keys_expiring", "expiring", "Entries in the cache that have an expiry time."],
  ["memory_max_bytes", "memory", "Memory limit of the cache."],
  ["memory_used_bytes", "used", "Memory in use: log, index and tables."],
  ["memory_live_bytes", "bytes", "Size of all keys and values in the cache."],
  ["memory_dead_bytes", "dead", "Memory of removed entries that is not free yet."],
  ["ghost_keys", "ghosts", "Remembered keys of recently evicted entries."],
  ["leases_granted_total", "leasesGranted", "Leases given to clients to compute a value."],
  ["lease_waits_total", "leaseWaits", "Requests that waited for the lease of another client."],
  ["stale_served_total", "staleServed", "Reads that returned a stale value."],
  ["invalidations_total", "invalidations", "Tags that were invalidated."],
  ["lock_waits_total", "lockWaits", "Times that a thread had to wait for the lock of a shard."],
  [
    "lock_wait_seconds_total",
    "lockWaitMicros",
    "Time that threads waited for the locks of shards.",
    1e-6,
  ],
  ["worker_restarts_total", "lostThreads", "Workers that failed and were restarted."],
  ["shards_emptied_total", "emptied", "Shards that lost all entries because a worker failed."],
];

const SNAPSHOT_METRICS: readonly Row<StateField>[] = [
  [
    "snapshot_last_success_timestamp_seconds",
    "savedMs",
    "Start time of the last successful snapshot; 0 without one.",
    1e-3,
  ],
  [
    "snapshot_last_duration_seconds",
    "saveTookMs",
    "Duration of the last successful snapshot.",
    1e-3,
  ],
  ["snapshot_last_bytes", "savedBytes", "Size of the last snapshot of this process."],
  ["snapshot_last_entries", "savedEntries", "Entries in the last snapshot of this process."],
  ["snapshot_in_progress", "isSaving", "1 while a snapshot is being taken."],
  ["snapshot_shards_dropped", "droppedShards", "Damaged shards of the snapshot that was loaded."],
];

const WORKER_METRICS: readonly Row<"load" | "loopLagMs">[] = [
  ["worker_load_ratio", "load", "Fraction of a core that the worker used in the last second."],
  [
    "event_loop_lag_seconds",
    "loopLagMs",
    "Longest event-loop delay of the worker in the last second.",
    1e-3,
  ],
];

const SHARD_METRICS: readonly Row<keyof ShardStats>[] = [
  ["shard_entries", "entries", "Entries in the shard."],
  ["shard_bytes", "bytes", "Size of the keys and values in the shard."],
];

/** All metrics except the request durations, which are histograms (exporter.ts). */
export const METRICS: readonly Metric[] = [
  {
    ...{ name: "build_info", kind: "gauge", help: "Always 1; the labels give the versions." },
    labels: ["version", "bun"],
    read: () => [[{ version, bun: Bun.version }, 1]],
  },
  {
    ...{ name: "uptime_seconds", kind: "gauge", help: "Time since the service started." },
    read: ({ service }) => (performance.now() - service.startedMs) / 1000,
  },
  {
    ...{ name: "loading", kind: "gauge", help: "1 while the snapshot is being loaded." },
    read: ({ service }) => (service.state.phase === "loading" ? 1 : 0),
  },
  ...rows(CACHE_METRICS, ({ stats }, source) => stats[source]),
  ...rows(
    SHARD_METRICS,
    ({ shards }, source, factor) =>
      shards.map((shard, number) => [{ shard: String(number) }, shard[source] * factor]),
    "shard",
  ),
  {
    ...{ name: "connected_clients", kind: "gauge", help: "Open connections." },
    labels: ["protocol"],
    read: ({ protocols }) =>
      protocols().flatMap(({ protocol, clients }) => {
        const count = clients();
        return count === undefined ? [] : [[{ protocol }, count] as const];
      }),
  },
  {
    ...{ name: "commands_total", kind: "counter", help: "Requests by outcome." },
    labels: ["protocol", "command", "status"],
    read: ({ protocols }) => protocols().flatMap(commandCounts),
  },
  {
    ...{ name: "workers", kind: "gauge", help: "Worker threads." },
    read: ({ config }) => config.workers,
  },
  ...rows(
    WORKER_METRICS,
    (scrape, source, factor) =>
      scrape.rows.map((row, thread) => [{ worker: String(thread) }, row[source] * factor]),
    "worker",
  ),
  {
    ...{ name: "snapshots_total", kind: "counter", help: "Snapshots since the start, by outcome." },
    labels: ["status"],
    read: ({ service: { state } }) => [
      [{ status: "ok" }, state.get("saves")],
      [{ status: "error" }, state.get("failedSaves")],
    ],
  },
  ...rows(SNAPSHOT_METRICS, ({ service }, source) => service.state.get(source)),
  {
    ...{ name: "log_lines_dropped_total", kind: "counter" },
    help: "Log lines that were dropped because the log was not read in time.",
    read: ({ service }) => service.state.get("droppedLogLines"),
  },
  {
    ...{
      name: "refused_total",
      kind: "counter",
      help: "Rejected requests and closed connections, by reason.",
    },
    labels: ["protocol", "reason"],
    read: ({ service }) => service.rejections.all(),
  },
  {
    ...{ name: "pending_bytes", kind: "gauge" },
    help: "Bytes in flight that count in --max-pending-bytes.",
    read: ({ service }) => service.budget.usedBytes,
  },
  ...processMetrics(),
];

/**
 * Returns the metrics of one list. A single number from `read` is multiplied by the factor here;
 * `read` itself multiplies the values of a metric with labels.
 */
function rows<T>(
  table: readonly Row<T>[],
  read: (scrape: Scrape, source: T, factor: number) => ReturnType<Metric["read"]>,
  label?: string,
): Metric[] {
  return table.map(([name, source, help, factor = 1]) => ({
    ...{ name, help, kind: name.endsWith("_total") ? "counter" : "gauge" },
    ...(label === undefined ? {} : { labels: [label] }),
    read: (scrape) => {
      const value = read(scrape, source, factor);
      return typeof value === "number" ? value * factor : value;
    },
  }));
}

function commandCounts({ protocol, commands, statuses }: ProtocolStats) {
  return commands.flatMap((command, number) =>
    Object.entries(statuses(number))
      .filter(([, count]) => count > 0)
      .map(([status, count]) => [{ protocol, command, status }, count] as const),
  );
}
