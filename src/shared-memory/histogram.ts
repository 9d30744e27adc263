// How long requests took, counted in shared memory: for each thread and kind of request a
// histogram, of which that thread is the only writer and anybody may read the sum.
//
// A bucket is a quarter of a doubling, so a percentile is off by at most a fifth. From 1 µs to
// 16.8 s; what took longer is in the last one.
//
// Source of the buckets: G. Tene, HdrHistogram (hdrhistogram.org), with two significant bits.

/** Each doubling is cut into four; below 4 µs a bucket is a microsecond. */
export const BUCKETS = 92;
const SUM = BUCKETS;
const WIDTH = BUCKETS + 1;
const MAX_MICROS = 2 ** 24;

/** A histogram, as its reader gets it. */
export interface DurationSums {
  /** Requests by bucket. */
  readonly counts: Float64Array;
  readonly sumMicros: number;
}

/** Zeroed memory for `threads` threads and so many kinds of request. */
export function allocateHistogram(threads: number, kinds: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * kinds * WIDTH * Float64Array.BYTES_PER_ELEMENT);
}

export function bucketOf(micros: number): number {
  const whole = Math.min(micros, MAX_MICROS - 1) | 0;
  if (whole < 4) return Math.max(0, whole);
  const exponent = 31 - Math.clz32(whole);
  return (exponent - 1) * 4 + ((whole >> (exponent - 2)) & 3);
}

/** What the durations of a bucket are less than, in microseconds. */
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

  /** So many requests of this kind took so long each. O(1). */
  observe(kind: number, micros: number, requests = 1): void {
    const own = this.#own;
    const start = kind * WIDTH;
    const place = start + bucketOf(micros);
    own[place] = (own[place] as number) + requests;
    own[start + SUM] = (own[start + SUM] as number) + micros * requests;
  }

  /** The sums over all threads. O(threads). */
  of(kind: number): DurationSums {
    const counts = new Float64Array(BUCKETS);
    const sumMicros = this.#addTo(counts, kind);
    return { counts, sumMicros };
  }

  /** Requests of all kinds, by bucket. O(threads × kinds). */
  all(): Float64Array {
    const counts = new Float64Array(BUCKETS);
    for (let kind = 0; kind < this.#rowLength / WIDTH; kind++) this.#addTo(counts, kind);
    return counts;
  }

  /** Answers the sum of the durations. */
  #addTo(counts: Float64Array, kind: number): number {
    let sumMicros = 0;
    for (let row = kind * WIDTH; row < this.#all.length; row += this.#rowLength) {
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        counts[bucket] = (counts[bucket] as number) + (this.#all[row + bucket] as number);
      }
      sumMicros += this.#all[row + SUM] as number;
    }
    return sumMicros;
  }
}

/**
 * The duration in microseconds below which the part `quantile` of the requests stayed, within the
 * bucket as if they were spread evenly; undefined for none.
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
