// MULTI, INCR, EXPIRE, EXEC beside redis-server, in one run: CPU time of the server for each transaction.
// Run by `bun run bench transactions`; needs redis-server.
//
// Each server is pinned to one core; this process to the other. A client sends a transaction as client
// libraries do, in one write, and waits for its four replies. With a pipeline it sends several at once.

import { RedisClient } from "bun";
import Table from "cli-table3";
import { median } from "simple-statistics";

import type { OptionTable } from "../src/config/parse.ts";
import { command, connect, type Counting, expectBytes } from "./lib/counting.ts";
import { LOAD_CORE } from "./lib/loads.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { describePeer, type Peer, startForeign, startOurs } from "./lib/peers.ts";
import { ratiosOf, withRange } from "./lib/ratio.ts";
import { keepResult } from "./lib/results.ts";

const SERVER_CORE = 0;
const CLIENTS = 16;
const KEYS = 1000;
const PIPELINES = [1, 4] as const;
const CPU_BAR = 1.1;
const EX_UNAVAILABLE = 69;

const OPTIONS = {
  rounds: { kind: "integer", default: 5, min: 1, max: 100, help: "runs of each kind" },
  transactions: {
    kind: "integer",
    default: 100_000,
    min: 1000,
    max: 10_000_000,
    help: "transactions in a run",
  },
} as const satisfies OptionTable;

const { rounds, transactions } = optionsOrExit("bench transactions", OPTIONS);
if (Bun.which("redis-server") === null) {
  process.stderr.write(
    "bench transactions: no redis-server on PATH (Debian: apt-get install redis-server)\n",
  );
  process.exit(EX_UNAVAILABLE);
}
if (Bun.which("taskset") !== null) {
  Bun.spawnSync(["taskset", "-acp", `${LOAD_CORE}`, `${process.pid}`]);
}

/** The counters have seven digits, so that all replies have one length. */
const FIRST_COUNT = 1_000_000;
const REPLY_BYTES = `+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:${FIRST_COUNT}\r\n:1\r\n`.length;
const TRANSACTIONS = Array.from({ length: KEYS }, (_, n) => {
  const key = keyOf(n);
  const words = [["MULTI"], ["INCR", key], ["EXPIRE", key, "1000"], ["EXEC"]];
  return words.map((command_) => command(...command_)).join("");
});

const machine = describeMachine();
const method =
  `${rounds} rounds of ${transactions} transactions by ${CLIENTS} clients on ${KEYS} keys, ` +
  `beside ${await describePeer("redis-server")}`;
console.log(`${machine}\n${method}`);
const runs = await measure();
const table = new Table({
  head: ["", "ringcache, µs", "redis, µs", "× redis (range)", "bar"],
  style: { head: [], border: [], compact: true },
});
for (const { pipeline, ours, theirs } of runs) {
  const medians = [ours, theirs].map((micros) => median(micros).toFixed(1));
  const ratio = withRange(ratiosOf(ours, theirs));
  table.push([`${pipeline} at once`, ...medians, ratio, `≤ ${CPU_BAR}`]);
}
console.log(`CPU time of the server for each transaction\n${table.toString()}`);
await keepResult("transactions", { machine, method, runs });

/** Returns the CPU µs for each transaction, by round, for each length of pipeline. */
async function measure() {
  await using ours = await startOurs(SERVER_CORE);
  await using redis = await startForeign("redis-server", SERVER_CORE);
  const sides = [ours, redis];
  const clients = await Promise.all(sides.map(connectAll));
  const results = PIPELINES.map((pipeline) => {
    return { pipeline, ours: [] as number[], theirs: [] as number[] };
  });
  // The first round warms up what is compiled as it runs, and is not kept.
  for (let round = -1; round < rounds; round++) {
    for (const { pipeline, ours: own, theirs } of results) {
      for (const [side, server] of sides.entries()) {
        const before = server.cpuSeconds();
        await Promise.all((clients[side] ?? []).map((client, n) => run(client, n, pipeline)));
        const micros = ((server.cpuSeconds() - before) / transactions) * 1e6;
        if (round >= 0) (side === 0 ? own : theirs).push(micros);
      }
    }
  }
  await Promise.all(sides.map(check));
  for (const { socket } of clients.flat()) socket.end();
  return results;
}

async function connectAll(peer: Peer): Promise<Counting[]> {
  const client = new RedisClient(`redis://127.0.0.1:${peer.port}`);
  for (let n = 0; n < KEYS; n++) await client.set(keyOf(n), `${FIRST_COUNT}`);
  client.close();
  return await Promise.all(Array.from({ length: CLIENTS }, () => connect(peer.port)));
}

async function run(client: Counting, first: number, pipeline: number): Promise<void> {
  let key = (first * KEYS) / CLIENTS;
  for (let sent = 0; sent < transactions / CLIENTS; sent += pipeline) {
    let batch = "";
    for (let n = 0; n < pipeline; n++) batch += TRANSACTIONS[Math.floor(key++) % KEYS] ?? "";
    const replies = expectBytes(client, REPLY_BYTES * pipeline);
    client.socket.write(batch);
    await replies;
  }
}

/** Throws unless each transaction has counted. */
async function check({ name, port }: Peer): Promise<void> {
  const client = new RedisClient(`redis://127.0.0.1:${port}`);
  let counted = 0;
  for (let n = 0; n < KEYS; n++) counted += Number(await client.get(keyOf(n))) - FIRST_COUNT;
  client.close();
  const wanted = PIPELINES.reduce((sum, pipeline) => {
    return sum + Math.ceil(transactions / CLIENTS / pipeline) * pipeline * CLIENTS * (rounds + 1);
  }, 0);
  if (counted !== wanted) throw new Error(`${name}: ${counted} increments and not ${wanted}`);
}

function keyOf(n: number): string {
  return `counter:${String(n).padStart(12, "0")}`;
}
