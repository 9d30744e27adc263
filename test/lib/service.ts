// The service for tests: in this process on a free port, or as a process of its own.

import { Tokens } from "../../src/security/tokens.ts";
import { Activity } from "../../src/service/activity.ts";
import { allocateBudget, ByteBudget } from "../../src/shared-memory/byte-budget.ts";
import { Cache } from "../../src/cache/cache.ts";
import { cacheOptionsOf, readConfig } from "../../src/config/config.ts";
import { readTokens } from "../../src/security/credentials.ts";
import { ConnectionWatch } from "../../src/http/admission/connection-watch.ts";
import { allocateHttp, HttpMetrics } from "../../src/http/metrics.ts";
import { type HttpServer, serveHttp } from "../../src/http/server.ts";
import { allocateWorkers, WorkerRows } from "../../src/metrics/workers.ts";
import { LoopLag } from "../../src/service/event-loop-lag.ts";
import { allocateRejections, RejectionCounters } from "../../src/security/rejections.ts";
import { allocateResp } from "../../src/resp/memory.ts";
import { serveResp } from "../../src/resp/server.ts";
import { allocateState, type Service, ServiceState } from "../../src/service/service.ts";

export interface Parts {
  readonly service?: Service;
  readonly cache?: Cache;
  readonly failed?: (error: unknown) => void;
}

/** Serves a fresh cache on a free port of the loopback; options as on the command line. */
export function serve(...options: string[]): HttpServer & AsyncDisposable {
  return serveParts({}, ...options);
}

/** The same, with this cache. */
export function serveCache(
  cache: Cache | undefined,
  ...options: string[]
): HttpServer & AsyncDisposable {
  return serveParts(cache ? { cache } : {}, ...options);
}

/** The same, with what is given in place of what is usual. */
export function serveParts(parts: Parts, ...options: string[]): HttpServer & AsyncDisposable {
  const own = [
    ...["--host", "127.0.0.1", "--port", "0", "--resp-port", "0", "--workers", "1"],
    // A slow machine is late all the time.
    ...["--shed-after-ms", "0"],
  ];
  const config = readConfig([...own, ...options], {});
  const throwing = (error: unknown) => {
    throw error;
  };
  const budget = new ByteBudget(allocateBudget(1), 0, config.maxPendingBytes);
  const usual = { ...aService(), tokens: new Tokens(readTokens(config)), budget };
  const { service = usual, failed = throwing } = parts;
  const cache = parts.cache ?? Cache.create(cacheOptionsOf(config));
  const httpMemory = allocateHttp(1, config.maxConnections);
  const metrics = new HttpMetrics(httpMemory, 0);
  const workers = new WorkerRows(allocateWorkers(1));
  const sources = { cache, config, service, workers, protocols: () => [metrics] };
  const server = serveHttp(cache, config, service, metrics, sources, { failed });
  const watch = new ConnectionWatch(config.maxConnections, metrics.port, httpMemory.connections);
  const stop = (graceMs: number) => {
    watch.stop();
    return server.stop(graceMs);
  };
  return { ...server, stop, [Symbol.asyncDispose]: () => stop(0) };
}

/** A service that serves, and saves nothing. */
export function aService(shutDown: Service["shutDown"] = () => {}): Service {
  const state = new ServiceState(allocateState());
  state.phase = "serving";
  const save = async () => ({ isSaved: false, reason: "there is no folder" }) as const;
  const activity = new Activity();
  return {
    ...{ state, save, shutDown, tls: undefined },
    ...{ activity, lag: new LoopLag(activity) },
    startedMs: performance.now(),
    tokens: new Tokens({ authToken: "", readToken: "" }),
    rejections: new RejectionCounters(allocateRejections(1), 0),
    budget: new ByteBudget(allocateBudget(1), 0, 2 ** 25),
  };
}

export interface RedisService extends AsyncDisposable {
  readonly port: number;
  /** The cache that it serves. */
  readonly cache: Cache;
  /** What it has told the process, in order. */
  readonly told: readonly string[];
}

/** Serves a fresh cache, or this one, by the Redis protocol on a free port of the loopback. */
export function serveRedis(
  options: readonly string[] = [],
  given?: Cache,
  changes: Partial<Service> = {},
): RedisService {
  const config = readConfig(["--host", "127.0.0.1", "--workers", "1", ...options], {});
  const cache = given ?? Cache.create(cacheOptionsOf(config));
  const told: string[] = [];
  const usual = aService((saves) => told.push(saves ? "shutdown" : "shutdown nosave"));
  const budget = new ByteBudget(allocateBudget(1), 0, config.maxPendingBytes);
  const service = { ...usual, tokens: new Tokens(readTokens(config)), budget, ...changes };
  const opened = { ...config, respPort: 0 };
  const server = serveResp(cache, opened, allocateResp(config, 1), 0, service, {
    httpRejected: () => told.push("http refused"),
    overLimit: (_address, option) => told.push(`over ${option}`),
    slow: () => told.push("slow"),
    failed: (error) => told.push(`failed: ${String(error)}`),
  });
  return { port: server.port, cache, told, [Symbol.asyncDispose]: () => server.stop(0) };
}

/**
 * A port that was free a moment ago, for a service that must be told one. It is none of those that
 * the system gives to connections and to listeners on port 0, which run at the same time.
 */
export function freePort(): number {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    try {
      Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
      return port;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    }
  }
}

export interface Exit {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ServiceProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  /** What it has printed so far. */
  stdout(): Promise<string>;
  /** Resolves when the process has ended. */
  readonly exit: Promise<Exit>;
}

type Env = Readonly<Record<string, string>>;

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;

/** Runs the service to its end: for starts that fail, and for --help. */
export async function runToEnd(options: readonly string[], env: Env = {}): Promise<Exit> {
  const child = spawn(options, env);
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, stdout, stderr };
}

/**
 * Starts the service on a free port and resolves once it has said that it listens. `wrapper`: a
 * command that runs another one.
 */
export async function startService(
  options: readonly string[] = [],
  env: Env = {},
  wrapper: readonly string[] = [],
): Promise<ServiceProcess> {
  const own = [
    ...["--host", "127.0.0.1", "--port", "0", "--resp-port", "0", "--shed-after-ms", "0"],
    // A second worker doubles the cost of a start: the tests that are about several ask for them.
    ...["--workers", "1"],
  ];
  const child = spawn([...own, ...options], env, wrapper);
  const decoder = new TextDecoder();
  const stderr = new Response(child.stderr).text();
  let stdout = "";
  const listens = Promise.withResolvers<string | undefined>();
  const reading = (async () => {
    for await (const chunk of child.stdout) {
      stdout += decoder.decode(chunk, { stream: true });
      const url = /https?:\/\/[\d.]+:\d+(?=.*\n)/.exec(stdout)?.[0];
      if (url !== undefined) listens.resolve(url);
    }
    listens.resolve(undefined);
  })();
  const url = await listens.promise;
  if (url === undefined) throw new Error(`the service did not start: ${stdout}${await stderr}`);
  const exit = (async () => {
    const code = await child.exited;
    await reading;
    return { code, stdout, stderr: await stderr };
  })();
  return {
    url,
    pid: child.pid,
    kill: (signal) => child.kill(signal),
    stdout: async () => {
      // What has been read of the pipe by the next turn.
      await Bun.sleep(1);
      return stdout;
    },
    exit,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exit;
    },
  };
}

function spawn(options: readonly string[], env: Env, wrapper: readonly string[] = []) {
  return Bun.spawn([...wrapper, process.execPath, MAIN, ...options], {
    env: { PATH: process.env["PATH"], ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}
