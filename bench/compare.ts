// This service beside the caches and servers that are on PATH: requests a second, CPU
// time of the server for each request, latency, and memory for each entry. Run by
// `bun run bench compare`.
//
// Every server has one thread, on core 0; every load is one process on core 1; the
// rounds take the servers in turn. What is missing is skipped with a line that says so.
// Servers are held against each other only where one client drives them all: oha for
// HTTP, redis-benchmark for the Redis protocol, and for memcached a client of this
// project that speaks both protocols.

import Table from "cli-table3";
import { median } from "simple-statistics";

import type { OptionTable } from "../src/config/parse.ts";
import {
  bytesPerEntry,
  checkMisses,
  fillPeers,
  type PeerLoad,
  peerLoads,
} from "./lib/compare-loads.ts";
import { CONNECTIONS, KEYS, LOAD_CORE, type LoadResult, VALUE_LENGTH } from "./lib/loads.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { describePeer, type PeerName, startForeign, startOurs } from "./lib/peers.ts";
import { barChart } from "./lib/plot.ts";
import { busyPercent, ratiosOf, wholeMedian, withRange } from "./lib/ratio.ts";
import { RESP_CONNECTIONS } from "./lib/redis-load.ts";
import { keepResult, resultPath } from "./lib/results.ts";

const SERVER_CORE = 0;
/** All that the service may hold: the entries that memory is measured with, and more. */
const MEMORY = "1gb";
const FOREIGN = ["redis-server", "memcached", "nginx", "pogocache"] as const;

const OPTIONS = {
  rounds: { kind: "integer", default: 5, min: 1, max: 100, help: "runs of each kind" },
  requests: {
    kind: "integer",
    default: 100_000,
    min: 1000,
    max: 100_000_000,
    help: "requests in a run; with a pipeline of 16 five times as many",
  },
  entries: {
    kind: "integer",
    default: 1_000_000,
    min: 10_000,
    max: 4_000_000,
    help: "entries that memory is measured with",
  },
} as const satisfies OptionTable;

interface Run extends LoadResult, Pick<PeerLoad, "load" | "tool"> {
  readonly server: PeerName;
  readonly cpuMicros: number;
}
interface Memory {
  readonly server: PeerName;
  readonly bytesPerEntry: number;
}

const { rounds, requests, entries } = optionsOrExit("bench compare", OPTIONS);
const present = FOREIGN.filter((name) => Bun.which(name) !== null);
for (const name of FOREIGN) {
  if (!present.includes(name)) console.log(`${name} is not on PATH: skipped`);
}
const servers: readonly PeerName[] = ["ringcache", ...present];
const machine = describeMachine();
const versions = await Promise.all(present.map(describePeer));
const method =
  `${rounds} rounds of ${requests} requests (five times as many with a pipeline of 16), ` +
  `${CONNECTIONS} connections over HTTP and else ${RESP_CONNECTIONS}, ${KEYS} keys, ` +
  `${VALUE_LENGTH} B values, servers on core ${SERVER_CORE}, load on core ${LOAD_CORE}; ` +
  `ringcache (--memory ${MEMORY}) beside ${versions.join(", ") || "nothing"}`;
console.log(`${machine}\n${method}`);

const runs = await measureLoads();
console.log(loadTable());
const memory = await measureMemory();
console.log(`resident memory of ${entries} entries: 12 B keys, ${VALUE_LENGTH} B values`);
console.log(memoryTable());
await keepResult("compare", { machine, method, runs, memory });
await Bun.write(resultPath("compare", "svg"), await chart());

async function measureLoads(): Promise<Run[]> {
  await using stack = new AsyncDisposableStack();
  const peers = [];
  for (const name of servers) peers.push(stack.use(await start(name)));
  await fillPeers(peers);
  const loads = stack.use(await peerLoads(peers, requests));
  const kept: Run[] = [];
  // The first round warms up what is compiled as it runs, and is not kept.
  for (let round = -1; round < rounds; round++) {
    for (const { load, tool, peer, run } of loads.all) {
      const before = peer.cpuSeconds();
      const result = await run();
      const cpuMicros = ((peer.cpuSeconds() - before) / result.requests) * 1e6;
      if (round >= 0) kept.push({ load, tool, server: peer.name, cpuMicros, ...result });
    }
  }
  await checkMisses(peers);
  return kept;
}

/** Each time in a process of its own, which has held nothing before. */
async function measureMemory(): Promise<Memory[]> {
  const kept: Memory[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const server of servers) {
      if (server === "nginx") continue;
      await using peer = await start(server);
      kept.push({ server, bytesPerEntry: await bytesPerEntry(peer, entries) });
    }
  }
  return kept;
}

function start(name: PeerName) {
  return name === "ringcache"
    ? startOurs(SERVER_CORE, "--memory", MEMORY)
    : startForeign(name, SERVER_CORE);
}

/** The kinds of load in their order, each with the servers that took it. */
function kinds(): { readonly load: string; readonly tool: string; readonly by: PeerName[] }[] {
  const names = [...new Set(runs.map(({ load }) => load))];
  return names.map((load) => {
    const some = runs.filter((run) => run.load === load);
    return { load, tool: some[0]?.tool ?? "", by: [...new Set(some.map(({ server }) => server))] };
  });
}

function statsOf(load: string, server: PeerName, figure: "cpuMicros" | keyof LoadResult) {
  return runs.filter((run) => run.load === load && run.server === server).map((run) => run[figure]);
}

function shownName(server: PeerName): string {
  return server === "nginx" ? "nginx, a constant" : server;
}

/** Medians of the rounds; the ratio is the median of each round's own, with its range. */
function loadTable(): string {
  const table = new Table({
    head: [
      ...["load", "by", "server", "requests/s", "CPU µs/request", "× ringcache (range)"],
      ...["busy", "p50 ms", "p99 ms", "p99.9 ms"],
    ],
    colAligns: ["left", "left", "left", ...Array<"right">(7).fill("right")],
    style: { head: [], border: [], compact: true },
  });
  for (const { load, tool, by } of kinds()) {
    for (const [index, server] of by.entries()) {
      const micros = statsOf(load, server, "cpuMicros");
      const rates = statsOf(load, server, "requestsPerSecond");
      const isOurs = server === "ringcache";
      table.push([
        ...(index === 0 ? [load, tool] : ["", ""]),
        shownName(server),
        wholeMedian(rates),
        median(micros).toFixed(2),
        isOurs ? "1" : withRange(ratiosOf(micros, statsOf(load, "ringcache", "cpuMicros"))),
        busyPercent(rates, micros),
        ...(["p50", "p99", "p999"] as const).map((figure) => {
          return median(statsOf(load, server, figure)).toFixed(2);
        }),
      ]);
    }
  }
  return table.toString();
}

function memoryTable(): string {
  const table = new Table({
    head: ["server", "bytes/entry (range)"],
    colAligns: ["left", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const server of servers) {
    const stats = memory.filter((one) => one.server === server).map((one) => one.bytesPerEntry);
    if (stats.length > 0) table.push([server, withRange(stats, 0)]);
  }
  return table.toString();
}

/** Without redis-benchmark's loads: the own client's are the same ones, and memcached is there too. */
function chart(): Promise<string> {
  const shown = kinds().filter(({ tool }) => tool !== "redis-benchmark");
  const bars = shown.flatMap(({ load, by }) =>
    by.map((server) => ({
      panel: /16/.test(load) ? "16 at a time" : "one at a time",
      group: load.replace(", pipeline 16", ""),
      name: shownName(server),
      y: median(statsOf(load, server, "cpuMicros")),
    })),
  );
  return barChart("CPU time of the server for each request: less is better", "µs", bars);
}
