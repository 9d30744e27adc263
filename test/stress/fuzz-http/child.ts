// The service under test as a process of its own: its log, its memory, and its end.

import { startRedis } from "../../lib/redis-server.ts";
import { until } from "../../lib/until.ts";
import { benchServer, type BenchServer } from "../../../bench/lib/server.ts";

const MAIN = new URL("../../../src/main.ts", import.meta.url).pathname;
const MEMORY_MB = 64;
const WORKERS = 1;

/** Resident memory that docs/operations.md says to plan for, in MiB. */
const RSS_BOUND_MB = 1.15 * MEMORY_MB + 80 + 10 * WORKERS;
const UPSTREAM_MB = 12 * (WORKERS + 1);
/** With --upstream: left out; in conflict with a value of another type; no upstream, or no room. */
const UPSTREAM_STATUSES = [409, 501, 503];
/** Near values stay near on a busy machine, so that reads of kept entries respond in their turn. */
const PATIENT = ["--near-max-stale", "60", "--near-ttl", "86400", "--upstream-timeout", "30"];

export interface Child extends AsyncDisposable {
  readonly port: number;
  /** Statuses that any answer may have beside its own. */
  readonly alsoAnswers: ReadonlySet<number>;
  /** Whether responses may take a turn: the runtime then closes a connection that has sent its next request. */
  readonly mayClose: boolean;
  readonly rssBoundMb: number;
  rssMb(): number;
  /** All that it has printed so far. */
  log(): string;
  /** Resolves with its exit code when it has ended. */
  readonly exited: Promise<number>;
  /** Asks it to stop and resolves with its exit code. */
  stop(): Promise<number>;
}

/** Starts the service in front of a redis-server; resolves once it is ready. */
export async function startUpstreamChild(): Promise<Child> {
  const redis = await startRedis();
  const child = await startChild("--upstream", `127.0.0.1:${redis.port}`, ...PATIENT);
  await until("the service is ready", async () => {
    return (await fetch(`http://127.0.0.1:${child.port}/readyz`)).ok;
  });
  return {
    ...child,
    alsoAnswers: new Set(UPSTREAM_STATUSES),
    mayClose: true,
    rssBoundMb: RSS_BOUND_MB + UPSTREAM_MB,
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
    },
  };
}

/** Starts the service on a free port and resolves once it listens. */
export async function startChild(...more: string[]): Promise<Child> {
  const options = ["--workers", `${WORKERS}`, "--memory", `${MEMORY_MB}mb`, ...more];
  const ports = ["--host", "127.0.0.1", "--port", "0", "--resp-port", "0", "--shed-after-ms", "0"];
  const child = Bun.spawn([process.execPath, MAIN, ...ports, ...options], {
    env: { PATH: process.env["PATH"] },
    ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
  let log = "";
  const listens = Promise.withResolvers<string | undefined>();
  const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      log += decoder.decode(chunk, { stream: true });
      const url = /http:\/\/[\d.]+:\d+(?=.*\n)/.exec(log)?.[0];
      if (url !== undefined) listens.resolve(url);
    }
    listens.resolve(undefined);
  };
  const reading = Promise.all([read(child.stdout), read(child.stderr)]);
  const url = await listens.promise;
  if (url === undefined) throw new Error(`the service did not start: ${log}`);
  const server: BenchServer = benchServer(child, url);
  return {
    port: Number(new URL(url).port),
    alsoAnswers: new Set(),
    mayClose: false,
    rssBoundMb: RSS_BOUND_MB,
    rssMb: () => server.rssBytes() / 2 ** 20,
    log: () => log,
    exited: child.exited,
    async stop() {
      child.kill("SIGTERM");
      await reading;
      return await child.exited;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
