// Lines for programs: the same names in the same order for all stats.

import { expect, test } from "bun:test";

import { plainLine } from "../../../src/top/plain.ts";
import { NASTY_KEYS, sampleStats } from "../../lib/live-stats.ts";

const NOTHING = sampleStats({
  hitRatio: null,
  latencyMs: null,
  workers: [],
  shards: [],
  hotKeys: { sampled: 0, oneIn: 16, keys: [] },
  snapshot: { isEnabled: false, lastMs: 0, hasFailed: false },
});

test("a line has each value with its name and unit", () => {
  expect(pairsOf(plainLine(sampleStats()))).toMatchObject({
    time_ms: "1800000000000",
    state: "serving",
    version: "0.1.0",
    requests_per_second: "123456",
    hit_ratio: "0.9341",
    p999_ms: "1.234",
    memory_used_bytes: "764411904",
    expirations_per_second: "12.5",
    resp_clients: "3",
    busiest_worker_load: "0.92",
    fewest_shard_entries: "18000",
    snapshot: "saved",
    snapshot_age_seconds: "12",
    hot_key: '"user:1001"',
  });
});

test("a missing value is a dash under the same name", () => {
  const nothing = pairsOf(plainLine(NOTHING));
  expect(Object.keys(nothing)).toEqual(Object.keys(pairsOf(plainLine(sampleStats()))));
  expect(nothing).toMatchObject({
    hit_ratio: "-",
    p50_ms: "-",
    busiest_worker_load: "-",
    most_shard_entries: "-",
    snapshot: "off",
    snapshot_age_seconds: "-",
    hot_key_encoding: "-",
    hot_key: "-",
  });
});

test("a line is one line of ASCII for any key and version", () => {
  for (const key of NASTY_KEYS) {
    const hotKeys = { sampled: 1, oneIn: 1, keys: [{ key, count: 1, error: 0 }] };
    const line = plainLine(sampleStats({ hotKeys, version: key }));
    expect(line).toMatch(/^[ -~]+$/);
    expect(JSON.parse(pairsOf(line)["hot_key"] ?? "")).toBe(key);
  }
});

/** Parses a line; the hot key, which is the last pair, may contain spaces. */
function pairsOf(line: string): Record<string, string> {
  const pairs = [...line.matchAll(/(\w+)=("(?:[^"\\]|\\.)*"|\S+)/g)];
  return Object.fromEntries(pairs.map(([, name = "", value = ""]) => [name, value]));
}
