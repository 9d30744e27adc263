// HTTP GET, PUT and a 70/30 mix against a static route of Bun, in one run: requests
// a second, CPU time of the server for each request, latency. Run by `bun run bench:http`.
//
// The server is pinned to core 0 and the load to core 1. CPU time is what counts:
// the load generator shares the machine, so requests a second are of both.

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import Table from "cli-table3";
import { max, median, min } from "simple-statistics";

import { type OptionTable, OptionError, readOptions } from "../src/options.ts";
import { describeMachine } from "./lib/machine.ts";
import { type LoadResult, oha } from "./lib/oha.ts";
import { type BenchServer, startService, startStatic } from "./lib/server.ts";

const SERVER_CORE = 0;
const LOAD_CORE = 1;
const CONNECTIONS = 64;
const KEYS = 100_000;
const VALUE_LENGTH = 100;

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

/** One run: what the load tool saw, and the server's CPU time for each request in µs. */
interface Run extends LoadResult {
  readonly cpuMicros: number;
}

const { rounds, requests } = optionsOrExit();
if (Bun.which("oha") === null) {
  console.error("oha is not on PATH; get it with: cargo install --locked oha");
  process.exit(69);
}
const folder = await mkdtemp(join(tmpdir(), "ringcache-bench-"));
await using fixed = await startStatic(SERVER_CORE);
await using service = await startService(SERVER_CORE);
await fill(service.url);
const urls = await writeLines("urls", (key) => `${service.url}/get?key=${key}`);
const bodies = await writeLines("bodies", (key) => bodyOf(key));

const count = ["-n", `${requests}`];
const gets = ["--urls-from-file", urls];
const puts = ["-m", "POST", "-Z", bodies, `${service.url}/put`];
const kinds: Readonly<Record<string, () => Promise<Run>>> = {
  static: () => measure(fixed, [[CONNECTIONS, [...count, `${fixed.url}/`]]]),
  GET: () => measure(service, [[CONNECTIONS, [...count, ...gets]]]),
  PUT: () => measure(service, [[CONNECTIONS, [...count, ...puts]]]),
  // Two generators for the same time, their connections shared 70 to 30.
  "70/30 mix": () =>
    measure(service, [
      [Math.round(CONNECTIONS * 0.7), ["-z", "3s", ...gets]],
      [Math.round(CONNECTIONS * 0.3), ["-z", "3s", ...puts]],
    ]),
};

const runs: Record<string, Run[]> = {};
for (let round = 0; round < rounds; round++) {
  for (const [kind, run] of Object.entries(kinds)) (runs[kind] ??= []).push(await run());
}
await rm(folder, { recursive: true });

const method =
  `${rounds} rounds of ${requests} requests, ${CONNECTIONS} connections, keep-alive, ` +
  `${KEYS} keys, ${VALUE_LENGTH} B values, server on core ${SERVER_CORE}, load on core ${LOAD_CORE}`;
console.log(`${describeMachine()}\n${method}\n${tableOf(runs)}`);
await keep({ machine: describeMachine(), method, date: new Date().toISOString(), runs });

/** Runs loads at the same time, each with its connections, and adds them up. */
async function measure(
  server: BenchServer,
  loads: readonly (readonly [number, readonly string[]])[],
): Promise<Run> {
  const before = server.cpuSeconds();
  const results = await Promise.all(
    loads.map(([connections, args]) => oha(LOAD_CORE, ["-c", `${connections}`, ...args])),
  );
  const cpuSeconds = server.cpuSeconds() - before;
  const sum = (of: (result: LoadResult) => number) =>
    results.reduce((all, one) => all + of(one), 0);
  const worst = (of: (result: LoadResult) => number) => max(results.map(of));
  const total = sum((result) => result.requests);
  return {
    requests: total,
    requestsPerSecond: sum((result) => result.requestsPerSecond),
    p50: worst((result) => result.p50),
    p99: worst((result) => result.p99),
    p999: worst((result) => result.p999),
    cpuMicros: (cpuSeconds / total) * 1e6,
  };
}

/** Medians of the rounds; the ratio is the median of each round's own, with its range. */
function tableOf(all: Readonly<Record<string, readonly Run[]>>): string {
  const table = new Table({
    head: ["", "CPU µs/request", "× static (range)", "requests/s", "p50 ms", "p99 ms", "p99.9 ms"],
    colAligns: ["left", "right", "right", "right", "right", "right", "right"],
    style: { head: [], border: [] },
  });
  const floor = (all["static"] ?? []).map((run) => run.cpuMicros);
  for (const [kind, list] of Object.entries(all)) {
    const of = (name: keyof Run) => median(list.map((run) => run[name]));
    const ratios = list.map((run, round) => run.cpuMicros / (floor[round] ?? Number.NaN));
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

async function fill(url: string): Promise<void> {
  const keys = allKeys();
  for (let from = 0; from < KEYS; from += 10_000) {
    const entries = keys
      .slice(from, from + 10_000)
      .map((key) => JSON.parse(bodyOf(key)) as unknown);
    const body = JSON.stringify({ entries });
    const answer = await fetch(`${url}/mput`, { method: "POST", body });
    if (answer.status !== 200) throw new Error(`/mput answered ${answer.status}`);
  }
}

/** All keys in an order that is not theirs; the step and KEYS have no common divisor. */
function allKeys(): string[] {
  const key = (n: number) => `key:${String((n * 7919) % KEYS).padStart(5, "0")}`;
  return Array.from({ length: KEYS }, (_, n) => key(n));
}

function bodyOf(key: string): string {
  return JSON.stringify({ key, value: "v".repeat(VALUE_LENGTH) });
}

async function writeLines(name: string, lineOf: (key: string) => string): Promise<string> {
  const file = join(folder, name);
  await Bun.write(
    file,
    allKeys().map((key) => `${lineOf(key)}\n`),
  );
  return file;
}

async function keep(
  raw: Readonly<Record<string, unknown>> & { readonly date: string },
): Promise<void> {
  const results = new URL("results/", import.meta.url).pathname;
  await mkdir(results, { recursive: true });
  const file = join(results, `http-${raw.date.slice(0, 10)}.json`);
  await Bun.write(file, `${JSON.stringify(raw, undefined, 2)}\n`);
  console.log(`raw results: ${file}`);
}

function optionsOrExit() {
  try {
    return readOptions(OPTIONS, Bun.argv.slice(2), {}, undefined);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    console.error(`bench:http: ${error.message}`);
    process.exit(64);
  }
}
