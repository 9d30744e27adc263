// What clients cost that send a byte a second: the latency of others without and with 2,000 of them, in
// turn, on either port. Run by `bun run bench slow-clients`. The server is on one core; those who
// load it are on the other.

import Table from "cli-table3";
import { build, type Histogram } from "hdr-histogram-js";

import { LOAD_CORE } from "./lib/loads.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { ratiosOf, wholeMedian, withRange } from "./lib/ratio.ts";
import { keepResult } from "./lib/results.ts";
import { pinned, startService } from "./lib/server.ts";

const SERVER_CORE = 0;
/** Connections of those who are measured; each asks again when it has its answer. */
const CONNECTIONS = 8;
const RESP_PORT = 7178;
const SCRIPT = new URL("lib/slow-clients-run.ts", import.meta.url).pathname;

const { rounds, seconds, clients } = optionsOrExit("bench slow-clients", {
  rounds: { kind: "integer", default: 5, min: 1, max: 100, help: "pairs of runs on each port" },
  seconds: { kind: "number", default: 4, min: 0.5, max: 600, help: "length of a run" },
  clients: { kind: "integer", default: 2000, min: 1, max: 20_000, help: "slow clients" },
} as const);

const PORTS = {
  http: { port: 0, ask: "GET /get?key=k HTTP/1.1\r\nhost: localhost\r\n\r\n", end: '"v"}' },
  resp: { port: RESP_PORT, ask: "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", end: "$1\r\nv\r\n" },
};
type Protocol = keyof typeof PORTS;

await using service = await startService(
  SERVER_CORE,
  ...["--workers", "1", "--resp-port", `${RESP_PORT}`],
);
PORTS.http.port = Number(new URL(service.url).port);
await fetch(`${service.url}/put`, { method: "POST", body: '{"key":"k","value":"v"}' });

interface Run {
  readonly p50: number;
  readonly p99: number;
  readonly requests: number;
}
const runs: Record<Protocol, { without: Run[]; with: Run[] }> = {
  http: { without: [], with: [] },
  resp: { without: [], with: [] },
};
for (let round = -1; round < rounds; round++) {
  for (const protocol of ["http", "resp"] as const) {
    const without = await measure(protocol);
    const slow = Bun.spawn(
      pinned(LOAD_CORE, [
        process.execPath,
        SCRIPT,
        `${PORTS[protocol].port}`,
        `${clients}`,
        protocol,
      ]),
      { stdout: "pipe", stderr: "inherit" },
    );
    await slow.stdout.getReader().read();
    const beside = await measure(protocol);
    slow.kill();
    await slow.exited;
    // The first round is for the compiler.
    if (round < 0) continue;
    runs[protocol].without.push(without);
    runs[protocol].with.push(beside);
  }
}

const machine = describeMachine();
const method =
  `${rounds} rounds of ${seconds} s, ${CONNECTIONS} connections beside ${clients} that send a byte a second, ` +
  `server on core ${SERVER_CORE}; µs, medians (range)`;
const table = new Table({
  head: ["port", "p99 without", "p99 with", "×", "p50 ×"],
  colAligns: ["left", "right", "right", "right", "right"],
  style: { head: [], border: [], compact: true },
});
for (const [protocol, { without, with: beside }] of Object.entries(runs)) {
  const of = (name: "p50" | "p99", from: readonly Run[]) => from.map((run) => run[name]);
  table.push([
    protocol,
    wholeMedian(of("p99", without)),
    wholeMedian(of("p99", beside)),
    withRange(ratiosOf(of("p99", beside), of("p99", without))),
    withRange(ratiosOf(of("p50", beside), of("p50", without))),
  ]);
}
console.log(`${machine}\n${method}\n${table.toString()}`);
await keepResult("slow-clients", { machine, method, clients, runs });

/** Throws if an answer is not the value. */
async function measure(protocol: Protocol): Promise<Run> {
  const micros = build({ highestTrackableValue: 60_000_000 });
  const endMs = performance.now() + seconds * 1000;
  await Promise.all(Array.from({ length: CONNECTIONS }, () => askUntil(protocol, endMs, micros)));
  return {
    p50: micros.getValueAtPercentile(50),
    p99: micros.getValueAtPercentile(99),
    requests: micros.totalCount,
  };
}

async function askUntil(protocol: Protocol, endMs: number, micros: Histogram): Promise<void> {
  const { port, ask, end } = PORTS[protocol];
  const done = Promise.withResolvers<void>();
  let sentMs = performance.now();
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (socket) => void socket.write(ask),
      data(socket, chunk) {
        const nowMs = performance.now();
        if (!chunk.toString().endsWith(end)) done.reject(new Error(`answer: ${chunk.toString()}`));
        micros.recordValue(Math.max(1, Math.round((nowMs - sentMs) * 1000)));
        sentMs = nowMs;
        if (nowMs < endMs) socket.write(ask);
        else {
          done.resolve();
          socket.end();
        }
      },
      close: () => done.reject(new Error("the service has closed a connection")),
    },
  });
  await done.promise;
}
