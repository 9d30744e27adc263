// What a script costs beside redis-server, in one run: CPU time of the server for each EVALSHA. Run by
// `bun run bench scripts`; needs redis-server and redis-benchmark. Each server is pinned to one core and
// the load to the other.

import { RedisClient } from "bun";
import Table from "cli-table3";
import { median } from "simple-statistics";

import type { OptionTable } from "../src/config/parse.ts";
import { KEYS, LOAD_CORE, VALUE_LENGTH } from "./lib/loads.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { describePeer, type Peer, startForeign, startOurs } from "./lib/peers.ts";
import { redisBenchmark } from "./lib/redis-load.ts";
import { keepResult } from "./lib/results.ts";

const SERVER_CORE = 0;
const EX_UNAVAILABLE = 69;
/** CPU time of ours, in that of redis-server. */
const BAR = 3;

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

const COMPARE_AND_DELETE =
  'if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) else return 0 end';
const COUNT_WITH_WINDOW =
  'local n = redis.call("incr", KEYS[1]) if n == 1 then redis.call("pexpire", KEYS[1], ARGV[1]) end return n';

interface Kind {
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
  readonly pipeline: number;
}

const KINDS: readonly Kind[] = [16, 1].flatMap((pipeline) => [
  {
    ...{ name: "compare and delete: another value", pipeline, script: COMPARE_AND_DELETE },
    args: ["1", "lock", "mine"],
  },
  {
    ...{ name: "compare and delete: no key", pipeline, script: COMPARE_AND_DELETE },
    args: ["1", "free:__rand_int__", "mine"],
  },
  {
    ...{ name: "count within a window", pipeline, script: COUNT_WITH_WINDOW },
    args: ["1", "window:__rand_int__", "60000"],
  },
]);

const { rounds, requests } = optionsOrExit("bench scripts", OPTIONS);
const missing = ["redis-server", "redis-benchmark"].filter((name) => Bun.which(name) === null);
if (missing.length > 0) {
  const names = missing.join(" and ");
  process.stderr.write(`bench scripts: no ${names} on PATH (Debian: apt-get install redis)\n`);
  process.exit(EX_UNAVAILABLE);
}
const machine = describeMachine();
const method = `${rounds} rounds of ${requests} EVALSHA beside ${await describePeer("redis-server")}`;
console.log(`${machine}\n${method}`);

await using ours = await startOurs(SERVER_CORE);
await using redis = await startForeign("redis-server", SERVER_CORE);
const ratios = KINDS.map(() => [] as { ours: number; redis: number }[]);
// The first round compiles, and is not kept.
for (let round = -1; round < rounds; round++) {
  for (const [n, kind] of KINDS.entries()) {
    const pair = { ours: await cpuMicros(ours, kind), redis: await cpuMicros(redis, kind) };
    if (round >= 0) ratios[n]?.push(pair);
  }
}

const table = new Table({
  head: ["script", "pipeline", "µs: ringcache", "µs: redis", "× redis (range)", `bar ${BAR}`],
  style: { head: [], border: [], compact: true },
});
const results = KINDS.map(({ name, pipeline }, n) => {
  const pairs = ratios[n] ?? [];
  const factors = pairs.map((pair) => pair.ours / pair.redis);
  const factor = median(factors);
  const range = `${Math.min(...factors).toFixed(2)} to ${Math.max(...factors).toFixed(2)}`;
  table.push([
    ...[name, pipeline, median(pairs.map((pair) => pair.ours)).toFixed(1)],
    median(pairs.map((pair) => pair.redis)).toFixed(1),
    ...[`${factor.toFixed(2)} (${range})`, factor <= BAR ? "ok" : "missed"],
  ]);
  return { name, pipeline, pairs };
});
console.log(table.toString());
await keepResult("scripts", { machine, method, results });

/** Returns the CPU time of the server for one call, in microseconds. */
async function cpuMicros(server: Peer, { script, args, pipeline }: Kind): Promise<number> {
  const client = new RedisClient(`redis://127.0.0.1:${server.port}`);
  const sha = String(await client.send("SCRIPT", ["LOAD", script]));
  await client.send("SET", ["lock", "theirs"]);
  client.close();
  const before = server.cpuSeconds();
  const load = { port: server.port, pipeline, command: ["EVALSHA", sha, ...args] };
  await redisBenchmark({ ...load, requests, keys: KEYS, valueBytes: VALUE_LENGTH }, LOAD_CORE);
  return ((server.cpuSeconds() - before) / requests) * 1e6;
}
