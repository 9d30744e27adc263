// What came of a run: counts, errors by kind, and latencies in HDR histograms.

import { build, type Histogram } from "hdr-histogram-js";

export type RequestKind = "get" | "put";

/** Upper bounds of the bars of the plot, in milliseconds; the last bar has no end. */
export const BAR_BOUNDS_MS = [
  0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000,
] as const;

export interface Latency {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export class StoreCounter {
  hits = 0;
  misses = 0;
  /** Misses of keys that this run had not put before: no cache could have had them. */
  firstMisses = 0;
  readonly errors = new Map<string, number>();
  /** Requests by latency, a count for each bar of BAR_BOUNDS_MS and one beyond. */
  readonly bars = new Float64Array(BAR_BOUNDS_MS.length + 1);
  readonly #latencies: Record<RequestKind, Histogram> = {
    get: newHistogram(),
    put: newHistogram(),
  };
  #startMs = 0;
  #endMs: number | undefined;

  start(): void {
    this.#startMs = performance.now();
  }

  stop(): void {
    this.#endMs = performance.now();
  }

  /** A request that was answered, whatever the answer. */
  request(kind: RequestKind, latencyMs: number): void {
    this.#latencies[kind].recordValue(Math.max(1, Math.round(latencyMs * 1000)));
    const bar = BAR_BOUNDS_MS.findIndex((bound) => latencyMs < bound);
    const index = bar < 0 ? BAR_BOUNDS_MS.length : bar;
    this.bars[index] = (this.bars[index] ?? 0) + 1;
  }

  hit(): void {
    this.hits++;
  }

  miss(first: boolean): void {
    this.misses++;
    if (first) this.firstMisses++;
  }

  error(kind: string): void {
    this.errors.set(kind, (this.errors.get(kind) ?? 0) + 1);
  }

  count(kind: RequestKind): number {
    return this.#latencies[kind].totalCount;
  }

  get errorCount(): number {
    return [...this.errors.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Answered requests of both kinds. */
  get requests(): number {
    return this.count("get") + this.count("put");
  }

  get requestsPerSecond(): number {
    return this.requests === 0 ? 0 : this.requests / this.seconds;
  }

  get seconds(): number {
    return ((this.#endMs ?? performance.now()) - this.#startMs) / 1000;
  }

  /** In milliseconds; of both kinds together if none is named. */
  latency(kind?: RequestKind): Latency {
    const { get, put } = this.#latencies;
    let histogram = kind === undefined ? newHistogram() : this.#latencies[kind];
    if (kind === undefined) {
      histogram.add(get);
      histogram.add(put);
    }
    const max = histogram.maxValue / 1000;
    // The histogram answers the upper end of a range of values, which may lie past the largest.
    const at = (percentile: number) => {
      return Math.min(max, histogram.getValueAtPercentile(percentile) / 1000);
    };
    return {
      mean: histogram.totalCount === 0 ? 0 : histogram.mean / 1000,
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      max,
    };
  }
}

/** Microseconds up to an hour, three digits kept. */
function newHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 3_600_000_000,
    numberOfSignificantValueDigits: 3,
  });
}
