import { expect, test } from "bun:test";

import { allocateCounters, Counters, sumOf } from "../../../../src/cache/store/counters.ts";

test("a sum is over all workers, and each counter is its own", () => {
  const memory = allocateCounters(3);
  for (let worker = 0; worker < 3; worker++) {
    const counters = new Counters(memory, worker);
    for (let n = 0; n <= worker; n++) counters.add("hit");
    counters.add("miss");
  }
  expect([sumOf(memory, "hit"), sumOf(memory, "miss"), sumOf(memory, "lostThread")]).toEqual([
    6, 3, 0,
  ]);
});

test("a count goes on beyond 32 bits", () => {
  const memory = allocateCounters(1);
  const counters = new Counters(memory, 0);
  counters.add("hit", 2 ** 32);
  expect(sumOf(memory, "hit")).toBe(2 ** 32);
  counters.add("hit");
  expect(sumOf(memory, "hit")).toBe(2 ** 32 + 1);
});
