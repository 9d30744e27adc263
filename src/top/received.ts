// Validates stats from the wire, because another version of the service or another program may have
// sent them. Additional members are ignored.

import { type HistoryTable, type Sample, samplesOf } from "../live/history.ts";
import type {
  CommandView,
  HotKey,
  LiveStats,
  Percentiles,
  PrimaryView,
  RejectionView,
  ShardView,
  TrafficView,
  UpstreamView,
  WorkerView,
} from "../live/stats.ts";

type Check<T> = (value: unknown) => value is T;
/** A check per field: the compiler reports a field of live/stats.ts that has no check here. */
type Checks<T> = { readonly [K in keyof T]-?: Check<T[K]> };

const isNumber: Check<number> = (value): value is number => Number.isFinite(value);
const isText: Check<string> = (value) => typeof value === "string";
const isBoolean: Check<boolean> = (value) => typeof value === "boolean";

const STATES = ["loading", "serving", "draining", "stopping"] as const;
const isState: Check<LiveStats["state"]> = (value): value is LiveStats["state"] =>
  STATES.some((state) => state === value);

const MODES = ["unknown", "server", "cluster"] as const;
const isMode: Check<UpstreamView["mode"]> = (value): value is UpstreamView["mode"] =>
  MODES.some((mode) => mode === value);

const isUpstream = fields<UpstreamView>({
  mode: isMode,
  slotsCovered: isNumber,
  primaries: listOf(
    fields<PrimaryView>({
      ...{ address: isText, isTrusted: isBoolean, beatAgeMs: orNull(isNumber), slots: isNumber },
    }),
  ),
  nearHitsPerSecond: isNumber,
  nearMissesPerSecond: isNumber,
  nearHitRatio: orNull(isNumber),
  fillsPerSecond: isNumber,
  dropsPerSecond: isNumber,
  invalidationsPerSecond: isNumber,
  flushes: isNumber,
  inFlight: isNumber,
  errorsPerSecond: isNumber,
});
const PROTOCOLS = ["http", "resp"] as const;
const isProtocol: Check<"http" | "resp"> = (value): value is "http" | "resp" =>
  PROTOCOLS.some((protocol) => protocol === value);
const isTraffic = fields<TrafficView>({ receivedPerSecond: isNumber, sentPerSecond: isNumber });

const isStats = fields<LiveStats>({
  timeMs: isNumber,
  state: isState,
  version: isText,
  uptimeSeconds: isNumber,
  requestsPerSecond: isNumber,
  hitRatio: orNull(isNumber),
  latencyMs: orNull(fields<Percentiles>({ p50: isNumber, p99: isNumber, p999: isNumber })),
  entries: isNumber,
  memory: fields<LiveStats["memory"]>({
    maxBytes: isNumber,
    usedBytes: isNumber,
    liveBytes: isNumber,
    deadBytes: isNumber,
    expiredBytes: isNumber,
  }),
  residentBytes: isNumber,
  errorsPerSecond: isNumber,
  rejectionsPerSecond: isNumber,
  network: fields<LiveStats["network"]>({ resp: isTraffic, interfaces: orNull(isTraffic) }),
  evictionsPerSecond: isNumber,
  expirationsPerSecond: isNumber,
  caching: fields<LiveStats["caching"]>({
    leasesPerSecond: isNumber,
    waitsPerSecond: isNumber,
    stalePerSecond: isNumber,
    invalidationsPerSecond: isNumber,
  }),
  upstream: orNull(isUpstream),
  clients: fields<LiveStats["clients"]>({ http: isNumber, resp: isNumber }),
  virtualNodes: isNumber,
  shards: listOf(
    fields<ShardView>({ shard: isNumber, share: isNumber, entries: isNumber, bytes: isNumber }),
  ),
  workers: listOf(
    fields<WorkerView>({ worker: isNumber, load: isNumber, requestsPerSecond: isNumber }),
  ),
  workerRestarts: isNumber,
  commands: listOf(
    fields<CommandView>({
      ...{ protocol: isProtocol, command: isText, callsPerSecond: isNumber },
      ...{ errorsPerSecond: isNumber, calls: isNumber, errors: isNumber },
    }),
  ),
  rejections: listOf(
    fields<RejectionView>({
      ...{ protocol: isProtocol, reason: isText, perSecond: isNumber, count: isNumber },
    }),
  ),
  hotKeys: fields<LiveStats["hotKeys"]>({
    sampled: isNumber,
    oneIn: isNumber,
    keys: listOf(
      fields<HotKey>({
        key: isText,
        encoding: (value): value is "base64" => value === undefined || value === "base64",
        count: isNumber,
        error: isNumber,
      }),
    ),
  }),
  snapshot: fields<LiveStats["snapshot"]>({
    isEnabled: isBoolean,
    lastMs: isNumber,
    hasFailed: isBoolean,
  }),
});

const isHistory = fields<HistoryTable>({
  fields: listOf(isText),
  rows: listOf(listOf(orNull(isNumber))),
});

/** Returns the stats in the data of an event; undefined if the data is something else. */
export function parseStats(data: string): LiveStats | undefined {
  const value = parseJson(data);
  return isStats(value) ? value : undefined;
}

/** Returns the samples in the data of an event; none if the data is something else. */
export function parseHistory(data: string): Sample[] {
  const value = parseJson(data);
  return isHistory(value) ? samplesOf(value) : [];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fields<T>(checks: Checks<T>): Check<T> {
  const rows = Object.entries<Check<unknown>>(checks);
  return (value): value is T =>
    isRecord(value) && rows.every(([name, check]) => check(value[name]));
}

function listOf<T>(check: Check<T>): Check<readonly T[]> {
  return (value): value is readonly T[] => Array.isArray(value) && value.every(check);
}

function orNull<T>(check: Check<T>): Check<T | null> {
  return (value): value is T | null => value === null || check(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
