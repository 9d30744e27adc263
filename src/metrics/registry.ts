// The metrics of the service as Prometheus reads them: summed over all workers, whichever of
// them is asked. Everything is read when it is asked for; nothing is kept here. No key is ever
// in a label.

import { Counter, Gauge, Histogram, Registry } from "prom-client";

import { type Cache, type CacheFigures, type ShardFigures } from "../cache.ts";
import { type Config, version } from "../config.ts";
import type { Service, StateField } from "../service.ts";
import { BUCKETS, type DurationSums, upperMicros } from "./durations.ts";
import { processFigures } from "./process.ts";
import type { ProtocolFigures } from "./protocol.ts";
import type { WorkerRows } from "./workers.ts";

const PREFIX = "ringcache_";
/** Of the histograms: each doubling from 4 µs to 8.4 s. */
const BOUNDS_MICROS = Array.from({ length: 22 }, (_, n) => 2 ** (n + 2));

const DURATION_HELP =
  "Time from when a request was there to its answer; with pipelines to the answer of all that came at once.";

export interface Sources {
  readonly cache: Cache;
  readonly config: Config;
  readonly service: Service;
  readonly workers: WorkerRows;
  readonly protocols: () => readonly ProtocolFigures[];
}

type Labels = Readonly<Record<string, string>>;
type Reading = readonly (readonly [labels: Labels, value: number])[];

/** All metrics, ready to be asked for. */
export function registryOf(sources: Sources): Registry {
  const { cache, config, service, workers, protocols } = sources;
  const { state } = service;
  const registry = new Registry();
  const metric = (
    Kind: typeof Counter | typeof Gauge,
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => Reading,
  ): void => {
    new Kind({
      name: PREFIX + name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect(this: Counter | Gauge) {
        this.reset();
        for (const [labels, value] of read()) this.inc(labels, value);
      },
    });
  };
  const counter = (name: string, help: string, read: () => number) =>
    metric(Counter, name, help, [], () => [[{}, read()]]);
  const gauge = (name: string, help: string, read: () => number) =>
    metric(Gauge, name, help, [], () => [[{}, read()]]);
  const figure = (name: keyof CacheFigures) => () => cache.figures()[name];
  const stateFigure =
    (field: StateField, scale = 1) =>
    () =>
      state.get(field) * scale;

  metric(Gauge, "build_info", "1, with the versions as labels.", ["version", "bun"], () => [
    [{ version, bun: Bun.version }, 1],
  ]);
  gauge("uptime_seconds", "Time since the start.", () => {
    return (performance.now() - service.startedMs) / 1000;
  });
  gauge("loading", "1 while the snapshot is loaded.", () => (state.phase === "loading" ? 1 : 0));

  counter("keyspace_hits_total", "Keys asked for and found.", figure("hit"));
  counter("keyspace_misses_total", "Keys asked for and not found.", figure("miss"));
  counter("stored_keys_total", "Entries put, new ones and over others.", figure("inserted"));
  counter("overwritten_keys_total", "Entries put over others.", figure("overwritten"));
  counter("deleted_keys_total", "Entries deleted.", figure("deleted"));
  counter("expired_keys_total", "Entries freed because their time was over.", figure("expired"));
  counter("evicted_keys_total", "Entries freed to make room.", figure("evicted"));
  counter("loaded_keys_total", "Entries that came from the snapshot.", figure("loaded"));
  gauge("db_keys", "Entries held, expired ones until they are swept.", figure("entries"));
  gauge("db_keys_expiring", "Of them those that have a deadline.", figure("mortals"));

  gauge("memory_max_bytes", "What the cache may take.", figure("memory"));
  gauge("memory_used_bytes", "What it takes: log, index and tables.", figure("used"));
  gauge("memory_live_bytes", "Keys and values held.", figure("bytes"));
  gauge("memory_dead_bytes", "What has left and is not free yet.", figure("dead"));
  gauge("ghost_keys", "Keys remembered of entries evicted not long ago.", figure("ghosts"));

  const shards = (read: (figures: ShardFigures) => number) => () =>
    cache
      .shardFigures()
      .map((figures, shard) => [{ shard: String(shard) }, read(figures)] as const);
  metric(
    Gauge,
    "shard_entries",
    "Entries of a shard.",
    ["shard"],
    shards(({ entries }) => entries),
  );
  metric(
    Gauge,
    "shard_bytes",
    "Keys and values of a shard.",
    ["shard"],
    shards(({ bytes }) => bytes),
  );

  metric(Gauge, "connected_clients", "Connections.", ["protocol"], () =>
    protocols().flatMap(({ protocol, clients }) => {
      const count = clients();
      return count === undefined ? [] : [[{ protocol }, count] as const];
    }),
  );
  metric(Counter, "commands_total", "Requests.", ["protocol", "command", "status"], () =>
    protocols().flatMap(({ protocol, commands, statuses }) =>
      commands.flatMap((command, number) =>
        Object.entries(statuses(number))
          .filter(([, count]) => count > 0)
          .map(([status, count]) => [{ protocol, command, status }, count] as const),
      ),
    ),
  );
  registry.registerMetric(new RequestDurations(protocols));

  counter(
    "lock_waits_total",
    "Times that a shard's lock was not free at once.",
    figure("lockWaits"),
  );
  counter("lock_wait_seconds_total", "Time waited for locks of shards.", () => {
    return cache.figures().lockWaitMicros / 1e6;
  });

  gauge("workers", "Threads that serve.", () => config.workers);
  counter(
    "worker_restarts_total",
    "Workers that failed and were started again.",
    figure("lostThreads"),
  );
  counter(
    "shards_emptied_total",
    "Shards that a failing worker cost their entries.",
    figure("emptied"),
  );
  const rows = (read: (thread: number) => number) => () =>
    Array.from({ length: workers.count }, (_, thread) => {
      return [{ worker: String(thread) }, read(thread)] as const;
    });
  metric(
    ...([
      Gauge,
      "worker_load_ratio",
      "Part of a core that a worker used in the last second.",
    ] as const),
    ...([["worker"], rows((thread) => workers.read(thread).load)] as const),
  );
  metric(
    ...([
      Gauge,
      "event_loop_lag_seconds",
      "Longest delay of a worker's event loop in the last second.",
    ] as const),
    ...([["worker"], rows((thread) => workers.read(thread).loopLagMs / 1000)] as const),
  );

  metric(Counter, "snapshots_total", "Snapshots since the start.", ["status"], () => [
    [{ status: "ok" }, state.get("saves")],
    [{ status: "error" }, state.get("failedSaves")],
  ]);
  gauge(
    "snapshot_last_success_timestamp_seconds",
    "When the last good snapshot began; 0 without one.",
    stateFigure("savedMs", 1e-3),
  );
  gauge(
    "snapshot_last_duration_seconds",
    "Time that the last good snapshot took.",
    stateFigure("saveTookMs", 1e-3),
  );
  gauge(
    "snapshot_last_bytes",
    "Size of the last good snapshot of this process.",
    stateFigure("savedBytes"),
  );
  gauge(
    "snapshot_last_entries",
    "Entries in the last good snapshot of this process.",
    stateFigure("savedEntries"),
  );
  gauge("snapshot_in_progress", "1 while a snapshot is taken.", stateFigure("isSaving"));
  gauge(
    "snapshot_shards_dropped",
    "Damaged shards of the snapshot that was loaded.",
    stateFigure("droppedShards"),
  );

  for (const { name, help, isCounter, read } of processFigures(service.startedMs)) {
    (isCounter ? counter : gauge)(`process_${name}`, help, read);
  }
  return registry;
}

/** prom-client's own histogram counts what it is told; this one has been counted in shared memory. */
class RequestDurations extends Histogram<"protocol" | "command"> {
  readonly #protocols: () => readonly ProtocolFigures[];

  constructor(protocols: () => readonly ProtocolFigures[]) {
    super({
      name: `${PREFIX}request_duration_seconds`,
      help: DURATION_HELP,
      labelNames: ["protocol", "command"],
      buckets: BOUNDS_MICROS.map((micros) => micros / 1e6),
      registers: [],
    });
    this.#protocols = protocols;
  }

  /** What the registry's text and the base's `get` are made of; not among the types. */
  async getForPromString() {
    const name = `${PREFIX}request_duration_seconds`;
    const values = this.#protocols().flatMap(({ protocol, commands, durations }) =>
      commands.flatMap((command, number) => {
        const sums = durations.of(number);
        const isUsed = sums.counts.some((count) => count > 0);
        return isUsed ? valuesOf(name, { protocol, command }, sums) : [];
      }),
    );
    return { name, help: DURATION_HELP, type: "histogram", aggregator: "sum", values };
  }
}

function valuesOf(
  name: string,
  labels: { readonly protocol: string; readonly command: string },
  { counts, sumMicros }: DurationSums,
) {
  const values = [];
  let below = 0;
  let bucket = 0;
  for (const bound of BOUNDS_MICROS) {
    for (; bucket < BUCKETS && upperMicros(bucket) <= bound; bucket++) below += counts[bucket] ?? 0;
    values.push({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: bound / 1e6 },
      value: below,
    });
  }
  for (; bucket < BUCKETS; bucket++) below += counts[bucket] ?? 0;
  values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: below });
  values.push({ metricName: `${name}_sum`, labels, value: sumMicros / 1e6 });
  values.push({ metricName: `${name}_count`, labels, value: below });
  return values;
}
