// The tail of a GET at a fixed rate, half of the most the service can do, beside a
// static route of Bun at the same rate. Run by `bun run bench latency`; needs oha.

import Table from "cli-table3";
import { max, median, min } from "simple-statistics";

import { allKeys, CONNECTIONS, fill, type LoadResult, ohaAtRate, ohaLoads } from "./lib/loads.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { keepResult } from "./lib/results.ts";
import { startFloor, startService } from "./lib/server.ts";

const SERVER_CORE = 0;

const { rounds, seconds } = optionsOrExit("bench latency", {
  rounds: { kind: "integer", default: 5, min: 1, max: 100, help: "runs of each kind" },
  seconds: { kind: "integer", default: 10, min: 1, max: 3600, help: "length of a run" },
} as const);

await using fixed = await startFloor("static", SERVER_CORE);
await using service = await startService(SERVER_CORE, "--workers", "1");
await fill(service.url);
await using loads = await ohaLoads(service.url, fixed.url, 200_000);
await loads.run("GET");
const peaks = [await loads.run("GET"), await loads.run("GET"), await loads.run("GET")];
const rate = Math.round(median(peaks.map(({ requestsPerSecond }) => requestsPerSecond)) / 2);

const paths = allKeys().map((key) => `/get?key=${key}`);
const runs: { static: LoadResult; GET: LoadResult }[] = [];
for (let round = 0; round < rounds; round++) {
  runs.push({
    static: await ohaAtRate(fixed.url, ["/"], rate, seconds),
    GET: await ohaAtRate(service.url, paths, rate, seconds),
  });
}

const machine = describeMachine();
const method =
  `${rounds} rounds of ${seconds} s at ${rate} requests/s by oha, ${CONNECTIONS} connections, ` +
  `server on core ${SERVER_CORE}; medians (range)`;
const table = new Table({
  head: ["ms", "p50", "p99", "p99.9"],
  colAligns: ["left", "right", "right", "right"],
  style: { head: [], border: [], compact: true },
});
const cell = (stats: readonly number[]) => {
  return `${median([...stats]).toFixed(2)} (${min([...stats]).toFixed(2)} to ${max([...stats]).toFixed(2)})`;
};
const names = ["p50", "p99", "p999"] as const;
for (const kind of ["static", "GET"] as const) {
  table.push([kind, ...names.map((name) => cell(runs.map((run) => run[kind][name])))]);
}
table.push([
  "× static",
  ...names.map((name) => cell(runs.map((run) => run.GET[name] / run.static[name]))),
]);
console.log(`${machine}\n${method}\n${table.toString()}`);
await keepResult("latency", { machine, method, rate, runs });
