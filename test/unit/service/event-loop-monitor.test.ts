import { expect, test } from "bun:test";

import { EventLoopMonitor } from "../../../src/service/event-loop-monitor.ts";

test("the lag is the delay of each observation, and the longest one is kept until it is taken", () => {
  const monitor = new EventLoopMonitor();
  expect(monitor.overdueMs(1000)).toBe(-Infinity);
  monitor.begin(1000);
  expect(monitor.overdueMs(1010)).toBe(-10);
  monitor.observe(1020);
  expect(monitor.lastMs).toBe(0);
  monitor.observe(1120);
  expect(monitor.lastMs).toBe(80);
  monitor.observe(1140);
  expect([monitor.lastMs, monitor.takeLongestMs(), monitor.takeLongestMs()]).toEqual([0, 80, 0]);
});

test("a rest is no lag", () => {
  const monitor = new EventLoopMonitor();
  monitor.begin(1000);
  monitor.begin(90_000);
  monitor.observe(90_020);
  expect(monitor.takeLongestMs()).toBe(0);
});
