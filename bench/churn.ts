// The cache at its memory limit, run without a protocol: is it bounded, how much of the
// memory is entries, what does a put cost? Run by `bun run bench churn`. Every workload
// writes twenty times the memory, by 1, 2 and 4 threads, in a process of its own.

import Table from "cli-table3";
import { median } from "simple-statistics";

import { formatBytes } from "../src/config/config.ts";
import { type ChurnFigures, WORKLOADS } from "./lib/churn-run.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { keepResult } from "./lib/results.ts";

const THREADS = [1, 2, 4];

const { memory, rounds } = optionsOrExit("bench churn", {
  memory: { kind: "bytes", default: 2 ** 27, min: 2 ** 24, max: 2 ** 36, help: "the limit" },
  rounds: { kind: "integer", default: 5, min: 1, max: 100, help: "of put throughput" },
} as const);

const machine = describeMachine();
console.log(`${machine}\n${formatBytes(memory)} of memory, written 20 times over`);
const runs: (ChurnFigures & { readonly workload: string; readonly threads: number })[] = [];
const table = new Table({
  head: ["", "threads", "RSS MB", "of at most", "useful", "at least", "puts/s", "p99.99 ms"],
  colAligns: ["left", "right", "right", "right", "right", "right", "right", "right"],
  style: { head: [], border: [], compact: true },
});
for (const workload of Object.keys(WORKLOADS)) {
  for (const threads of THREADS) {
    const stats = await measure<ChurnFigures>("churn-run.ts", workload, `${threads}`);
    runs.push({ workload, threads, ...stats });
    const { rssMb, boundMb, meanUseful, leastUseful, putsPerSecond, p9999Micros } = stats;
    table.push([
      workload,
      threads,
      rssMb.toFixed(0),
      boundMb.toFixed(0),
      `${(meanUseful * 100).toFixed(0)} %`,
      `${(leastUseful * 100).toFixed(0)} %`,
      Math.round(putsPerSecond).toLocaleString("en"),
      (p9999Micros / 1000).toFixed(2),
    ]);
    process.stderr.write(`${workload}, ${threads} threads\n`);
  }
}
console.log(table.toString());

const throughputs: { readonly belowNanos: number; readonly atNanos: number }[] = [];
for (let round = 0; round < rounds; round++) throughputs.push(await measure("limit-run.ts"));
const below = median(throughputs.map(({ belowNanos }) => belowNanos));
const at = median(throughputs.map(({ atNanos }) => atNanos));
const ratio = median(throughputs.map(({ belowNanos, atNanos }) => belowNanos / atNanos));
console.log(
  `a put of a new key, 100 B: ${below.toFixed(0)} ns below the limit, ${at.toFixed(0)} ns at it: ` +
    `${ratio.toFixed(2)} × the throughput (medians of ${rounds})`,
);
await keepResult("churn", { machine, memory, runs, throughputs });
if (runs.some(({ rssMb, boundMb }) => rssMb > boundMb)) process.exitCode = 1;

async function measure<T>(script: string, ...args: readonly string[]): Promise<T> {
  const path = new URL(`lib/${script}`, import.meta.url).pathname;
  const child = Bun.spawn([process.execPath, path, ...args, `${memory}`], { stderr: "inherit" });
  const text = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`${script} ${args.join(" ")} failed`);
  return JSON.parse(text) as T;
}
