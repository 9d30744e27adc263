// How long a client waits while another one does what takes long. Clients of both ports get a small
// value, on connections of both workers, while a process puts one load after the other on the service.
//
//   bun run bench fairness [--rounds 3] [--seconds 1] [--only KEYS,SCAN]

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { constants, setPriority } from "node:os";

import Table from "cli-table3";
import { max, median, quantile, sum } from "simple-statistics";

import { LARGE_LOAD_NAMES, LOAD_NAMES } from "./lib/fairness-load.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { startOurs } from "./lib/peers.ts";
import { keepResult } from "./lib/results.ts";

/** Connections of each port; the kernel spreads them over both workers. */
const CONNECTIONS = 8;
/** Milliseconds between two requests of a connection; the next one waits for the response. */
const ASK_EVERY_MS = 20;
const WARM_UP_MS = 1000;
const SCRIPT = new URL("lib/fairness-load.ts", import.meta.url).pathname;
const IDLE = LOAD_NAMES[0];

const { rounds, seconds, only } = optionsOrExit("bench fairness", {
  rounds: { kind: "integer", default: 3, min: 1, max: 100, help: "runs of each load" },
  seconds: {
    kind: "number",
    default: 1,
    min: 0.5,
    max: 600,
    help: "length of a run, at least one load",
  },
  only: {
    kind: "text",
    placeholder: "part of a name",
    default: "",
    help: "only loads whose names have this in them",
  },
} as const);

const PORTS = {
  http: { ask: "GET /get?key=probe HTTP/1.1\r\nhost: localhost\r\n\r\n", end: '"v"}' },
  redis: { ask: "*2\r\n$3\r\nGET\r\n$5\r\nprobe\r\n", end: "$1\r\nv\r\n" },
};
type Protocol = keyof typeof PORTS;

interface Figures {
  readonly worstMs: number;
  readonly p99Ms: number;
  /** The most CPU time that a thread of the service used while one client waited. */
  readonly worstCpuMs: number;
  readonly answers: number;
  /** Answers that are not the value. */
  readonly refused: number;
}

interface Row {
  readonly load: string;
  readonly runs: number;
  readonly http: Figures;
  readonly redis: Figures;
}

/** The prober is not to wait for a core while its answer is there. Processes that it starts would inherit this. */
function prioritize(priority: number): void {
  try {
    setPriority(priority);
  } catch (error) {
    if (rows.length === 0)
      console.log(`waits count those of the prober for a core: ${String(error)}`);
  }
}

/** CPU time of each thread so far, in ms. */
function cpuOf(pid: number, threads: readonly string[]): number[] {
  return threads.map((thread) => {
    const file = `/proc/${pid}/task/${thread}/schedstat`;
    // The runtime ends threads of its own.
    return existsSync(file) ? Number(readFileSync(file, "utf8").split(" ")[0]) / 1e6 : 0;
  });
}

/** A connection that asks for the value again and again. */
class Prober {
  waits: number[] = [];
  cpu: number[] = [];
  refused = 0;
  #isStopped = false;
  #next = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #sentMs = 0;
  #cpu: number[] = [];
  readonly #readCpu: () => number[];

  constructor(readCpu: () => number[]) {
    this.#readCpu = readCpu;
  }

  async start(port: number, { ask, end }: (typeof PORTS)[Protocol]): Promise<void> {
    await Bun.connect({
      ...{ hostname: "127.0.0.1", port },
      socket: {
        open: (socket) => {
          this.#cpu = this.#readCpu();
          this.#sentMs = performance.now();
          socket.write(ask);
        },
        data: (socket, chunk) => {
          this.waits.push(performance.now() - this.#sentMs);
          const cpu = this.#readCpu();
          this.cpu.push(max(cpu.map((ms, n) => ms - (this.#cpu[n] ?? 0))));
          if (!chunk.toString().endsWith(end)) this.refused++;
          this.#next.resolve();
          this.#next = Promise.withResolvers();
          if (this.#isStopped) {
            this.#ended.resolve();
            socket.end();
            return;
          }
          setTimeout(() => {
            this.#cpu = this.#readCpu();
            this.#sentMs = performance.now();
            socket.write(ask);
          }, ASK_EVERY_MS);
        },
        close: () => this.#ended.reject(new Error("the service has closed a connection")),
      },
    });
  }

  /** What comes after the compiler's first work counts. */
  forget(): void {
    this.waits = [];
    this.cpu = [];
    this.refused = 0;
  }

  /** Resolves with the next answer. */
  next(): Promise<void> {
    return this.#next.promise;
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    return this.#ended.promise;
  }
}

function statsOf(probers: readonly Prober[]): Figures {
  const waits = probers.flatMap(({ waits }) => waits);
  return {
    worstMs: max(waits),
    p99Ms: quantile(waits, 0.99),
    worstCpuMs: max(probers.flatMap(({ cpu }) => cpu)),
    answers: waits.length,
    refused: probers.reduce((sum, { refused }) => sum + refused, 0),
  };
}

async function measure(load: string, ...options: readonly string[]): Promise<Row> {
  await using service = await startOurs(undefined, "--workers", "2", ...options);
  const httpPort = new URL(service.url).port;
  await fetch(`${service.url}/put`, { method: "POST", body: '{"key":"probe","value":"v"}' });
  await using child = Bun.spawn(
    [process.execPath, SCRIPT, load, httpPort, `${service.port}`, `${seconds}`],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  );
  const output = child.stdout.getReader();
  await output.read();
  // Loading may have evicted or deleted it.
  await fetch(`${service.url}/put`, { method: "POST", body: '{"key":"probe","value":"v"}' });
  const threads = readdirSync(`/proc/${service.pid}/task`);
  const probersOf = async (protocol: Protocol, port: number) => {
    const probers = Array.from(
      { length: CONNECTIONS },
      () => new Prober(() => cpuOf(service.pid, threads)),
    );
    for (const prober of probers) await prober.start(port, PORTS[protocol]);
    return probers;
  };
  const http = await probersOf("http", Number(httpPort));
  const redis = await probersOf("redis", service.port);
  prioritize(constants.priority.PRIORITY_HIGH);
  await Bun.sleep(WARM_UP_MS);
  const runs: Omit<Row, "load">[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const prober of [...http, ...redis]) prober.forget();
    child.stdin.write("\n");
    await child.stdin.flush();
    const { value } = await output.read();
    if (value === undefined) throw new Error(`the load has failed: ${load}`);
    // A wait that is not over yet is one of this run.
    await Promise.all([...http, ...redis].map((prober) => prober.next()));
    runs.push({
      runs: Number(Buffer.from(value).toString()),
      http: statsOf(http),
      redis: statsOf(redis),
    });
  }
  await Promise.all([...http, ...redis].map((prober) => prober.stop()));
  prioritize(constants.priority.PRIORITY_NORMAL);
  return {
    load,
    runs: sum(runs.map((run) => run.runs)),
    http: mediansOf(runs.map((run) => run.http)),
    redis: mediansOf(runs.map((run) => run.redis)),
  };
}

/** The medians of the runs: other programs stop one of them now and then. */
function mediansOf(runs: readonly Figures[]): Figures {
  const of = (name: keyof Figures) => runs.map((run) => run[name]);
  return {
    worstMs: median(of("worstMs")),
    p99Ms: median(of("p99Ms")),
    worstCpuMs: median(of("worstCpuMs")),
    answers: sum(of("answers")),
    refused: sum(of("refused")),
  };
}

const rows: Row[] = [];
const isWanted = (load: string) =>
  load === IDLE || only.split(",").some((part) => load.includes(part));
for (const load of LOAD_NAMES.filter(isWanted)) await show(load, "--max-connections", "10000");
for (const load of LARGE_LOAD_NAMES.filter(isWanted))
  await show(load, "--max-value-bytes", "32mb", "--memory", "1gb");

async function show(load: string, ...options: string[]): Promise<void> {
  const row = await measure(load, ...options);
  rows.push(row);
  const { http, redis, runs } = row;
  console.log(
    `${load} (${runs}): ` +
      [http, redis]
        .map((f) => `${f.worstMs.toFixed(0)} ms, CPU ${f.worstCpuMs.toFixed(0)}`)
        .join("; "),
  );
}

const idle = rows[0];
const table = new Table({
  head: [
    "load",
    "HTTP: beyond idle, ms",
    "CPU, ms",
    "Redis: beyond idle, ms",
    "CPU, ms",
    "refused",
  ],
  colAligns: ["left", "right", "right", "right", "right", "right"],
  style: { head: [], border: [], compact: true },
});
for (const { load, http, redis } of rows) {
  table.push([
    load,
    (http.worstMs - (idle?.http.worstMs ?? 0)).toFixed(0),
    http.worstCpuMs.toFixed(0),
    (redis.worstMs - (idle?.redis.worstMs ?? 0)).toFixed(0),
    redis.worstCpuMs.toFixed(0),
    `${http.refused + redis.refused}`,
  ]);
}
const machine = describeMachine();
const method =
  `2 workers, ${CONNECTIONS} connections a port that each ask every ${ASK_EVERY_MS} ms, ${rounds} runs of ${seconds} s; medians of the ` +
  "worst wait less that of the idle machine, and most CPU time of one thread of the service in one wait";
console.log(`${machine}\n${method}\n${table.toString()}`);
await keepResult("fairness", { machine, method, rows });
process.exit(0);
