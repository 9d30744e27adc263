// The Redis protocol of this service beside redis-server, in one run: requests a second
// and CPU time of the server for each request; and what a second worker costs. Run by
// `bun run bench resp`; needs redis-server and redis-benchmark.
//
// Beside redis-server each server is pinned to one core and the load to the other. With
// two workers nothing is pinned: they may use both cores, and share them with the load.

import { RedisClient } from "bun";
import Table from "cli-table3";
import { median } from "simple-statistics";

import type { OptionTable } from "../src/config/parse.ts";
import { KEYS, LOAD_CORE, type LoadResult, VALUE_LENGTH } from "./lib/loads.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { describePeer, type Peer, startForeign, startOurs } from "./lib/peers.ts";
import { busyPercent, ratiosOf, wholeMedian, withRange } from "./lib/ratio.ts";
import { KEY_DIGITS, redisBenchmark, RESP_CONNECTIONS } from "./lib/redis-load.ts";
import { keepResult } from "./lib/results.ts";

const SERVER_CORE = 0;
/** At a pipeline of 16 a request takes a fraction of the time: more of them in a run. */
const PIPELINED = { pipeline: 16, times: 5 } as const;
const ONE_BY_ONE = { pipeline: 1, times: 1 } as const;
const MGET_KEYS = 10;
const EX_UNAVAILABLE = 69;

const OPTIONS = {
  rounds: { kind: "integer", default: 5, min: 1, max: 100, help: "runs of each kind" },
  requests: {
    kind: "integer",
    default: 200_000,
    min: 1000,
    max: 100_000_000,
    help: "requests in a run; at a pipeline of 16 five times as many, but for MGET",
  },
} as const satisfies OptionTable;

interface Kind {
  readonly name: string;
  readonly pipeline: number;
  /** Requests of a run, in `--requests`. */
  readonly times: number;
  readonly command: readonly string[];
  /** What a ratio is to be at least or at most: requests a second, CPU time for each request. */
  readonly rateBar?: number;
  readonly cpuBar?: number;
}

const SET = { name: "SET", command: ["-t", "set"] } as const;
const GET = { name: "GET", command: ["-t", "get"] } as const;
const MGET: readonly string[] = ["MGET", ...Array<string>(MGET_KEYS).fill("key:__rand_int__")];

const BESIDE_REDIS: readonly Kind[] = [
  { ...SET, ...PIPELINED, rateBar: 1.5 },
  { ...GET, ...PIPELINED, rateBar: 1.5 },
  { ...PIPELINED, name: `MGET of ${MGET_KEYS}`, command: MGET, times: 1, rateBar: 1.3 },
  { ...PIPELINED, name: "INCR", command: ["-t", "incr"], rateBar: 1.3 },
  { ...SET, ...ONE_BY_ONE, cpuBar: 1.1 },
  { ...GET, ...ONE_BY_ONE, cpuBar: 1.1 },
];
const BESIDE_ONE_WORKER: readonly Kind[] = [
  { ...SET, ...PIPELINED, cpuBar: 1.25 },
  { ...GET, ...PIPELINED, cpuBar: 1.25 },
  { ...SET, ...ONE_BY_ONE, cpuBar: 1.25 },
  { ...GET, ...ONE_BY_ONE, cpuBar: 1.25 },
];

/** One run on the server in question and one on what it is held against, of the same round. */
interface Pair {
  readonly kind: string;
  readonly pipeline: number;
  readonly subject: Run;
  readonly reference: Run;
}
interface Run extends LoadResult {
  readonly cpuMicros: number;
}

const { rounds, requests } = optionsOrExit("bench resp", OPTIONS);
const missing = ["redis-server", "redis-benchmark"].filter((name) => Bun.which(name) === null);
if (missing.length > 0) {
  const names = missing.join(" and ");
  process.stderr.write(`bench resp: no ${names} on PATH (Debian: apt-get install redis-server)\n`);
  process.exit(EX_UNAVAILABLE);
}
const machine = describeMachine();
const method =
  `${rounds} rounds of ${requests} requests by redis-benchmark (SET, GET and INCR at -P 16: ` +
  `${requests * PIPELINED.times}), ${RESP_CONNECTIONS} connections, ${KEYS} keys, ` +
  `${VALUE_LENGTH} B values, beside ${await describePeer("redis-server")}`;
console.log(`${machine}\n${method}`);

const besideRedis = await compareWithRedis();
console.log(
  `one worker on core ${SERVER_CORE}, load on core ${LOAD_CORE}; CPU is µs of the server for each request\n` +
    tableOf(besideRedis, BESIDE_REDIS, "ringcache", "redis"),
);
const besideOneWorker = await compareWorkers();
console.log(
  "two workers beside one, nothing pinned\n" +
    tableOf(besideOneWorker, BESIDE_ONE_WORKER, "2 workers", "1 worker"),
);
await keepResult("resp", { machine, method, besideRedis, besideOneWorker });

async function compareWithRedis(): Promise<Pair[]> {
  await using ours = await startOurs(SERVER_CORE);
  await using redis = await startForeign("redis-server", SERVER_CORE);
  return await compare(ours, redis, BESIDE_REDIS, LOAD_CORE);
}

async function compareWorkers(): Promise<Pair[]> {
  await using two = await startOurs(undefined, "--workers", "2");
  await using one = await startOurs(undefined);
  return await compare(two, one, BESIDE_ONE_WORKER, undefined);
}

async function compare(
  subject: Peer,
  reference: Peer,
  kinds: readonly Kind[],
  loadCore: number | undefined,
): Promise<Pair[]> {
  await fillKeys(subject);
  await fillKeys(reference);
  const pairs: Pair[] = [];
  // The first round warms up what is compiled as it runs, and is not kept.
  for (let round = -1; round < rounds; round++) {
    for (const kind of kinds) {
      const ours = await run(subject, kind, loadCore);
      const theirs = await run(reference, kind, loadCore);
      if (round < 0) continue;
      const { name, pipeline } = kind;
      pairs.push({ kind: name, pipeline, subject: ours, reference: theirs });
    }
  }
  const increments = kinds
    .filter(({ name }) => name === "INCR")
    .reduce((sum, { times }) => sum + times * requests * (rounds + 1), 0);
  await check(subject, increments);
  await check(reference, increments);
  return pairs;
}

async function run(server: Peer, kind: Kind, loadCore: number | undefined): Promise<Run> {
  const { port } = server;
  const before = server.cpuSeconds();
  const result = await redisBenchmark(
    {
      ...{ port, pipeline: kind.pipeline, command: kind.command },
      ...{ requests: requests * kind.times, keys: KEYS, valueBytes: VALUE_LENGTH },
    },
    loadCore,
  );
  const cpuMicros = ((server.cpuSeconds() - before) / result.requests) * 1e6;
  return { ...result, cpuMicros };
}

/** Every key and counter that redis-benchmark may ask for. */
async function fillKeys({ port }: Peer): Promise<void> {
  const client = new RedisClient(`redis://127.0.0.1:${port}`);
  for (const [prefix, value] of [
    ["key:", "v".repeat(VALUE_LENGTH)],
    ["counter:", "0"],
  ] as const) {
    for (const names of chunksOfNames(prefix)) {
      await client.send(
        "MSET",
        names.flatMap((name) => [name, value]),
      );
    }
  }
  client.close();
}

/** That nothing was missed, lost or counted wrongly. Throws if something was. */
async function check({ name, port }: Peer, increments: number): Promise<void> {
  const client = new RedisClient(`redis://127.0.0.1:${port}`);
  const expect = (what: string, found: number, wanted: number) => {
    if (found !== wanted) throw new Error(`${name}: ${found} ${what} and not ${wanted}`);
  };
  const stats = String(await client.send("INFO", ["stats"]));
  expect("misses", Number(/^keyspace_misses:(\d+)/m.exec(stats)?.[1]), 0);
  expect("keys", Number(await client.send("DBSIZE", [])), 2 * KEYS);
  let wholeValues = 0;
  let counted = 0;
  for (const names of chunksOfNames("key:")) {
    const values = (await client.send("MGET", names)) as readonly string[];
    wholeValues += values.filter((value) => value.length === VALUE_LENGTH).length;
  }
  for (const names of chunksOfNames("counter:")) {
    const values = (await client.send("MGET", names)) as readonly string[];
    counted += values.reduce((sum, value) => sum + Number(value), 0);
  }
  expect("whole values", wholeValues, KEYS);
  expect("increments", counted, increments);
  client.close();
}

function chunksOfNames(prefix: string): string[][] {
  const size = 1000;
  const name = (n: number) => prefix + String(n).padStart(KEY_DIGITS, "0");
  return Array.from({ length: KEYS / size }, (_, chunk) => {
    return Array.from({ length: size }, (__, n) => name(chunk * size + n));
  });
}

function tableOf(
  pairs: readonly Pair[],
  kinds: readonly Kind[],
  subject: string,
  reference: string,
): string {
  const results = [`${subject}`, `${reference}`, `× ${reference} (range)`, "bar"];
  const table = new Table({
    head: [
      "",
      ...results.map((name, column) => (column === 0 ? `requests/s: ${name}` : name)),
      ...results.map((name, column) => (column === 0 ? `CPU: ${name}` : name)),
      `p99 ms: ${subject}`,
      reference,
      "busy",
    ],
    colAligns: ["left", ...Array<"right">(11).fill("right")],
    style: { head: [], border: [], compact: true },
  });
  for (const { name, pipeline, rateBar, cpuBar } of kinds) {
    const some = pairs.filter((pair) => pair.kind === name && pair.pipeline === pipeline);
    const of = (side: "subject" | "reference", figure: keyof Run) => {
      return some.map((pair) => pair[side][figure]);
    };
    const rates = [
      of("subject", "requestsPerSecond"),
      of("reference", "requestsPerSecond"),
    ] as const;
    const micros = [of("subject", "cpuMicros"), of("reference", "cpuMicros")] as const;
    table.push([
      `${name}, -P ${pipeline}`,
      ...rates.map(wholeMedian),
      withRange(ratiosOf(...rates)),
      rateBar === undefined ? "" : `≥ ${rateBar}`,
      ...micros.map((side) => median(side).toFixed(2)),
      withRange(ratiosOf(...micros)),
      cpuBar === undefined ? "" : `≤ ${cpuBar}`,
      median(of("subject", "p99")).toFixed(2),
      median(of("reference", "p99")).toFixed(2),
      [0, 1].map((side) => busyPercent(rates[side], micros[side])).join(" / "),
    ]);
  }
  return table.toString();
}
