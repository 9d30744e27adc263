// Histograms of durations in shared memory: one for each thread and kind of request. The thread is the
// only writer of its histograms, and every thread may read the sums.
//
// A bucket is a quarter of a doubling, so a percentile is off by at most a fifth. The buckets reach
// from 1 µs to 16.8 s; longer durations count in the last bucket.
//
// Typed arrays: indexes are in range by construction.
//
// Source of the buckets: G. Tene, HdrHistogram (hdrhistogram.org), with two significant bits.

/** Four buckets for each doubling; below 4 µs a bucket is one microsecond wide. */
export const BUCKETS = 92;
const SUM = BUCKETS;
const WIDTH = BUCKETS + 1;
const MICROS_END = 2 ** 24;

/** The sum of a histogram over all threads. */
export interface DurationSums {
  /** The number of requests in each bucket. */
  readonly counts: Float64Array;
  readonly sumMicros: number;
}

/** Zeroed memory for `threads` threads and `kinds` kinds of request. */
export function allocateHistogram(threads: number, kinds: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * kinds * WIDTH * Float64Array.BYTES_PER_ELEMENT);
}

export function bucketOf(micros: number): number {
  const whole = Math.max(0, Math.min(micros, MICROS_END - 1)) | 0;
  if (whole < 4) return whole;
  const exponent = 31 - Math.clz32(whole);
  return (exponent - 1) * 4 + ((whole >> (exponent - 2)) & 3);
}

/** Returns the exclusive upper bound of a bucket, in microseconds. */
export function upperMicros(bucket: number): number {
  if (bucket < 4) return bucket + 1;
  return (5 + (bucket & 3)) * 2 ** ((bucket >> 2) - 1);
}

export class Histogram {
  readonly #all: Float64Array;
  readonly #own: Float64Array;
  readonly #rowLength: number;

  constructor(memory: SharedArrayBuffer, thread: number, kinds: number) {
    this.#all = new Float64Array(memory);
    this.#rowLength = kinds * WIDTH;
    this.#own = this.#all.subarray(thread * this.#rowLength, (thread + 1) * this.#rowLength);
  }

  /** Counts `requests` requests of this kind, each of `micros` microseconds. O(1). */
  observe(kind: number, micros: number, requests = 1): void {
    const own = this.#own;
    const start = kind * WIDTH;
    own[start + bucketOf(micros)]! += requests;
    own[start + SUM]! += micros * requests;
  }

  /** Counts a request of each of `kinds[from, to)`, of `micros`; adjacent equal ones at once. -1 is no kind. */
  observeAll(kinds: Int32Array, from: number, to: number, micros: number): void {
    for (let n = from; n < to;) {
      const kind = kinds[n]!;
      const first = n++;
      while (n < to && kinds[n] === kind) n++;
      if (kind >= 0) this.observe(kind, micros, n - first);
    }
  }

  /** Returns the sums over all threads. O(threads). */
  of(kind: number): DurationSums {
    const counts = new Float64Array(BUCKETS);
    const sumMicros = this.#addTo(counts, kind);
    return { counts, sumMicros };
  }

  /** Returns the requests of all kinds, by bucket. O(threads × kinds). */
  all(): Float64Array {
    const counts = new Float64Array(BUCKETS);
    for (let kind = 0; kind < this.#rowLength / WIDTH; kind++) this.#addTo(counts, kind);
    return counts;
  }

  /** Adds all threads' buckets to `counts`; returns the sum of the durations. */
  #addTo(counts: Float64Array, kind: number): number {
    let sumMicros = 0;
    for (let row = kind * WIDTH; row < this.#all.length; row += this.#rowLength) {
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        counts[bucket]! += this.#all[row + bucket]!;
      }
      sumMicros += this.#all[row + SUM]!;
    }
    return sumMicros;
  }
}

/**
 * Returns the duration in microseconds below which the fraction `quantile` of the requests stayed,
 * interpolated within the bucket; undefined without requests.
 */
export function quantileOf(counts: ArrayLike<number>, quantile: number): number | undefined {
  let total = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) total += counts[bucket] ?? 0;
  if (total <= 0) return undefined;
  let left = quantile * total;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const count = counts[bucket] ?? 0;
    if (count > 0 && left <= count) {
      const lower = bucket === 0 ? 0 : upperMicros(bucket - 1);
      return lower + (upperMicros(bucket) - lower) * (left / count);
    }
    left -= count;
  }
  return upperMicros(BUCKETS - 1);
}
