// What a start costs, beside a `Bun.serve` of one line: time to the first answer, CPU time until then, and
// resident memory, at rest and after the first request.
//
//   bun run bench start [--rounds 9]

import { median } from "simple-statistics";

import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { keepResult } from "./lib/results.ts";
import { type BenchServer, startFloor, startService } from "./lib/server.ts";

/** After the first line of the log, for what the start leaves to do. */
const SETTLE_MS = 2000;

const { rounds } = optionsOrExit("bench start", {
  rounds: { kind: "integer", default: 9, min: 1, max: 1000, help: "starts of each server" },
} as const);

interface Start {
  readonly firstAnswerMs: number;
  readonly cpuMs: number;
  readonly restMb: number;
  readonly firstRequestMb: number;
}

const SERVERS: Readonly<Record<string, () => Promise<BenchServer>>> = {
  "Bun.serve": () => startFloor("static", undefined),
  "ringcache, 1 worker": () => startService(undefined, "--workers", "1"),
  "ringcache, 2 workers": () => startService(undefined, "--workers", "2"),
};

async function measure(start: () => Promise<BenchServer>): Promise<Start> {
  const startMs = performance.now();
  await using server = await start();
  const ask = async () => await (await fetch(`${server.url}/get?key=k`)).text();
  await ask();
  const firstAnswerMs = performance.now() - startMs;
  const cpuMs = server.cpuSeconds() * 1000;
  await using quiet = await start();
  await Bun.sleep(SETTLE_MS);
  const restMb = quiet.rssBytes() / 1e6;
  await (await fetch(`${quiet.url}/get?key=k`)).text();
  return { firstAnswerMs, cpuMs, restMb, firstRequestMb: quiet.rssBytes() / 1e6 };
}

const rows: Record<string, Start> = {};
const starts = new Map<string, Start[]>(Object.keys(SERVERS).map((name) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const [name, start] of Object.entries(SERVERS)) {
    starts.get(name)?.push(await measure(start));
  }
}
for (const [name, measured] of starts) {
  const row = {
    firstAnswerMs: Math.round(median(measured.map((one) => one.firstAnswerMs))),
    cpuMs: Math.round(median(measured.map((one) => one.cpuMs))),
    restMb: Math.round(median(measured.map((one) => one.restMb))),
    firstRequestMb: Math.round(median(measured.map((one) => one.firstRequestMb))),
  };
  rows[name] = row;
  console.log(
    `${name.padEnd(22)} first answer ${row.firstAnswerMs} ms, ${row.cpuMs} ms of CPU; ` +
      `resident ${row.restMb} MB at rest, ${row.firstRequestMb} MB after the first request`,
  );
}
await keepResult("start", { machine: describeMachine(), rounds, rows });
process.exit(0);
