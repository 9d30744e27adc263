// Load shedding, with the lag of the event loop as a parameter.

import { expect, test } from "bun:test";

import { LoadShedder } from "../../../../src/http/admission/load-shedding.ts";

test("rejects only while the loop is late again, and no more than its ration", () => {
  const lag = { lastMs: 0, overdueMs: (nowMs: number) => nowMs };
  const shedder = new LoadShedder(50, lag);
  const rejectedAt = (nowMs: number) => {
    let rejected = 0;
    for (let n = 0; n < 10_000; n++) if (shedder.shouldReject(nowMs)) rejected++;
    return rejected;
  };
  // Late once: the process may have been stopped.
  expect([shedder.wasLate, rejectedAt(120)]).toEqual([false, 0]);
  lag.lastMs = 120;
  expect([shedder.wasLate, rejectedAt(50), rejectedAt(120), rejectedAt(130)]).toEqual([
    ...[true, 0],
    // 2 in each ms, and at most 200 at once.
    ...[200, 20],
  ]);
  lag.lastMs = 50;
  expect([shedder.wasLate, rejectedAt(140)]).toEqual([false, 0]);
});
