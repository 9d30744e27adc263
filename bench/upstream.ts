// What a node in front of redis-server costs, in one run: CPU time of the node for a near hit, a pass and a
// miss beside a GET of the service alone; CPU time of an invalidation at the node; CPU time of a write at the
// engine with listeners; the memory that a frozen node costs the engine. Run by `bun run bench upstream`.
//
// The node is pinned to one core; the load and the engine to the other.

import Table from "cli-table3";
import { median } from "simple-statistics";

import type { OptionTable } from "../src/config/parse.ts";
import { freePort } from "../test/lib/service.ts";
import { until } from "../test/lib/until.ts";
import { Line } from "../test/stress/tier/ask.ts";
import { startListeners } from "./lib/bcast-listeners.ts";
import { fill, LOAD_CORE, loadKeys, oha, readAll } from "./lib/upstream-loads.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { outputOf } from "./lib/loads.ts";
import { ratiosOf, withRange } from "./lib/ratio.ts";
import { keepResult } from "./lib/results.ts";
import { type BenchServer, benchServer, pinned, startService } from "./lib/server.ts";

const SERVER_CORE = 0;
const EX_UNAVAILABLE = 69;
const LISTENERS = [0, 1, 4, 16, 64] as const;
/** How writes arrive. One by one, each has a turn of the engine's event loop; together they share turns. */
const ARRIVALS = { "one by one": ["-c", "1"], "50 connections": ["-c", "50"] } as const;
/** On a machine that others use, a node that gets no time must not miss: the figure is the cost of a hit. */
const PATIENT = ["--near-ttl", "3600", "--near-max-stale", "60", "--upstream-timeout", "30"];
/** Reads over the Redis protocol for each request over HTTP: they cost about a tenth. */
const PIPELINED = 16;
/** Beats of a node, and its question for the topology. */
const QUESTIONS = ["info", "nodes"] as const;
/** A frozen node must not cost the engine more than this; the documents give the setting. */
const CLIENT_MEMORY = "20mb";
/** Keys of the writes: few of them are equal within one turn of the engine's event loop. */
const WRITE_KEYS = 1_000_000;

const OPTIONS = {
  rounds: { kind: "integer", default: 5, min: 1, max: 100, help: "runs of each kind" },
  requests: {
    kind: "integer",
    default: 50_000,
    min: 1000,
    max: 10_000_000,
    help: "HTTP requests in a run",
  },
  writes: { kind: "integer", default: 400_000, min: 1000, max: 100_000_000, help: "SETs in a run" },
} as const satisfies OptionTable;

const { rounds, requests, writes } = optionsOrExit("bench upstream", OPTIONS);
for (const program of ["redis-server", "redis-benchmark", "oha"]) {
  if (Bun.which(program) !== null) continue;
  process.stderr.write(`bench upstream: no ${program} on PATH\n`);
  process.exit(EX_UNAVAILABLE);
}

const machine = describeMachine();
const method = `${rounds} rounds, ${requests} HTTP requests, ${writes} SETs of redis-benchmark`;
console.log(`${machine}\n${method}`);
await using engine = await startEngine();
const requestCosts = await measureRequests();
const writeCosts = await measureWrites();
const frozen = await measureFrozen();
await keepResult("upstream", { machine, method, requestCosts, writeCosts, frozen });

interface Engine extends BenchServer {
  readonly port: number;
}

async function startEngine(...options: string[]): Promise<Engine> {
  const port = freePort();
  const command = [
    ...["redis-server", "--port", `${port}`, "--bind", "127.0.0.1", "--save", ""],
    ...["--maxmemory-clients", CLIENT_MEMORY, ...options],
  ];
  const child = Bun.spawn(pinned(LOAD_CORE, command), { stdout: "ignore" });
  await until("redis-server answers", async () => {
    using line = new Line(port);
    return (await line.send("PING").catch(() => "")) === "PONG";
  });
  return { ...benchServer(child, `redis://127.0.0.1:${port}`), port };
}

interface BenchNode extends BenchServer {
  readonly redisPort: number;
}

async function startNode(...options: string[]): Promise<BenchNode> {
  const redisPort = freePort();
  const own = ["--workers", "1", "--resp-port", `${redisPort}`, "--shed-after-ms", "0"];
  const server = await startService(SERVER_CORE, ...own, ...options);
  await until("the node reads", async () => {
    using line = new Line(redisPort);
    return await line.send("GET", "none").then(
      () => true,
      () => false,
    );
  });
  return { ...server, redisPort };
}

type Kind = "alone" | "near hit" | "pass" | "miss" | "alone, RESP" | "near hit, RESP";

/** CPU time of the node for a request, in µs, by kind and round. */
async function measureRequests(): Promise<Record<Kind, number[]>> {
  const upstream = ["--upstream", `127.0.0.1:${engine.port}`, ...PATIENT];
  await using alone = await startNode();
  await using node = await startNode(...upstream);
  await using passing = await startNode(...upstream, "--near-prefix", "no key has this prefix");
  await Promise.all([fill(alone.redisPort), fill(engine.port)]);
  await readAll(node.redisPort);
  const http = (server: BenchNode, suffix: string) => async () => {
    const before = server.cpuSeconds();
    await oha(server.url, suffix, requests);
    return ((server.cpuSeconds() - before) / requests) * 1e6;
  };
  const redis = (server: BenchNode) => async () => {
    const before = server.cpuSeconds();
    await loadKeys(server.redisPort, requests * PIPELINED);
    return ((server.cpuSeconds() - before) / (requests * PIPELINED)) * 1e6;
  };
  const runs: Record<Kind, () => Promise<number>> = {
    alone: http(alone, ""),
    "near hit": http(node, ""),
    pass: http(passing, ""),
    miss: http(node, "&fresh=1"),
    "alone, RESP": redis(alone),
    "near hit, RESP": redis(node),
  };
  const costs: Record<Kind, number[]> = {
    ...{ alone: [], "near hit": [], pass: [], miss: [], "alone, RESP": [], "near hit, RESP": [] },
  };
  // The first round compiles.
  for (let round = -1; round < rounds; round++) {
    for (const kind of Object.keys(runs) as Kind[]) {
      const cost = await runs[kind]();
      if (round >= 0) costs[kind].push(cost);
    }
  }
  const table = new Table({
    head: ["request", "CPU µs", "ratio (range)", "of", "bar"],
    style: { head: [] },
  });
  const row = (kind: Kind, base: Kind, bar: string) => {
    const ratios = withRange(ratiosOf(costs[kind], costs[base]));
    table.push([kind, median(costs[kind]).toFixed(2), ratios, base, bar]);
  };
  row("near hit", "alone", "1.10");
  row("pass", "near hit", "2.0");
  row("miss", "near hit", "3.5");
  row("near hit, RESP", "alone, RESP", "1.15");
  console.log(table.toString());
  return costs;
}

/** Runs redis-benchmark on a server; resolves with the server's CPU time for a command, in µs. */
async function costAt(server: Engine, count: number, ...command: string[]): Promise<number> {
  const before = server.cpuSeconds();
  const port = ["-p", `${server.port}`, "-n", `${count}`, "-r", `${WRITE_KEYS}`, "-d", "100"];
  await outputOf(["redis-benchmark", ...port, ...command], LOAD_CORE);
  return ((server.cpuSeconds() - before) / count) * 1e6;
}

async function setMany(count: number): Promise<void> {
  await costAt(engine, count, "-P", "16", "-t", "set");
}

interface WriteCosts {
  /** CPU time of a SET at the engine in µs, by arrival and number of listeners. */
  readonly sets: Record<string, Record<number, number>>;
  /** Bytes of an invalidation, by arrival. */
  readonly bytes: Record<string, number>;
  /** CPU time at a node, in µs. */
  readonly invalidation: number;
  /** CPU time at the engine, in µs, by subcommand of CLUSTER. */
  readonly cluster: Record<string, number>;
}

async function measureWrites(): Promise<WriteCosts> {
  const sets: WriteCosts["sets"] = {};
  const bytes: WriteCosts["bytes"] = {};
  for (const [arrival, clients] of Object.entries(ARRIVALS)) {
    const costs: Record<number, number> = {};
    for (const count of LISTENERS) {
      await using listeners = await startListeners(engine.port, count);
      const load = writes / 4;
      const received = listeners.bytes();
      costs[count] = await costAt(engine, load, ...clients, "-t", "set");
      if (count === 1) bytes[arrival] = (listeners.bytes() - received) / load;
    }
    sets[arrival] = costs;
    const row = Object.entries(costs).map(([count, cost]) => `${count}: ${cost.toFixed(1)}`);
    console.log(`engine, CPU µs a SET by listeners, ${arrival}: ${row.join(", ")}`);
    console.log(`  ${bytes[arrival]?.toFixed(1)} bytes an invalidation`);
  }
  const cluster: WriteCosts["cluster"] = {};
  await using member = await startEngine(
    ...["--cluster-enabled", "yes", "--cluster-config-file", `/tmp/nodes-${process.pid}.conf`],
  );
  using line = new Line(member.port);
  await line.send("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
  for (const question of QUESTIONS) {
    cluster[question] = await costAt(member, writes / 10, "-c", "4", "cluster", question);
    console.log(
      `engine, CLUSTER ${question.toUpperCase()}: ${cluster[question]?.toFixed(1)} µs of CPU`,
    );
  }
  await using node = await startNode("--upstream", `127.0.0.1:${engine.port}`);
  await setMany(writes / 4);
  const before = node.cpuSeconds();
  await setMany(writes);
  const invalidation = ((node.cpuSeconds() - before) / writes) * 1e6;
  console.log(`node, an invalidation: ${invalidation.toFixed(2)} µs of CPU (bar: 2.5)`);
  return { sets, bytes, invalidation, cluster };
}

/** The engine's memory for clients while a node is frozen, and whether the engine ended the connection. */
async function measureFrozen(): Promise<object> {
  await using node = await startNode("--upstream", `127.0.0.1:${engine.port}`);
  using line = new Line(engine.port);
  process.kill(node.pid, "SIGSTOP");
  let most = 0;
  for (let part = 0; part < 10; part++) {
    await setMany(writes);
    const info = String(await line.send("INFO", "memory"));
    most = Math.max(most, Number(/^mem_clients_normal:(\d+)/m.exec(info)?.[1]));
  }
  const stats = String(await line.send("INFO", "stats"));
  const evicted = Number(/^evicted_clients:(\d+)/m.exec(stats)?.[1]);
  process.kill(node.pid, "SIGCONT");
  const mib = most / 2 ** 20;
  console.log(
    `a frozen node under ${writes * 10} SETs: at most ${mib.toFixed(1)} MB of clients, ${evicted} evicted`,
  );
  return { writes: writes * 10, mib, evicted };
}
