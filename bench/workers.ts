// What a second worker costs: the service with one and with two workers in one run, and
// its CPU time for each GET and PUT. Run by `bun run bench workers`; needs oha.
//
// Nothing is pinned, and the load is as fast as answers come: two workers share the
// cores with the load generator, one leaves it a core of its own.

import Table from "cli-table3";
import { max, median, min } from "simple-statistics";

import { CONNECTIONS, fill, type LoadKind, ohaLoads } from "./lib/loads.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { keepResult } from "./lib/results.ts";
import { startService } from "./lib/server.ts";

const KINDS: readonly LoadKind[] = ["GET", "PUT"];
const WORKERS = [1, 2] as const;

const { rounds, requests } = optionsOrExit("bench workers", {
  rounds: { kind: "integer", default: 7, min: 1, max: 100, help: "runs of each kind" },
  requests: {
    kind: "integer",
    default: 200_000,
    min: 1000,
    max: 100_000_000,
    help: "requests in a run",
  },
} as const);

await using one = await startService(undefined, "--workers", "1");
await using two = await startService(undefined, "--workers", "2");
const services = { 1: one, 2: two };
for (const workers of WORKERS) await fill(services[workers].url);
await using oneLoads = await ohaLoads(one.url, one.url, requests, undefined);
await using twoLoads = await ohaLoads(two.url, two.url, requests, undefined);
const loads = { 1: oneLoads, 2: twoLoads };

const runs: { workers: number; kind: LoadKind; cpuMicros: number; requestsPerSecond: number }[] =
  [];
// The first round warms up what is compiled as it runs, and is not kept.
for (let round = -1; round < rounds; round++) {
  for (const kind of KINDS) {
    for (const workers of WORKERS) {
      const service = services[workers];
      const before = service.cpuSeconds();
      const result = await loads[workers].run(kind);
      const cpuMicros = ((service.cpuSeconds() - before) / result.requests) * 1e6;
      if (round < 0) continue;
      runs.push({ workers, kind, cpuMicros, requestsPerSecond: result.requestsPerSecond });
    }
  }
}

const machine = describeMachine();
const method = `${rounds} rounds of ${requests} requests by oha, ${CONNECTIONS} connections, not pinned`;
const table = new Table({
  head: ["", "1 worker", "2 workers", "2 × 1 (range)", "requests/s, 1", "requests/s, 2"],
  colAligns: ["left", "right", "right", "right", "right", "right"],
  style: { head: [], border: [], compact: true },
});
for (const kind of KINDS) {
  const of = (workers: number, name: "cpuMicros" | "requestsPerSecond") => {
    return runs
      .filter((run) => run.kind === kind && run.workers === workers)
      .map((run) => run[name]);
  };
  const ratios = of(2, "cpuMicros").map(
    (micros, round) => micros / (of(1, "cpuMicros")[round] ?? 0),
  );
  const rate = (workers: number) => {
    return Math.round(median(of(workers, "requestsPerSecond"))).toLocaleString("en");
  };
  table.push([
    `${kind}, CPU µs/request`,
    median(of(1, "cpuMicros")).toFixed(2),
    median(of(2, "cpuMicros")).toFixed(2),
    `${median(ratios).toFixed(2)} (${min(ratios).toFixed(2)} to ${max(ratios).toFixed(2)})`,
    rate(1),
    rate(2),
  ]);
}
console.log(`${machine}\n${method}\n${table.toString()}`);
await keepResult("workers", { machine, method, runs });
