// The table of metrics: what /metrics tells, from one reading of the cache for all of them.
// No key is ever in a label.

import type { CacheStats, ShardStats } from "../cache/cache.ts";
import { version } from "../config/config.ts";
import type { StateField } from "../service/service.ts";
import type { Metric, Scrape } from "./metric.ts";
import { processMetrics } from "./process.ts";
import type { ProtocolStats } from "./protocol.ts";

type Row<T> = readonly [name: string, source: T, help: string, factor?: number];

/** What is counted of entries since the start, and how many there are. */
const COUNTED: readonly Row<keyof CacheStats>[] = [
  ["keyspace_hits_total", "hit", "Keys asked for and found."],
  ["keyspace_misses_total", "miss", "Keys asked for and not found."],
  ["stored_keys_total", "inserted", "Entries put, new ones and over others."],
  ["overwritten_keys_total", "overwritten", "Entries put over others."],
  ["deleted_keys_total", "deleted", "Entries deleted."],
  ["expired_keys_total", "expired", "Entries freed because their time was over."],
  ["evicted_keys_total", "evicted", "Entries freed to make room."],
  ["loaded_keys_total", "loaded", "Entries that came from the snapshot."],
  ["db_keys", "entries", "Entries held, expired ones until they are swept."],
  ["db_keys_expiring", "expiring", "Of them those that have a deadline."],
  ["memory_max_bytes", "memory", "What the cache may take."],
  ["memory_used_bytes", "used", "What it takes: log, index and tables."],
  ["memory_live_bytes", "bytes", "Keys and values held."],
  ["memory_dead_bytes", "dead", "What has left and is not free yet."],
  ["ghost_keys", "ghosts", "Keys remembered of entries evicted not long ago."],
  ["lock_waits_total", "lockWaits", "Times that a shard's lock was not free at once."],
  ["lock_wait_seconds_total", "lockWaitMicros", "Time waited for locks of shards.", 1e-6],
  ["worker_restarts_total", "lostThreads", "Workers that failed and were started again."],
  ["shards_emptied_total", "emptied", "Shards that a failing worker cost their entries."],
];

const SNAPSHOTS: readonly Row<StateField>[] = [
  [
    "snapshot_last_success_timestamp_seconds",
    "savedMs",
    "When the last good snapshot began; 0 without one.",
    1e-3,
  ],
  ["snapshot_last_duration_seconds", "saveTookMs", "Time that the last one took.", 1e-3],
  ["snapshot_last_bytes", "savedBytes", "Size of the last one of this process."],
  ["snapshot_last_entries", "savedEntries", "Entries in the last one of this process."],
  ["snapshot_in_progress", "isSaving", "1 while a snapshot is taken."],
  ["snapshot_shards_dropped", "droppedShards", "Damaged shards of the one that was loaded."],
];

const OF_WORKERS: readonly Row<"load" | "loopLagMs">[] = [
  ["worker_load_ratio", "load", "Part of a core that a worker used in the last second."],
  ["event_loop_lag_seconds", "loopLagMs", "Longest delay of its event loop in that time.", 1e-3],
];

const OF_SHARDS: readonly Row<keyof ShardStats>[] = [
  ["shard_entries", "entries", "Entries of a shard."],
  ["shard_bytes", "bytes", "Keys and values of a shard."],
];

/** All but the durations, which are no numbers but histograms. */
export const METRICS: readonly Metric[] = [
  {
    ...{ name: "build_info", kind: "gauge", help: "1, with the versions as labels." },
    labels: ["version", "bun"],
    read: () => [[{ version, bun: Bun.version }, 1]],
  },
  {
    ...{ name: "uptime_seconds", kind: "gauge", help: "Time since the start." },
    read: ({ service }) => (performance.now() - service.startedMs) / 1000,
  },
  {
    ...{ name: "loading", kind: "gauge", help: "1 while the snapshot is loaded." },
    read: ({ service }) => (service.state.phase === "loading" ? 1 : 0),
  },
  ...rows(COUNTED, ({ stats }, source) => stats[source]),
  ...rows(
    OF_SHARDS,
    ({ shards }, source, factor) =>
      shards.map((shard, number) => [{ shard: String(number) }, shard[source] * factor]),
    "shard",
  ),
  {
    ...{ name: "connected_clients", kind: "gauge", help: "Connections." },
    labels: ["protocol"],
    read: ({ protocols }) =>
      protocols().flatMap(({ protocol, clients }) => {
        const count = clients();
        return count === undefined ? [] : [[{ protocol }, count] as const];
      }),
  },
  {
    ...{ name: "commands_total", kind: "counter", help: "Requests." },
    labels: ["protocol", "command", "status"],
    read: ({ protocols }) => protocols().flatMap(countsOf),
  },
  {
    ...{ name: "workers", kind: "gauge", help: "Threads that serve." },
    read: ({ config }) => config.workers,
  },
  ...rows(
    OF_WORKERS,
    (scrape, source, factor) =>
      scrape.rows.map((row, thread) => [{ worker: String(thread) }, row[source] * factor]),
    "worker",
  ),
  {
    ...{ name: "snapshots_total", kind: "counter", help: "Snapshots since the start." },
    labels: ["status"],
    read: ({ service: { state } }) => [
      [{ status: "ok" }, state.get("saves")],
      [{ status: "error" }, state.get("failedSaves")],
    ],
  },
  ...rows(SNAPSHOTS, ({ service }, source) => service.state.get(source)),
  {
    ...{ name: "log_lines_dropped_total", kind: "counter" },
    help: "Lines of the log that were lost because it was not read.",
    read: ({ service }) => service.state.get("droppedLogLines"),
  },
  {
    ...{ name: "refused_total", kind: "counter", help: "Requests refused, connections closed." },
    labels: ["protocol", "reason"],
    read: ({ service }) => service.rejections.all(),
  },
  ...processMetrics(),
];

/** Metrics of one kind; `read` of a number is multiplied here, of several by itself. */
function rows<T>(
  table: readonly Row<T>[],
  read: (scrape: Scrape, source: T, factor: number) => ReturnType<Metric["read"]>,
  label?: string,
): Metric[] {
  return table.map(([name, source, help, factor = 1]) => ({
    ...{ name, help, kind: name.endsWith("_total") ? "counter" : "gauge" },
    ...(label === undefined ? {} : { labels: [label] }),
    read: (scrape) => {
      const found = read(scrape, source, factor);
      return typeof found === "number" ? found * factor : found;
    },
  }));
}

function countsOf({ protocol, commands, statuses }: ProtocolStats) {
  return commands.flatMap((command, number) =>
    Object.entries(statuses(number))
      .filter(([, count]) => count > 0)
      .map(([status, count]) => [{ protocol, command, status }, count] as const),
  );
}
