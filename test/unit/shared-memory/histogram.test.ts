import { expect, test } from "bun:test";

import {
  allocateHistogram,
  BUCKETS,
  bucketOf,
  Histogram,
  quantileOf,
  upperMicros,
} from "../../../src/shared-memory/histogram.ts";
import { random } from "../../lib/random.ts";

test("a duration is at most a fifth below the end of its bucket", () => {
  for (let micros = 0; micros < 2 ** 24; micros += 1 + micros / 100) {
    const bucket = bucketOf(micros);
    const upper = upperMicros(bucket);
    expect(upper).toBeGreaterThan(micros);
    if (micros >= 4) expect(micros).toBeGreaterThanOrEqual(upper * 0.8 - 1);
    if (bucket > 0) expect(micros).toBeGreaterThanOrEqual(upperMicros(bucket - 1));
  }
});

test("durations beyond the last bucket, and durations of 0, are counted", () => {
  expect([bucketOf(2 ** 24), bucketOf(1e12), bucketOf(-1), bucketOf(0)]).toEqual([
    BUCKETS - 1,
    BUCKETS - 1,
    0,
    0,
  ]);
});

test("percentiles are within a fifth of the true ones", () => {
  const { below } = random();
  const durations = new Histogram(allocateHistogram(1, 1), 0, 1);
  const all = Array.from({ length: 20_000 }, () => 5 + below(100) ** 3);
  for (const micros of all) durations.observe(0, micros);
  all.sort((a, b) => a - b);
  for (const quantile of [0.5, 0.9, 0.99, 0.999]) {
    const found = quantileOf(durations.of(0).counts, quantile) ?? 0;
    const actual = all[Math.ceil(quantile * all.length) - 1] ?? 0;
    expect(Math.abs(found / actual - 1)).toBeLessThan(0.25);
  }
  expect(quantileOf(new Float64Array(BUCKETS), 0.5)).toBeUndefined();
});

test("each thread counts on its own, and a reader gets the sum", () => {
  const memory = allocateHistogram(3, 2);
  const threads = [0, 1, 2].map((thread) => new Histogram(memory, thread, 2));
  for (const [n, thread] of threads.entries()) thread.observe(1, 10 * (n + 1));
  const [first] = threads;
  expect(first?.of(1).sumMicros).toBe(60);
  expect(first?.of(1).counts.reduce((sum, count) => sum + count)).toBe(3);
  expect(first?.of(0).sumMicros).toBe(0);
  expect(first?.all()).toEqual(first?.of(1).counts as Float64Array);
});
