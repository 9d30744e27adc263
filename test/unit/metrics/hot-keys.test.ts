// The sketch of hot keys: its error bounds, and how old keys make room for new ones.

import { expect, test } from "bun:test";

import { HotKeys } from "../../../src/metrics/hot-keys.ts";
import { random } from "../../lib/random.ts";

test("a true count is between count - error and count, and every frequent key is in the sketch", () => {
  const { next } = random();
  const sketch = new HotKeys();
  const counts = new Map<string, number>();
  const gets = 100_000;
  for (let get = 0; get < gets; get++) {
    // A few keys are frequent and many keys are rare.
    const key = `k${Math.floor(3000 * (next() / 2 ** 32) ** 4)}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    sketch.record(key);
  }
  const top = sketch.top(128);
  expect(sketch.sampled).toBe(gets);
  for (const { key, count, error } of top) {
    const actual = counts.get(key) ?? 0;
    expect(actual).toBeLessThanOrEqual(count);
    expect(actual).toBeGreaterThanOrEqual(count - error);
  }
  const frequent = [...counts].filter(([, count]) => count > gets / 128).map(([key]) => key);
  expect(frequent.length).toBeGreaterThan(5);
  const topKeys = new Set(top.map(({ key }) => key));
  expect(frequent.filter((key) => !topKeys.has(key))).toEqual([]);
});

test("a key that was hot earlier makes room for a key that is hot now", () => {
  const sketch = new HotKeys();
  for (let get = 0; get < 1000; get++) sketch.record("earlier");
  for (let second = 0; second < 200; second++) {
    sketch.tick();
    for (let get = 0; get < 5; get++) sketch.record("now");
  }
  expect(sketch.top(1)[0]?.key).toBe("now");
  expect(sketch.top(10).map(({ key }) => key)).toEqual(["now"]);
});
