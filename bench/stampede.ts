// How often is a function called if 1,000 callers of 8 processes need its value at once, and how long do
// they wait? With leases and without, in turn, in one run. Run by `bun run bench stampede`.

import Table from "cli-table3";
import { max, median, quantile } from "simple-statistics";

import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { freePort } from "./lib/peers.ts";
import { barChart } from "./lib/plot.ts";
import { keepResult, resultPath } from "./lib/results.ts";
import type { Seen } from "./lib/stampede-caller.ts";
import { Stampede } from "./lib/stampede-run.ts";
import { startService } from "./lib/server.ts";

const { rounds, processes, callers, work } = optionsOrExit("bench stampede", {
  rounds: { kind: "integer", default: 7, min: 1, max: 100, help: "pairs of rounds" },
  processes: { kind: "integer", default: 8, min: 1, max: 64, help: "processes that call" },
  callers: { kind: "integer", default: 125, min: 1, max: 10_000, help: "callers of each process" },
  work: { kind: "integer", default: 200, min: 1, max: 10_000, help: "ms that the function takes" },
} as const);
const KILLED_LEASE_SECONDS = 1;

interface Measured {
  readonly calls: number;
  /** Time of a caller from the start of its process's round to its value. */
  readonly p99Ms: number;
  /** From the end of the last function that a caller needs to the value of the last caller. */
  readonly afterPutMs: number;
}

const respPort = freePort();
const more = ["--workers", "2", "--resp-port", `${respPort}`];
await using service = await startService(undefined, ...more);
const machine = describeMachine();
const withLeases: Measured[] = [];
const without: Measured[] = [];
const overRedis: Measured[] = [];
const redisUrl = `redis://127.0.0.1:${respPort}`;
const killed: number[] = [];
const common = { url: service.url, callers, workMs: work, dies: false, lease: 10 };
{
  using stampede = await Stampede.start(processes);
  for (let round = -1; round < rounds; round++) {
    const key = `round ${round}`;
    const one = measured(await stampede.run({ ...common, key, withLeases: true }));
    const other = measured(await stampede.run({ ...common, key: `${key}-`, withLeases: false }));
    const redis = { ...common, redisUrl, key: `${key} redis`, withLeases: true };
    const third = measured(await stampede.run(redis));
    // The first round warms up what is compiled as it runs.
    if (round < 0) continue;
    withLeases.push(one);
    without.push(other);
    overRedis.push(third);
  }
}
for (let round = 0; round < rounds; round++) {
  using stampede = await Stampede.start(processes);
  const lease = KILLED_LEASE_SECONDS;
  const killing = { ...common, key: `killed ${round}`, withLeases: true, lease };
  const { holder, seen } = await stampede.runAndKillHolder(killing);
  const [next] = seen.flatMap(({ calls }) => calls);
  killed.push((next?.beganMs ?? NaN) - holder.beganMs);
}

const table = new Table({ style: { head: [], border: [], compact: true } });
const row = (name: string, of: (one: Measured) => number) => [
  name,
  ...[withLeases, overRedis, without].map((all) => shown(all.map(of))),
];
table.push(
  ["median (maximum)", "with leases", "RC.GET", "without"],
  row("calls of the function", ({ calls }) => calls),
  row("p99 of the callers, ms", ({ p99Ms }) => p99Ms),
  row("last value after the function, ms", ({ afterPutMs }) => afterPutMs),
);
console.log(`${machine}
${processes} processes with ${callers} callers of one key, a function of ${work} ms, ${rounds} rounds
${table.toString()}
holder killed, lease of ${KILLED_LEASE_SECONDS} s: the next function begins ${shown(killed)} ms after the first`);
const raw = { machine, processes, callers, work, withLeases, overRedis, without, killed };
await keepResult("stampede", raw);
const bars = [
  ...barsOf("calls of the function", ({ calls }) => calls),
  ...barsOf("p99 of the callers, ms", ({ p99Ms }) => p99Ms),
];
const title = `${processes * callers} callers of one key, a function of ${work} ms`;
await Bun.write(resultPath("stampede", "svg"), await barChart(title, "", bars));

function measured(seen: readonly Seen[]): Measured {
  const calls = seen.flatMap((one) => one.calls);
  const startedMs = Math.min(...seen.map((one) => one.startedMs));
  const received = seen.flatMap((one) => one.receivedMs);
  const endedMs = max(calls.map((one) => one.endedMs));
  return {
    calls: calls.length,
    p99Ms: quantile(received, 0.99) - startedMs,
    afterPutMs: max(received) - endedMs,
  };
}

function shown(values: readonly number[]): string {
  const all = [...values];
  return `${median(all).toFixed(1)} (${max(all).toFixed(1)})`;
}

function barsOf(panel: string, of: (one: Measured) => number) {
  return [
    { panel, group: "with leases", name: panel, y: median(withLeases.map(of)) },
    { panel, group: "RC.GET", name: panel, y: median(overRedis.map(of)) },
    { panel, group: "without", name: panel, y: median(without.map(of)) },
  ];
}
