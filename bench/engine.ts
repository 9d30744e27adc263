// The cache without a protocol, against JavaScript Maps: memory an entry, operations
// a second, the slowest batches, and single gets and sets. Run by `bun run bench engine`.
//
// Every figure is of a process of its own (lib/engine-run.ts); in a round all engines
// run one after another, and the table has the medians of the rounds.

import Table from "cli-table3";
import { max, median, min } from "simple-statistics";

import { type EngineName, type EngineResult, KEY_BYTES, VALUE_BYTES } from "./lib/engine-run.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { keepResult } from "./lib/results.ts";

const ENGINES: readonly EngineName[] = ["shared", "map", "bare Map"];
const SIZES = [100_000, 1_000_000, 5_000_000];
const COLUMNS: Readonly<Record<keyof EngineResult, readonly [string, number]>> = {
  overheadBytes: ["B beyond key, value", 0],
  operationsPerSecond: ["operations/s", 0],
  p9999: ["p99.99 ms", 2],
  worst: ["worst ms", 1],
  getNanos: ["get ns", 0],
  getCopyNanos: ["get, copied ns", 0],
  setNanos: ["set ns", 0],
};

const { rounds } = optionsOrExit("bench engine", {
  rounds: { kind: "integer", default: 5, min: 1, max: 100, help: "runs of each engine and size" },
} as const);

interface Run extends EngineResult {
  readonly engine: EngineName;
  readonly entries: number;
}

const runs: Run[] = [];
for (let round = 0; round < rounds; round++) {
  for (const entries of SIZES) {
    for (const engine of ENGINES)
      runs.push({ engine, entries, ...(await measure(engine, entries)) });
  }
}

const machine = describeMachine();
const method =
  `${rounds} rounds, ${KEY_BYTES} B keys, ${VALUE_BYTES} B values, keys at random; ` +
  "batches of 64 operations, 75 % gets; medians (range)";
console.log(`${machine}\n${method}`);
for (const entries of SIZES) console.log(tableOf(entries));
const ratio =
  medianOf("shared", 5_000_000, "operationsPerSecond") /
  medianOf("shared", 100_000, "operationsPerSecond");
console.log(
  `operations/s of the shared store at 5 million entries, × at 100,000: ${ratio.toFixed(2)}`,
);
await keepResult("engine", { machine, method, runs });

async function measure(engine: EngineName, entries: number): Promise<EngineResult> {
  const script = new URL("lib/engine-run.ts", import.meta.url).pathname;
  const child = Bun.spawn([process.execPath, script, engine, `${entries}`], { stderr: "inherit" });
  const text = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`${engine} with ${entries} entries failed`);
  return JSON.parse(text) as EngineResult;
}

function statsOf(engine: EngineName, entries: number, name: keyof EngineResult): number[] {
  return runs
    .filter((run) => run.engine === engine && run.entries === entries)
    .map((run) => run[name]);
}

function medianOf(engine: EngineName, entries: number, name: keyof EngineResult): number {
  return median(statsOf(engine, entries, name));
}

function tableOf(entries: number): string {
  const names = Object.keys(COLUMNS) as (keyof EngineResult)[];
  const table = new Table({
    head: [`${entries.toLocaleString("en")} entries`, ...ENGINES],
    colAligns: ["left", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const name of names) {
    const [title, decimals] = COLUMNS[name];
    const shown = (value: number) =>
      value.toLocaleString("en", {
        minimumFractionDigits: decimals,
        maximumFractionDigits: decimals,
      });
    const cells = ENGINES.map((engine) => {
      const stats = statsOf(engine, entries, name);
      return `${shown(median(stats))} (${shown(min(stats))} to ${shown(max(stats))})`;
    });
    table.push([title, ...cells]);
  }
  return table.toString();
}
