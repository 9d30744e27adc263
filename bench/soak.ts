// Half an hour of mixed load on two workers: does memory stay where it is? Run by
// `bun run bench soak`. Puts of all sizes with and without lifetimes, gets and
// deletes; every answer is checked. Ends with 1 if an answer was wrong or resident
// memory grew after the first minutes; samples and plot go to bench/results.

import { readFileSync } from "node:fs";

import { median, max, min } from "simple-statistics";

import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { lineChart } from "./lib/plot.ts";
import { keepResult, resultPath } from "./lib/results.ts";
import { startService } from "./lib/server.ts";
import { Connection } from "../src/loadtest/connection.ts";

/** So few that the cache is as full as it gets long before the warm-up ends. */
const KEYS = 20_000;
const MAX_VALUE_LENGTH = 4096;
const SAMPLE_EVERY_MS = 5000;
const WARM_UP_MINUTES = 5;
/** Medians of the first and the last fifth after the warm-up may differ by this part. */
const FLAT = 0.03;

const { minutes, rate, connections } = optionsOrExit("bench soak", {
  minutes: { kind: "number", default: 30, min: 0.1, max: 10_000, help: "how long" },
  rate: {
    kind: "integer",
    default: 5000,
    min: 1,
    max: 1_000_000,
    help: "requests a second, at most",
  },
  connections: { kind: "integer", default: 32, min: 1, max: 10_000, help: "connections" },
} as const);

interface Sample {
  readonly minute: number;
  readonly rssMb: number;
  readonly requests: number;
  readonly entries: number;
}

await using service = await startService(undefined, "--workers", "2", "--max-value-length", "4096");
const { hostname, port } = new URL(service.url);
const startMs = performance.now();
const endMs = startMs + minutes * 60_000;
const counts = { requests: 0, hits: 0, misses: 0 };
const wrong: string[] = [];
const samples: Sample[] = [];

const sampling = setInterval(() => void sample(), SAMPLE_EVERY_MS);
await Promise.all(Array.from({ length: connections }, drive));
clearInterval(sampling);
await sample();
await report();

/** One connection: each request goes when it is due at the given rate, or when the last is answered. */
async function drive(): Promise<void> {
  const connection = new Connection(hostname, Number(port));
  const everyMs = (connections * 1000) / rate;
  let dueMs = startMs + Math.random() * everyMs;
  while (performance.now() < endMs && wrong.length < 10) {
    const waitMs = dueMs - performance.now();
    if (waitMs > 1) await Bun.sleep(waitMs);
    dueMs = Math.max(dueMs + everyMs, performance.now() - 1000);
    await step(connection);
    counts.requests++;
  }
  connection.close();
}

async function step(connection: Connection): Promise<void> {
  const key = `key:${Math.floor(Math.random() * KEYS)}`;
  const dice = Math.random();
  if (dice < 0.6) {
    const { status, body } = await connection.send("GET", `/get?key=${key}`);
    if (status === 404) counts.misses++;
    else if (status === 200 && body.includes(`"value":"${key} `)) counts.hits++;
    else wrong.push(`GET ${key}: ${status} ${body.slice(0, 200)}`);
    return;
  }
  const length = Math.floor(Math.random() ** 3 * (MAX_VALUE_LENGTH - 20));
  const ttl = Math.random() < 0.2 ? { ttl: 1 + Math.random() * 30 } : {};
  const put = { key, value: `${key} ${"v".repeat(length)}`, ...ttl };
  const [path, request] = dice < 0.95 ? ["/put", put] : ["/delete", { key }];
  const { status, body } = await connection.send("POST", path, JSON.stringify(request));
  const isRight = status === 200 || (path === "/delete" && status === 404);
  if (!isRight) wrong.push(`POST ${path}: ${status} ${body.slice(0, 200)}`);
}

async function sample(): Promise<void> {
  const status = readFileSync(`/proc/${service.pid}/status`, "utf8");
  const rssMb = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  const answer = await fetch(`${service.url}/stats`);
  const { total_items: entries } = (await answer.json()) as { total_items: number };
  const minute = (performance.now() - startMs) / 60_000;
  samples.push({ minute, rssMb, requests: counts.requests, entries });
}

async function report(): Promise<void> {
  const machine = describeMachine();
  const settled = samples.filter(({ minute }) => minute >= Math.min(WARM_UP_MINUTES, minutes / 6));
  const fifth = Math.max(1, Math.floor(settled.length / 5));
  const rss = (some: readonly Sample[]) => some.map(({ rssMb }) => rssMb);
  const first = median(rss(settled.slice(0, fifth)));
  const last = median(rss(settled.slice(-fifth)));
  const isFlat = last <= first * (1 + FLAT);
  const all = rss(settled);
  console.log(machine);
  console.log(`${counts.requests} requests, ${counts.hits} hits, ${counts.misses} misses`);
  console.log(
    `RSS after the warm-up: ${min(all).toFixed(0)} to ${max(all).toFixed(0)} MB; median of the ` +
      `first fifth ${first.toFixed(1)} MB, of the last ${last.toFixed(1)} MB: ${isFlat ? "flat" : "it grows"}`,
  );
  for (const line of wrong) console.log(`wrong: ${line}`);
  await keepResult("soak", { machine, minutes, rate, connections, counts, first, last, samples });
  const points = samples.map(({ minute, rssMb }) => ({ x: minute, y: rssMb }));
  const title = `Resident memory under ${rate} mixed requests a second, 2 workers`;
  const chart = await lineChart(title, "minutes", "MB", [{ name: "RSS", points }]);
  await Bun.write(resultPath("soak", "svg"), chart);
  if (!isFlat || wrong.length > 0) process.exitCode = 1;
}
