// What a service at rest costs: CPU time and wake-ups, without clients and with clients that say
// nothing, beside redis-server and memcached.
//
//   bun run bench idle [--seconds 60]

import { readdirSync, readFileSync } from "node:fs";

import type { Socket } from "bun";

import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { describePeer, startForeign, startOurs } from "./lib/peers.ts";
import { keepResult } from "./lib/results.ts";
import type { BenchServer } from "./lib/server.ts";

const CLIENTS = 100;
/** After a start, for what the runtime compiles and collects. */
const SETTLE_MS = 20_000;

const { seconds } = optionsOrExit("bench idle", {
  seconds: {
    kind: "integer",
    default: 60,
    min: 1,
    max: 3600,
    unit: "seconds",
    help: "how long each row is measured",
  },
} as const);

interface Row {
  readonly server: string;
  readonly clients: number;
  /** As a fraction of one core. */
  readonly cpuPercent: number;
  readonly wakeUpsPerSecond: number;
}

/** Voluntary context switches of each thread so far: each ends a sleep. */
function wakeUpsOf(pid: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8");
    const count = Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
    counts.set(thread, count);
  }
  return counts;
}

/** A thread that ends in between has nothing to count. */
function wakeUpsBetween(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>) {
  let sum = 0;
  for (const [thread, count] of after) sum += count - (before.get(thread) ?? 0);
  return sum;
}

async function measure(server: string, peer: BenchServer, clients: number): Promise<Row> {
  await Bun.sleep(SETTLE_MS);
  const cpu = peer.cpuSeconds();
  const wakeUps = wakeUpsOf(peer.pid);
  await Bun.sleep(seconds * 1000);
  return {
    server,
    clients,
    cpuPercent: ((peer.cpuSeconds() - cpu) / seconds) * 100,
    wakeUpsPerSecond: wakeUpsBetween(wakeUps, wakeUpsOf(peer.pid)) / seconds,
  };
}

/** Clients that have had one answer and stay. */
async function connectTo(port: number, request: string): Promise<Socket[]> {
  return await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const answered = Promise.withResolvers<void>();
      const socket = await Bun.connect({
        ...{ hostname: "127.0.0.1", port },
        socket: { data: () => answered.resolve() },
      });
      socket.write(request);
      await answered.promise;
      return socket;
    }),
  );
}

const rows: Row[] = [];
const show = (row: Row): void => {
  rows.push(row);
  const { server, clients, cpuPercent, wakeUpsPerSecond } = row;
  const name = `${server}, ${clients} clients`.padEnd(40);
  console.log(
    `${name} ${cpuPercent.toFixed(2)} % of a core, ${wakeUpsPerSecond.toFixed(1)} wake-ups a second`,
  );
};

{
  // Idle HTTP clients stay.
  await using ours = await startOurs(undefined, "--workers", "2", "--idle-timeout", "0");
  show(await measure("ringcache, 2 workers", ours, 0));
  const sockets = [
    ...(await connectTo(ours.port, "PING\r\n")),
    ...(await connectTo(Number(new URL(ours.url).port), "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")),
  ];
  show(await measure("ringcache, 2 workers", ours, sockets.length));
}
for (const name of ["redis-server", "memcached"] as const) {
  if (Bun.which(name) === null) {
    console.log(`${name} is not installed: skipped`);
    continue;
  }
  await using peer = await startForeign(name, undefined);
  show(await measure(await describePeer(name), peer, 0));
  await connectTo(peer.port, name === "memcached" ? "version\r\n" : "PING\r\n");
  show(await measure(await describePeer(name), peer, CLIENTS));
}
await keepResult("idle", { machine: describeMachine(), seconds, rows });
process.exit(0);
