// PUBLISH to 100 subscribers beside redis-server, in one run: CPU time of the server for each message that is
// published. Run by `bun run bench pubsub`; needs redis-server.
//
// Each server is pinned to one core; this process, which publishes and subscribes, to the other. Every
// subscriber must receive every message, or the bench ends with an error.

import Table from "cli-table3";
import { median } from "simple-statistics";

import type { OptionTable } from "../src/config/parse.ts";
import { bulk, command, connect, type Counting, expectBytes } from "./lib/counting.ts";
import { LOAD_CORE, VALUE_LENGTH } from "./lib/loads.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { describePeer, type Peer, startForeign, startOurs } from "./lib/peers.ts";
import { ratiosOf, withRange } from "./lib/ratio.ts";
import { keepResult } from "./lib/results.ts";

const SERVER_CORE = 0;
const CHANNEL = "channel";
const PIPELINES = [1, 16] as const;
const CPU_BAR = 1.2;
const EX_UNAVAILABLE = 69;

const OPTIONS = {
  rounds: { kind: "integer", default: 5, min: 1, max: 100, help: "runs of each kind" },
  messages: {
    kind: "integer",
    default: 4000,
    min: 100,
    max: 10_000_000,
    help: "messages in a run",
  },
  subscribers: { kind: "integer", default: 100, min: 1, max: 10_000, help: "subscribers" },
} as const satisfies OptionTable;

const { rounds, messages, subscribers } = optionsOrExit("bench pubsub", OPTIONS);
if (Bun.which("redis-server") === null) {
  process.stderr.write(
    "bench pubsub: no redis-server on PATH (Debian: apt-get install redis-server)\n",
  );
  process.exit(EX_UNAVAILABLE);
}
if (Bun.which("taskset") !== null) {
  Bun.spawnSync(["taskset", "-acp", `${LOAD_CORE}`, `${process.pid}`]);
}

const MESSAGE = "m".repeat(VALUE_LENGTH);
const PUBLISH = command("PUBLISH", CHANNEL, MESSAGE);
const FRAME = `*3\r\n${bulk("message")}${bulk(CHANNEL)}${bulk(MESSAGE)}`;
const CONFIRMATION = `*3\r\n${bulk("subscribe")}${bulk(CHANNEL)}:1\r\n`;

const machine = describeMachine();
const method =
  `${rounds} rounds of ${messages} messages of ${VALUE_LENGTH} B to ${subscribers} subscribers, ` +
  `beside ${await describePeer("redis-server")}`;
console.log(`${machine}\n${method}`);
const runs = await measure();
const table = new Table({
  head: ["", "ringcache, µs", "redis, µs", "× redis (range)", "bar"],
  style: { head: [], border: [], compact: true },
});
for (const { pipeline, ours, theirs } of runs) {
  const medians = [ours, theirs].map((micros) => median(micros).toFixed(1));
  table.push([
    `PUBLISH, -P ${pipeline}`,
    ...medians,
    withRange(ratiosOf(ours, theirs)),
    `≤ ${CPU_BAR}`,
  ]);
}
console.log(`CPU time of the server for each message\n${table.toString()}`);
await keepResult("pubsub", { machine, method, runs });

/** Returns the CPU µs for each message, by round, for each length of pipeline. */
async function measure() {
  await using ours = await startOurs(SERVER_CORE);
  await using redis = await startForeign("redis-server", SERVER_CORE);
  const sides = [ours, redis];
  const listeners = await Promise.all(sides.map(subscribeAll));
  const publishers = await Promise.all(sides.map(({ port }) => connect(port)));
  const results = PIPELINES.map((pipeline) => ({
    pipeline,
    ours: [] as number[],
    theirs: [] as number[],
  }));
  // The first round warms up what is compiled as it runs, and is not kept.
  for (let round = -1; round < rounds; round++) {
    for (const { pipeline, ours: own, theirs } of results) {
      for (const [side, server] of sides.entries()) {
        const before = server.cpuSeconds();
        await publish(publishers[side] as Counting, listeners[side] ?? [], pipeline);
        const micros = ((server.cpuSeconds() - before) / messages) * 1e6;
        if (round >= 0) (side === 0 ? own : theirs).push(micros);
      }
    }
  }
  for (const { socket } of [...listeners.flat(), ...publishers]) socket.end();
  return results;
}

/** Publishes all messages of a run, in whole pipelines; resolves once all subscribers have received them. */
async function publish(
  publisher: Counting,
  listeners: readonly Counting[],
  pipeline: number,
): Promise<void> {
  const reply = `:${subscribers}\r\n`;
  const batch = PUBLISH.repeat(pipeline);
  const batches = Math.ceil(messages / pipeline);
  const bytes = FRAME.length * batches * pipeline;
  const whole = listeners.map((listener) => expectBytes(listener, bytes));
  for (let sent = 0; sent < batches; sent++) {
    const replies = expectBytes(publisher, reply.length * pipeline);
    publisher.socket.write(batch);
    await replies;
  }
  await Promise.all(whole);
}

async function subscribeAll({ port }: Peer): Promise<Counting[]> {
  const all = await Promise.all(Array.from({ length: subscribers }, () => connect(port)));
  await Promise.all(
    all.map(async (one) => {
      const confirmed = expectBytes(one, CONFIRMATION.length);
      one.socket.write(command("SUBSCRIBE", CHANNEL));
      await confirmed;
    }),
  );
  return all;
}
