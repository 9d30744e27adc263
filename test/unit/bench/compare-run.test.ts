// The rounds of bench compare, against servers that count their own CPU time.

import { expect, test } from "bun:test";

import {
  type CompareLoad,
  costsOf,
  costTable,
  measureRounds,
  type Run,
} from "../../../bench/lib/compare-run.ts";
import type { Peer } from "../../../bench/lib/peers.ts";

const RESULT = { requests: 1000, requestsPerSecond: 1, p50: 1, p99: 1, p999: 1 };

/** A load that takes `micros` per request, and notes its name in `order`. */
function loadOf(load: string, label: string, micros: () => number, order: string[]): CompareLoad {
  let seconds = 0;
  const peer: Peer = {
    ...{ name: "floor", label, port: 0, url: "", pid: 0 },
    cpuSeconds: () => seconds,
    rssBytes: () => 0,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const run = () => {
    order.push(label);
    seconds += (micros() * RESULT.requests) / 1e6;
    return Promise.resolve(RESULT);
  };
  return { load, peer, run };
}

test("servers take turns, the other way round every second time, and the first round is not kept", async () => {
  const order: string[] = [];
  const loads = ["a", "b"].map((label) => loadOf("GET", label, () => 1, order));
  const kept: number[] = [];
  const runs = await measureRounds(loads, 3, [], (some) => {
    kept.push(some.length);
    return Promise.resolve();
  });
  expect(order.join("")).toBe("baabbaab");
  expect(kept).toEqual([2, 4, 6]);
  expect(runs.map(({ server }) => server).join("")).toBe("abbaab");
});

test("a run that is resumed measures the rounds that are missing", async () => {
  const order: string[] = [];
  const loads = ["a", "b"].map((label) => loadOf("GET", label, () => 1, order));
  const ignore = () => Promise.resolve();
  const earlier = await measureRounds(loads, 2, [], ignore);
  order.length = 0;
  const runs = await measureRounds(loads, 3, earlier, ignore);
  // One round to warm up, and one that is kept.
  expect(order).toHaveLength(4);
  expect(runs.slice(0, 4)).toEqual(earlier);
  expect(runs).toHaveLength(6);
});

test("a ratio is the median of the ratios of each round", async () => {
  const order: string[] = [];
  // The machine is busy in some rounds: the cost of both servers changes, their ratio does not.
  const busy = [1, 1, 5, 2, 1, 9];
  let round = 0;
  const base = loadOf("GET", "base", () => busy[Math.floor(round++ / 2)] ?? 1, order);
  const other = loadOf("GET", "other", () => 2 * (busy[Math.floor(round++ / 2)] ?? 1), order);
  const runs = await measureRounds([base, other], 5, [], () => Promise.resolve());
  const costs = costsOf(runs, "base");
  expect(costs.find(({ server }) => server === "other")?.ratio).toBeCloseTo(2);
  expect(costTable(costs, "base")).toContain("| GET | 2.00 µs | 2.00 |");
});

test("a load that a server does not take has a dash", () => {
  const run = (load: string, server: string): Run => ({ load, server, cpuMicros: 1, ...RESULT });
  const costs = costsOf([run("GET", "base"), run("GET", "other"), run("MSET", "base")], "base");
  expect(costTable(costs, "base")).toContain("| MSET | 1.00 µs | – |");
});
