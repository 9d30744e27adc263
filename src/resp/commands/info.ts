// INFO: the stats of the service under the names that Redis gives them.

import { release } from "node:os";

import { evictionPolicyOf, redisEvictionPolicyOf, version } from "../../config/config.ts";
import { residentBytes, usableMemoryBytes } from "../../linux/resources.ts";
import { changesOf } from "../../service/service.ts";
import { CHANNEL, PATTERN, SHARD_CHANNEL } from "../push/registry.ts";
import type { CommandContext } from "./context.ts";
import { REDIS_VERSION } from "./connection.ts";

type Section = (context: CommandContext) => Readonly<Record<string, string | number>>;

const SECTIONS: Readonly<Record<string, Section>> = {
  server: ({ config, service, cache }) => {
    const uptimeSeconds = Math.floor((performance.now() - service.startedMs) / 1000);
    return {
      redis_version: REDIS_VERSION,
      ringcache_version: version,
      redis_mode: "standalone",
      os: `${process.platform} ${release()} ${process.arch}`,
      arch_bits: 64,
      bun_version: Bun.version,
      process_id: process.pid,
      tcp_port: config.respPort,
      http_port: config.port,
      server_time_usec: cache.clock.systemMs * 1000,
      uptime_in_seconds: uptimeSeconds,
      uptime_in_days: Math.floor(uptimeSeconds / 86_400),
      io_threads_active: config.workers > 1 ? 1 : 0,
      workers: config.workers,
    };
  },
  clients: ({ counters }) => ({
    connected_clients: counters.sum("connected"),
    client_output_limit_disconnections: counters.sum("outputLimitCloses"),
    client_query_limit_disconnections: counters.sum("queryLimitCloses"),
    blocked_clients: 0,
    tracking_clients: counters.sum("trackingClients"),
  }),
  memory: ({ cache, config, scripts }) => {
    const { used, bytes, dead, memory } = cache.maintenance.stats();
    const cached = scripts.stats();
    const resident = residentBytes();
    return {
      used_memory: used,
      used_memory_human: formatBytes(used),
      used_memory_rss: resident,
      used_memory_rss_human: formatBytes(resident),
      used_memory_dataset: bytes,
      dead_bytes: dead,
      used_memory_scripts_eval: cached.bytes,
      number_of_cached_scripts: cached.count,
      total_system_memory: usableMemoryBytes(),
      total_system_memory_human: formatBytes(usableMemoryBytes()),
      maxmemory: memory,
      maxmemory_human: formatBytes(memory),
      maxmemory_policy: redisEvictionPolicyOf(config),
      eviction_policy: evictionPolicyOf(config),
    };
  },
  persistence: ({ cache, service: { state } }) => ({
    loading: state.phase === "loading" ? 1 : 0,
    // Clients that wait for the end of loading retry after this number of seconds.
    ...(state.phase === "loading" ? { loading_eta_seconds: 1 } : {}),
    rdb_changes_since_last_save:
      changesOf(cache.maintenance.stats()) - Math.max(0, state.get("savedChanges")),
    rdb_bgsave_in_progress: state.get("isSaving"),
    rdb_last_save_time: Math.floor(state.get("savedMs") / 1000),
    rdb_last_bgsave_status: state.get("hasSaveFailed") === 0 ? "ok" : "err",
    rdb_last_bgsave_time_sec: Math.round(state.get("saveTookMs") / 1000),
    rdb_saves: state.get("saves"),
    rdb_last_load_keys_loaded: state.get("loadedEntries"),
    aof_enabled: 0,
    aof_rewrite_in_progress: 0,
  }),
  stats: ({ cache, counters, push, service }) => {
    const { hit, miss, expired, evicted } = cache.maintenance.stats();
    return {
      total_connections_received: counters.sum("connectionsReceived"),
      total_commands_processed: counters.names.reduce(
        (sum, _, n) => sum + counters.command(n).done + counters.command(n).failed,
        0,
      ),
      instantaneous_ops_per_sec: counters.sum("commandsPerSecond"),
      total_net_input_bytes: counters.sum("inputBytes"),
      total_net_output_bytes: counters.sum("outputBytes"),
      rejected_connections: service.rejections.sum("resp", "connections"),
      expired_keys: expired - counters.sum("expiredBefore"),
      evicted_keys: evicted - counters.sum("evictedBefore"),
      keyspace_hits: hit - counters.sum("hitsBefore"),
      keyspace_misses: miss - counters.sum("missesBefore"),
      pubsub_channels: push.registry.allNames(CHANNEL).size,
      pubsub_patterns: push.registry.allNames(PATTERN).size,
      pubsubshard_channels: push.registry.allNames(SHARD_CHANNEL).size,
      tracking_total_keys: counters.sum("trackedKeys"),
      tracking_total_items: counters.sum("trackedItems"),
      tracking_total_prefixes: counters.sum("trackedPrefixes"),
    };
  },
  replication: () => ({
    role: "master",
    connected_slaves: 0,
    master_repl_offset: 0,
  }),
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return {
      used_cpu_sys: (system / 1e6).toFixed(6),
      used_cpu_user: (user / 1e6).toFixed(6),
    };
  },
  // Times are 0: two reads of the clock would cost more than many commands do.
  commandstats: ({ counters }) => {
    const lines: Record<string, string> = {};
    for (const [number, name] of counters.names.entries()) {
      const { done, failed, rejected } = counters.command(number);
      const calls = done + failed;
      if (calls + rejected === 0) continue;
      lines[`cmdstat_${name}`] =
        `calls=${calls},usec=0,usec_per_call=0.00,rejected_calls=${rejected},failed_calls=${failed}`;
    }
    return lines;
  },
  cluster: () => ({ cluster_enabled: 0 }),
  keyspace: ({ cache }) => {
    const lines: Record<string, string> = {};
    for (const [number, { entries, expiring }] of cache.maintenance.databaseStats().entries()) {
      if (entries > 0) lines[`db${number}`] = `keys=${entries},expires=${expiring},avg_ttl=0`;
    }
    return lines;
  },
};

/** Sections that INFO shows only if it is asked for them, or for all. */
const ON_DEMAND = ["commandstats"];
const TITLES: Readonly<Record<string, string>> = { cpu: "CPU" };

/** Returns the text of INFO for these section names, which are in lower case. */
export function infoText(context: CommandContext, names: readonly string[]): string {
  const showsAll = names.includes("all") || names.includes("everything");
  const showsDefault = names.length === 0 || names.includes("default");
  const isShown = (name: string) =>
    names.includes(name) || showsAll || (showsDefault && !ON_DEMAND.includes(name));
  return Object.entries(SECTIONS)
    .filter(([name]) => isShown(name))
    .map(([name, section]) => {
      const title = TITLES[name] ?? `${name[0]?.toUpperCase()}${name.slice(1)}`;
      const lines = Object.entries(section(context)).map(
        ([member, value]) => `${member}:${value}\r\n`,
      );
      return `# ${title}\r\n${lines.join("")}`;
    })
    .join("\r\n");
}

/** Returns bytes as Redis writes them: 1.50K, 2.00M. */
function formatBytes(bytes: number): string {
  const units = ["B", "K", "M", "G", "T"];
  const power = bytes < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return power === 0 ? `${bytes}B` : `${(bytes / 1024 ** power).toFixed(2)}${units[power]}`;
}
