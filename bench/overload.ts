// What becomes of three times the load that the service can take: how much of it is answered, how
// soon, what it takes of memory, and how soon the service is as before. Run by `bun run
// bench overload`; needs oha. The server is on one core, the load on the other.
//
//   full rate, from 50 connections → three times that, from 1,000 → a second later, a tenth of it

import Table from "cli-table3";

import { LOAD_CORE } from "./lib/loads.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { wholeMedian, withRange } from "./lib/ratio.ts";
import { keepResult } from "./lib/results.ts";
import { pinned, startService } from "./lib/server.ts";

const SERVER_CORE = 0;
const KEYS = 1000;
const MEMORY_MB = 64;
/** What docs/operations.md promises of resident memory, with bodies on their way as by default. */
const BOUND_MB = 1.15 * MEMORY_MB + 80 + 10 + 4 * 32;

const { rounds, seconds } = optionsOrExit("bench overload", {
  rounds: { kind: "integer", default: 5, min: 1, max: 100, help: "runs of each kind of call" },
  seconds: { kind: "integer", default: 5, min: 2, max: 600, help: "length of a run" },
} as const);

const keys = Array.from({ length: KEYS }, (_, n) => `key:${n}`);
const mget = JSON.stringify({ keys });
const mput = JSON.stringify({ entries: keys.map((key) => ({ key, value: "v".repeat(100) })) });
const CALLS: Readonly<Record<string, readonly string[]>> = {
  get: ["/get?key=key:1"],
  mget: ["/mget", "-m", "POST", "-d", mget],
  mput: ["/mput", "-m", "POST", "-d", mput],
};

interface Load {
  readonly answered: number;
  readonly refused: number;
  readonly p99Ms: number;
  /** Part of its core that the service used: far below 1, the load was the slower one. */
  readonly busy: number;
}
interface Run {
  readonly full: Load;
  readonly over: Load;
  readonly before: Load;
  readonly after: Load;
  readonly rssMb: number;
}

await using service = await startService(
  SERVER_CORE,
  ...["--workers", "1", "--memory", `${MEMORY_MB}mb`],
);
await fetch(`${service.url}/mput`, { method: "POST", body: mput });

const results: Record<string, Run[]> = {};
for (let round = 0; round < rounds; round++) {
  for (const name of Object.keys(CALLS)) {
    const full = await load(name, 50);
    const small = Math.max(10, Math.round(full.answered / 10));
    const before = await load(name, 10, small, 2);
    let rssMb = 0;
    const looking = setInterval(() => (rssMb = Math.max(rssMb, service.rssBytes() / 2 ** 20)), 50);
    const over = await load(name, 1000, Math.round(full.answered * 3));
    clearInterval(looking);
    await Bun.sleep(1000);
    const after = await load(name, 10, small, 2);
    (results[name] ??= []).push({ full, over, before, after, rssMb });
  }
}

const machine = describeMachine();
const method =
  `${rounds} rounds of ${seconds} s, 1,000 keys in an mget or mput, three times the full rate from 1,000 ` +
  `connections, server on core ${SERVER_CORE}; medians (range)`;
const table = new Table({
  head: [
    "call",
    "full rate/s",
    "answered ×",
    "refused/s",
    "core used",
    "after: p99 ×",
    `RSS MB of ${Math.round(BOUND_MB)}`,
  ],
  colAligns: ["left", "right", "right", "right", "right", "right", "right"],
  style: { head: [], border: [], compact: true },
});
for (const [name, runs] of Object.entries(results)) {
  table.push([
    name,
    wholeMedian(runs.map(({ full }) => full.answered)),
    withRange(runs.map(({ over, full }) => over.answered / full.answered)),
    wholeMedian(runs.map(({ over }) => over.refused)),
    withRange(runs.map(({ over }) => over.busy)),
    withRange(runs.map(({ after, before }) => after.p99Ms / before.p99Ms)),
    wholeMedian(runs.map(({ rssMb }) => rssMb)),
  ]);
}
console.log(`${machine}\n${method}\n${table.toString()}`);
await keepResult("overload", { machine, method, results });

/** By oha; `rate` of requests a second, or as fast as it goes. Answers per second. */
async function load(name: string, connections: number, rate = 0, length = seconds): Promise<Load> {
  const [path = "", ...options] = CALLS[name] ?? [];
  const timed = rate === 0 ? [] : ["-q", `${rate}`, "--latency-correction"];
  const command = ["oha", "--no-tui", "--output-format", "json", "-z", `${length}s`, ...timed];
  const before = service.cpuSeconds();
  const child = Bun.spawn(
    pinned(LOAD_CORE, [...command, "-c", `${connections}`, ...options, service.url + path]),
    { stderr: "inherit" },
  );
  const report = (await new Response(child.stdout).json()) as {
    readonly statusCodeDistribution: Readonly<Record<string, number>>;
    readonly latencyPercentiles: { readonly p99: number };
    readonly summary: { readonly total: number };
  };
  const { statusCodeDistribution: statuses, latencyPercentiles, summary } = report;
  const strange = Object.keys(statuses).filter((status) => status !== "200" && status !== "503");
  if (strange.length > 0) throw new Error(`answers of ${strange.join(", ")}`);
  return {
    answered: (statuses["200"] ?? 0) / summary.total,
    refused: (statuses["503"] ?? 0) / summary.total,
    p99Ms: latencyPercentiles.p99 * 1000,
    busy: (service.cpuSeconds() - before) / summary.total,
  };
}
