import { expect, test } from "bun:test";

import { HotKeys } from "../../../src/metrics/hot-keys.ts";
import { random } from "../../lib/random.ts";

test("a true count is between count - error and count, and whatever is frequent is in the sketch", () => {
  const { next } = random();
  const sketch = new HotKeys();
  const counts = new Map<string, number>();
  const gets = 100_000;
  for (let n = 0; n < gets; n++) {
    // Few keys often, many keys seldom.
    const key = `k${Math.floor(3000 * (next() / 2 ** 32) ** 4)}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    sketch.saw(key);
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
  expect(frequent.filter((key) => !top.some((one) => one.key === key))).toEqual([]);
});

test("what was hot once makes room for what is hot now", () => {
  const sketch = new HotKeys();
  for (let n = 0; n < 1000; n++) sketch.saw("once");
  for (let second = 0; second < 200; second++) {
    sketch.tick();
    for (let n = 0; n < 5; n++) sketch.saw("now");
  }
  expect(sketch.top(1)[0]?.key).toBe("now");
  expect(sketch.top(10).map(({ key }) => key)).toEqual(["now"]);
});
