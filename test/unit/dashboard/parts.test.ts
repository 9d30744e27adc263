// The parts of the dashboard that run without a browser.

import { expect, test } from "bun:test";

import { describeDistribution } from "../../../src/dashboard/distribution.ts";
import * as format from "../../../src/dashboard/format.ts";
import { History } from "../../../src/dashboard/history.ts";
import { clipped, visibleLine, visibleLines } from "../../../src/dashboard/visible-text.ts";
import { HISTORY_SECONDS, sampleOf } from "../../../src/live/history.ts";
import type { LiveStats } from "../../../src/live/stats.ts";
import { sampleStats } from "../../lib/live-stats.ts";

const sampleAt = (timeMs: number, changes: Partial<LiveStats> = {}) =>
  sampleOf(sampleStats({ timeMs, ...changes }));

test("the history keeps five minutes, also if stats arrive five times a second", () => {
  const history = new History();
  for (let tick = 0; tick < 5000; tick++) history.add(sampleAt(1e12 + tick * 200), 0);
  expect(history.times.length).toBe(HISTORY_SECONDS);
  for (let tick = 0; tick < 1000; tick++) history.add(sampleAt(2e12 + tick * 1000), 0);
  expect(history.times.length).toBe(HISTORY_SECONDS);
  expect(history.times).toEqual(history.times.toSorted((a, b) => a - b));
  expect(history.column("requests").length).toBe(HISTORY_SECONDS);
});

test("missing stats leave a gap in the lines, and a clock that was set back clears the history", () => {
  const history = new History();
  history.add(sampleAt(1_000_000, { requestsPerSecond: 1 }), 0);
  history.add(sampleAt(1_010_000, { requestsPerSecond: 2 }), 0);
  expect(history.column("requests")).toEqual([1, null, 2]);
  history.add(sampleAt(500_000, { requestsPerSecond: 3 }), 0);
  expect(history.column("requests")).toEqual([3]);
});

test("the recorded history fills a gap of the page, and keeps what the page alone knows", () => {
  const history = new History();
  const at = (second: number) => sampleAt(second * 1000, { requestsPerSecond: second });
  for (const second of [1, 2, 3, 9]) history.add(at(second), 0);
  history.addPast([2, 3, 4, 5, 6, 7, 8, 9, 10].map(at));
  expect(history.column("requests")).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  // The next event may have the second that was recorded last.
  history.add(at(10), 0);
  expect(history.times.length).toBe(10);
});

test("restarts of the service and of workers are marked", () => {
  const history = new History();
  history.add(sampleAt(1_000_000), 900);
  history.add(sampleAt(1_001_000), 900.4);
  history.add(sampleAt(1_002_000, { workerRestarts: 1 }), 899.8);
  history.add(sampleAt(1_008_000), 1006);
  expect(history.marks).toEqual([
    { time: 900, text: "service started" },
    { time: 1002, text: "worker restarted" },
    { time: 1006, text: "service started" },
  ]);
  history.add(sampleAt(1_210_000), 1006);
  expect(history.marks.map(({ time }) => time)).toEqual([1002, 1006]);
});

test("the limit is a line of the memory chart only while the memory is near it", () => {
  const history = new History();
  const { memory } = sampleStats();
  history.add(sampleAt(1000, { memory: { ...memory, usedBytes: 0.1 * memory.maxBytes } }), 0);
  history.add(sampleAt(2000, { memory: { ...memory, usedBytes: 0.9 * memory.maxBytes } }), 0);
  expect(history.column("nearLimit")).toEqual([null, memory.maxBytes]);
});

test("numbers have three digits and a unit", () => {
  const shown = (value: number) => [format.count(value), format.bytes(value)].map(format.text);
  expect([0, 999, 999.6, 1234, 999_960, 12_345_678].map(shown)).toEqual([
    ["0", "0\u00a0B"],
    ["999", "999\u00a0B"],
    ["1.00\u00a0k", "0.98\u00a0KiB"],
    ["1.23\u00a0k", "1.21\u00a0KiB"],
    ["1.00\u00a0M", "977\u00a0KiB"],
    ["12.3\u00a0M", "11.8\u00a0MiB"],
  ]);
  expect([0, 0.002, 0.84, 1200].map((ms) => format.text(format.milliseconds(ms)))).toEqual([
    "0\u00a0ms",
    "2.00\u00a0µs",
    "0.84\u00a0ms",
    "1.20\u00a0s",
  ]);
  expect([0, 0.00004, 0.5, 0.99999, 1].map((part) => format.text(format.percent(part)))).toEqual([
    "0\u00a0%",
    "< 0.01\u00a0%",
    "50.0\u00a0%",
    "> 99.9\u00a0%",
    "100\u00a0%",
  ]);
  expect([0, 59, 3660, 259_260].map(format.duration)).toEqual([
    "0 s",
    "59\u00a0s",
    "1\u00a0h 1\u00a0min",
    "3\u00a0d",
  ]);
});

test("a small cache is described by its total, a larger one by its mean and largest deviation", () => {
  const described = (...counts: number[]) =>
    describeDistribution(
      counts.map((entries, shard) => ({ shard, share: 1 / counts.length, entries, bytes: 0 })),
    );
  expect(described()).toBe("No entries yet.");
  expect(described(0, 0)).toBe("No entries yet.");
  expect(described(1)).toBe("The only shard has 1 entry.");
  const one = Array.from({ length: 64 }, (_, shard) => (shard === 7 ? 1 : 0));
  expect(described(...one)).toBe("1 entry in 64 shards, at most 1 in one shard.");
  expect(described(9, 3)).toBe("12 entries in 2 shards, at most 9 in one shard.");
  expect(described(20, 20)).toBe(
    "The mean is 20 entries per shard. All shards have the same number.",
  );
  expect(described(1100, 1000, 900, 1200)).toBe(
    "The mean is 1.05\u00a0k entries per shard. " +
      "Shard 2 deviates most: 900 entries, 14.3\u00a0% below the mean.",
  );
});

test("invisible characters are shown by a sign, and no character is cut in half", () => {
  expect(visibleLine("a\n\0\u202eb👨‍👩‍👧")).toBe("a‹LF›‹NUL›‹U+202E›b👨‍👩‍👧");
  expect(visibleLines("a\nb\t\u001b")).toBe("a\nb\t‹ESC›");
  expect(clipped("a🎉🎉", 2)).toBe("a…");
  expect(clipped("a🎉", 3)).toBe("a🎉");
});
