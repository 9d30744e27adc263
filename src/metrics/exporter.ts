// The metrics of the service in the text format of Prometheus. Every worker returns the sums over
// all workers. Values are read at each scrape; the exporter keeps none.
// Typed arrays: indexes are in range by construction.

import { Counter, Gauge, Histogram, Registry } from "prom-client";

import { BUCKETS, type DurationSums, upperMicros } from "../shared-memory/histogram.ts";
import { METRICS } from "./table.ts";
import type { LabelledHistogram, Labels, Metric, MetricsContext, Scrape } from "./metric.ts";

const PREFIX = "ringcache_";
const DURATION_NAME = "request_duration_seconds";
const DURATION_HELP =
  "Time from the arrival of a request to its response; " +
  "in a pipeline, to the response of the whole batch.";
/** Upper bounds of the histogram buckets: each power of two from 4 µs to 8.4 s. */
const BOUNDS_MICROS = Array.from({ length: 22 }, (_, index) => 2 ** (index + 2));

export class PrometheusExporter {
  readonly #context: MetricsContext;
  readonly #registry = new Registry();
  #scrape: Scrape;

  constructor(context: MetricsContext) {
    this.#context = context;
    this.#scrape = this.#read();
    const { protocols, upstream } = context;
    for (const metric of METRICS) this.#register(metric);
    this.#registry.registerMetric(
      new Durations({
        ...{ name: DURATION_NAME, help: DURATION_HELP, labels: ["protocol", "command"] },
        read: () =>
          protocols().flatMap(({ protocol, commands, durations }) =>
            commands.map((command, number) => [{ protocol, command }, durations.of(number)]),
          ),
      }),
    );
    if (upstream === undefined) return;
    for (const metric of upstream.metrics) this.#register(metric);
    this.#registry.registerMetric(new Durations(upstream.durations));
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Returns all metrics in the text format of Prometheus. O(shards + commands × threads). */
  async text(): Promise<string> {
    this.#scrape = this.#read();
    return await this.#registry.metrics();
  }

  #read(): Scrape {
    const { cache, workers } = this.#context;
    return {
      ...this.#context,
      stats: cache.maintenance.stats(),
      shards: cache.maintenance.shardStats(),
      rows: Array.from({ length: workers.count }, (_, thread) => workers.read(thread)),
    };
  }

  #register({ name, kind, help, labels = [], read }: Metric): void {
    const current = (): ReturnType<Metric["read"]> => read(this.#scrape);
    new (kind === "counter" ? Counter : Gauge)({
      name: PREFIX + name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      collect(this: Counter | Gauge) {
        const values = current();
        this.reset();
        if (typeof values === "number") this.inc(values);
        else for (const [labelled, value] of values) this.inc(labelled, value);
      },
    });
  }
}

/** The histogram of prom-client counts by itself; this one returns the counts in shared memory. */
class Durations extends Histogram {
  readonly #name: string;
  readonly #source: LabelledHistogram;

  constructor(source: LabelledHistogram) {
    const { help, labels } = source;
    const name = PREFIX + source.name;
    const buckets = BOUNDS_MICROS.map((micros) => micros / 1e6);
    super({ name, help, labelNames: [...labels], buckets, registers: [] });
    this.#name = name;
    this.#source = source;
  }

  /** The registry and the base class's `get` call this method, which prom-client's types omit. */
  async getForPromString() {
    const { help } = this.#source;
    const values = this.#source.read().flatMap(([labels, sums]) => {
      const isUsed = sums.counts.some((count) => count > 0);
      return isUsed ? histogramSamples(this.#name, labels, sums) : [];
    });
    return { name: this.#name, help, type: "histogram", aggregator: "sum", values };
  }
}

function histogramSamples(name: string, labels: Labels, { counts, sumMicros }: DurationSums) {
  const values = [];
  let below = 0;
  let bucket = 0;
  for (const bound of BOUNDS_MICROS) {
    for (; bucket < BUCKETS && upperMicros(bucket) <= bound; bucket++) below += counts[bucket]!;
    values.push({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: bound / 1e6 },
      value: below,
    });
  }
  for (; bucket < BUCKETS; bucket++) below += counts[bucket]!;
  values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: below });
  values.push({ metricName: `${name}_sum`, labels, value: sumMicros / 1e6 });
  values.push({ metricName: `${name}_count`, labels, value: below });
  return values;
}
