// The history of the live stats, which the supervisor records and workers read.

import { expect, test } from "bun:test";

import {
  FIELD_NAMES,
  HISTORY_SECONDS,
  type Sample,
  sampleOf,
  samplesOf,
} from "../../../src/live/history.ts";
import { allocateHistory, StatsHistory } from "../../../src/metrics/history.ts";
import { sampleStats } from "../../lib/live-stats.ts";

test("the history returns the samples that were recorded, oldest first, to every thread", () => {
  const memory = allocateHistory();
  const writer = new StatsHistory(memory);
  const reader = new StatsHistory(memory);
  expect(reader.table().rows).toEqual([]);
  const samples = [1, 2, 3].map((second) =>
    sampleOf(sampleStats({ timeMs: second * 1000, requestsPerSecond: second, hitRatio: null })),
  );
  for (const sample of samples) writer.record(sample);
  const read = samplesOf(reader.table());
  const shown = ({ timeMs, values }: Sample) => [timeMs, values.requests, values.hitRatio];
  expect(read.map(shown)).toEqual([1, 2, 3].map((second) => [second * 1000, second, null]));
  for (const [index, { values }] of samples.entries()) {
    for (const name of FIELD_NAMES) {
      const [expected, found] = [values[name] ?? 0, read[index]?.values[name] ?? 0];
      expect([name, Math.abs(found - expected) <= expected * 1e-4]).toEqual([name, true]);
    }
  }
});

test("the history keeps the last five minutes", () => {
  const history = new StatsHistory(allocateHistory());
  for (let second = 1; second <= 2 * HISTORY_SECONDS + 7; second++) {
    history.record(sampleOf(sampleStats({ timeMs: second * 1000 })));
  }
  const times = history.table().rows.map(([timeMs]) => timeMs);
  expect(times.length).toBe(HISTORY_SECONDS);
  expect(times[0]).toBe((HISTORY_SECONDS + 8) * 1000);
  expect(times.at(-1)).toBe((2 * HISTORY_SECONDS + 7) * 1000);
});

test("fields of another version are skipped, and those that it lacks have no value", () => {
  const [sample] = samplesOf({ fields: ["newer", "requests"], rows: [[5000, 1, 2]] });
  expect(sample).toEqual({ timeMs: 5000, values: { requests: 2 } });
  expect(FIELD_NAMES).not.toContain("newer");
});
