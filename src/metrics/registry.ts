// The metrics of the service as text for Prometheus: summed over all workers, whichever of
// them is asked. Everything is read when it is asked for; nothing is kept here.

import { Counter, Gauge, Histogram, Registry } from "prom-client";

import { BUCKETS, type DurationSums, upperMicros } from "../shared-memory/histogram.ts";
import type { ProtocolStats } from "./protocol.ts";
import { METRICS } from "./table.ts";
import type { Metric, Scrape, MetricsContext } from "./metric.ts";

const PREFIX = "ringcache_";
const DURATION_NAME = `${PREFIX}request_duration_seconds`;
const DURATION_HELP =
  "Time from when a request was there to its answer; with pipelines to the answer of all that came at once.";
/** Of the histograms: each doubling from 4 µs to 8.4 s. */
const BOUNDS_MICROS = Array.from({ length: 22 }, (_, n) => 2 ** (n + 2));

export class PrometheusExporter {
  readonly #sources: MetricsContext;
  readonly #registry = new Registry();
  #scrape: Scrape;

  constructor(sources: MetricsContext) {
    this.#sources = sources;
    this.#scrape = this.#read();
    for (const metric of METRICS) this.#register(metric);
    this.#registry.registerMetric(new RequestDurations(sources.protocols));
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics in Prometheus's text format. O(shards + commands × threads). */
  async text(): Promise<string> {
    this.#scrape = this.#read();
    return await this.#registry.metrics();
  }

  #read(): Scrape {
    const { cache, workers } = this.#sources;
    return {
      ...this.#sources,
      stats: cache.stats(),
      shards: cache.shardStats(),
      rows: Array.from({ length: workers.count }, (_, thread) => workers.read(thread)),
    };
  }

  #register({ name, kind, help, labels = [], read }: Metric): void {
    const told = (): ReturnType<Metric["read"]> => read(this.#scrape);
    new (kind === "counter" ? Counter : Gauge)({
      name: PREFIX + name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      collect(this: Counter | Gauge) {
        const found = told();
        this.reset();
        if (typeof found === "number") this.inc(found);
        else for (const [labelled, value] of found) this.inc(labelled, value);
      },
    });
  }
}

/** prom-client's own histogram counts what it is told; this one has been counted in shared memory. */
class RequestDurations extends Histogram<"protocol" | "command"> {
  readonly #protocols: () => readonly ProtocolStats[];

  constructor(protocols: () => readonly ProtocolStats[]) {
    super({
      name: DURATION_NAME,
      help: DURATION_HELP,
      labelNames: ["protocol", "command"],
      buckets: BOUNDS_MICROS.map((micros) => micros / 1e6),
      registers: [],
    });
    this.#protocols = protocols;
  }

  /** What the registry's text and the base's `get` are made of; not among the types. */
  async getForPromString() {
    const name = DURATION_NAME;
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
