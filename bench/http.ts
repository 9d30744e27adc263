// HTTP GET, PUT and a 70/30 mix against a static route of Bun, in one run: requests
// a second, CPU time of the server for each request, latency. Run by `bun run bench http`.
//
// The server is pinned to one core and the load to another. CPU time is what counts:
// the load generator shares the machine, so requests a second are of both.

import Table from "cli-table3";
import { max, median, min } from "simple-statistics";

import type { OptionTable } from "../src/config/parse.ts";
import {
  CONNECTIONS,
  fill,
  KEYS,
  LOAD_CORE,
  type LoadKind,
  type LoadResult,
  loadtestLoads,
  ohaLoads,
  VALUE_LENGTH,
} from "./lib/loads.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { keepResult } from "./lib/results.ts";
import { startFloor, startService } from "./lib/server.ts";

const SERVER_CORE = 0;
const KINDS: readonly LoadKind[] = ["static", "GET", "PUT", "70/30 mix"];

const OPTIONS = {
  rounds: { kind: "integer", default: 5, min: 1, max: 100, help: "runs of each kind" },
  requests: {
    kind: "integer",
    default: 200_000,
    min: 1000,
    max: 100_000_000,
    help: "requests in a run",
  },
} as const satisfies OptionTable;

/** One run: what the generator saw, and the server's CPU time for each request in µs. */
interface Run extends LoadResult {
  readonly cpuMicros: number;
}
type Runs = Readonly<Record<LoadKind, Run[]>>;

const { rounds, requests } = optionsOrExit("bench http", OPTIONS);
await using fixed = await startFloor("static", SERVER_CORE);
await using service = await startService(SERVER_CORE, "--workers", "1");
await fill(service.url);
const hasOha = Bun.which("oha") !== null;
if (!hasOha) {
  console.log("oha is not on PATH (cargo install --locked oha): the load tool takes its place");
}
const startLoads = hasOha ? ohaLoads : loadtestLoads;
await using loads = await startLoads(service.url, fixed.url, requests);

const runs: Runs = { static: [], GET: [], PUT: [], "70/30 mix": [] };
// The first round warms up what is compiled as it runs, and is not kept.
for (let round = -1; round < rounds; round++) {
  for (const kind of KINDS) {
    const server = kind === "static" ? fixed : service;
    const before = server.cpuSeconds();
    const result = await loads.run(kind);
    const cpuMicros = ((server.cpuSeconds() - before) / result.requests) * 1e6;
    if (round >= 0) runs[kind].push({ ...result, cpuMicros });
  }
}

const machine = describeMachine();
const method =
  `${rounds} rounds of ${requests} requests by ${loads.generator}, ${CONNECTIONS} connections, ` +
  `keep-alive, ${KEYS} keys, ${VALUE_LENGTH} B values, server on core ${SERVER_CORE}, load on core ${LOAD_CORE}`;
console.log(`${machine}\n${method}\n${tableOf(runs)}`);
await keepResult("http", { machine, method, runs });

/** Medians of the rounds; the ratio is the median of each round's own, with its range. */
function tableOf(all: Runs): string {
  const table = new Table({
    head: ["", "CPU µs/request", "× static (range)", "requests/s", "p50 ms", "p99 ms", "p99.9 ms"],
    colAligns: ["left", "right", "right", "right", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const kind of KINDS) {
    const of = (name: keyof Run) => median(all[kind].map((run) => run[name]));
    const ratios = all[kind].map((run, round) => {
      return run.cpuMicros / (all.static[round]?.cpuMicros ?? Number.NaN);
    });
    const range = `${min(ratios).toFixed(2)} to ${max(ratios).toFixed(2)}`;
    table.push([
      kind,
      of("cpuMicros").toFixed(2),
      kind === "static" ? "1" : `${median(ratios).toFixed(2)} (${range})`,
      Math.round(of("requestsPerSecond")).toLocaleString("en"),
      of("p50").toFixed(2),
      of("p99").toFixed(2),
      of("p999").toFixed(2),
    ]);
  }
  return table.toString();
}
