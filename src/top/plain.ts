// A reading as one line of name=value pairs, for pipes, files and programs. Every line has the same
// names in the same order; "-" means no value.

import type { LiveStats } from "../live/stats.ts";
import { quoted } from "./printable.ts";

/** Decimals of a value; more would be noise in the stats of one second. */
const DECIMALS = 4;

type Value = number | string | null | undefined;

const PAIRS: readonly (readonly [string, (stats: LiveStats) => Value])[] = [
  ["time_ms", ({ timeMs }) => timeMs],
  ["state", ({ state }) => state],
  ["version", ({ version }) => word(version)],
  ["uptime_seconds", ({ uptimeSeconds }) => uptimeSeconds],
  ["requests_per_second", ({ requestsPerSecond }) => requestsPerSecond],
  ["hit_ratio", ({ hitRatio }) => hitRatio],
  ["p50_ms", ({ latencyMs }) => latencyMs?.p50],
  ["p99_ms", ({ latencyMs }) => latencyMs?.p99],
  ["p999_ms", ({ latencyMs }) => latencyMs?.p999],
  ["memory_used_bytes", ({ memory }) => memory.usedBytes],
  ["memory_max_bytes", ({ memory }) => memory.maxBytes],
  ["memory_live_bytes", ({ memory }) => memory.liveBytes],
  ["memory_dead_bytes", ({ memory }) => memory.deadBytes],
  ["memory_expired_bytes", ({ memory }) => memory.expiredBytes],
  ["resident_bytes", ({ residentBytes }) => residentBytes],
  ["entries", ({ entries }) => entries],
  ["evictions_per_second", ({ evictionsPerSecond }) => evictionsPerSecond],
  ["expirations_per_second", ({ expirationsPerSecond }) => expirationsPerSecond],
  ["leases_per_second", ({ caching }) => caching.leasesPerSecond],
  ["lease_waits_per_second", ({ caching }) => caching.waitsPerSecond],
  ["stale_served_per_second", ({ caching }) => caching.stalePerSecond],
  ["invalidations_per_second", ({ caching }) => caching.invalidationsPerSecond],
  ["errors_per_second", ({ errorsPerSecond }) => errorsPerSecond],
  ["rejections_per_second", ({ rejectionsPerSecond }) => rejectionsPerSecond],
  ["resp_in_bytes_per_second", ({ network }) => network.resp.receivedPerSecond],
  ["resp_out_bytes_per_second", ({ network }) => network.resp.sentPerSecond],
  ["near_hit_ratio", ({ upstream }) => upstream?.nearHitRatio],
  ["near_hits_per_second", ({ upstream }) => upstream?.nearHitsPerSecond],
  ["near_fills_per_second", ({ upstream }) => upstream?.fillsPerSecond],
  ["near_drops_per_second", ({ upstream }) => upstream?.dropsPerSecond],
  ["upstream_slots_covered", ({ upstream }) => upstream?.slotsCovered],
  ["http_clients", ({ clients }) => clients.http],
  ["resp_clients", ({ clients }) => clients.resp],
  ["workers", ({ workers }) => workers.length],
  ["worker_restarts", ({ workerRestarts }) => workerRestarts],
  ["busiest_worker_load", ({ workers }) => most(workers.map(({ load }) => load))],
  ["shards", ({ shards }) => shards.length],
  ["fewest_shard_entries", ({ shards }) => fewest(shards.map(({ entries }) => entries))],
  ["most_shard_entries", ({ shards }) => most(shards.map(({ entries }) => entries))],
  ["snapshot", ({ snapshot }) => snapshotState(snapshot)],
  ["snapshot_age_seconds", (stats) => snapshotAgeSeconds(stats)],
  ["hot_key_count", ({ hotKeys }) => hotKeys.keys[0]?.count],
  ["hot_key_encoding", ({ hotKeys: { keys } }) => keys[0] && (keys[0].encoding ?? "text")],
  // The last pair, because only its value may contain spaces.
  ["hot_key", ({ hotKeys: { keys } }) => keys[0] && quoted(keys[0].key)],
];

/** Returns the line without a line feed; it has printable ASCII characters only. */
export function plainLine(stats: LiveStats): string {
  return PAIRS.map(([name, read]) => `${name}=${text(read(stats))}`).join(" ");
}

function text(value: Value): string {
  if (typeof value !== "number") return value ?? "-";
  return `${Number(value.toFixed(DECIMALS))}`;
}

/** Returns a single word unchanged, and any other text in quotes. */
function word(value: string): string {
  return /^[!-~]+$/.test(value) && !/["=]/.test(value) ? value : quoted(value);
}

function snapshotState({ isEnabled, lastMs, hasFailed }: LiveStats["snapshot"]): string {
  if (!isEnabled) return "off";
  if (hasFailed) return "failed";
  return lastMs > 0 ? "saved" : "none";
}

function snapshotAgeSeconds({ snapshot, timeMs }: LiveStats): Value {
  if (!snapshot.isEnabled || snapshot.lastMs <= 0) return undefined;
  return Math.max(0, timeMs - snapshot.lastMs) / 1000;
}

function most(values: readonly number[]): Value {
  return values.length === 0 ? undefined : Math.max(...values);
}

function fewest(values: readonly number[]): Value {
  return values.length === 0 ? undefined : Math.min(...values);
}
