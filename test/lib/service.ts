// The service for tests: in this process on a free port, or as a process of its own.

import { Cache, fitOptions } from "../../src/cache/cache.ts";
import { cacheOptionsOf, type Config, readConfig } from "../../src/config/config.ts";
import { errorCode } from "../../src/linux/error-code.ts";
import { readTokens } from "../../src/security/credentials.ts";
import { ConnectionWatch } from "../../src/http/admission/connection-watch.ts";
import { type HttpServer, serveHttp } from "../../src/http/server.ts";
import { allocateSharedState, type SharedState } from "../../src/process/shared-state.ts";
import { attach, type ThreadContext } from "../../src/process/thread-context.ts";
import { createResp, serveResp } from "../../src/resp/server.ts";
import { Tokens } from "../../src/security/tokens.ts";
import type { Service } from "../../src/service/service.ts";
import { Waiters } from "../../src/caching/waiters.ts";

export interface Parts {
  readonly service?: Service;
  readonly cache?: Cache;
  readonly failed?: (error: unknown) => void;
}

/** Serves a fresh cache on a free port of the loopback; options as on the command line. */
export function serve(...options: string[]): HttpServer & AsyncDisposable {
  return serveParts({}, ...options);
}

/** Like `serve`, with this cache. */
export function serveCache(
  cache: Cache | undefined,
  ...options: string[]
): HttpServer & AsyncDisposable {
  return serveParts(cache ? { cache } : {}, ...options);
}

/** Like `serve`, with the given parts in place of the default ones. */
export function serveParts(parts: Parts, ...options: string[]): HttpServer & AsyncDisposable {
  const own = [
    ...["--host", "127.0.0.1", "--port", "0", "--resp-port", "0", "--workers", "1"],
    // The event loop of a slow machine always lags.
    ...["--shed-after-ms", "0"],
  ];
  const config = readConfig([...own, ...options], {});
  const rethrow = (error: unknown) => {
    throw error;
  };
  const state = allocateFor(config);
  const context = attachAlone(config, state);
  const { httpMetrics: metrics, workers, history } = context;
  const { service = context.service, cache = context.cache, failed = rethrow } = parts;
  const sources = { cache, config, service, workers, history, protocols: () => [metrics] };
  const waiters = new Waiters(cache, config.maxWaiters);
  const commands = createResp(
    { cache, config, memory: context.respMemory, thread: 0, service, waiters },
    { httpRejected: () => {}, overLimit: () => {}, slow: () => {}, scriptLog: () => {}, failed },
  );
  const http = {
    ...{ cache, config, service, waiters, metrics, metricsContext: sources },
    redis: commands.rest,
  };
  const server = serveHttp(http, { failed });
  const watch = ConnectionWatch.start(config.maxConnections, metrics.port, state.http.connections);
  const stop = (graceMs: number) => {
    watch.stop();
    return server.stop(graceMs);
  };
  return { ...server, stop, [Symbol.asyncDispose]: () => stop(0) };
}

/** Returns a service in phase "serving", whose snapshots fail. */
export function createService(): Service {
  const config = readConfig(["--store", "map"], {});
  return attachAlone(config, allocateFor(config)).service;
}

function allocateFor(config: Config): SharedState {
  return allocateSharedState(config, fitOptions(cacheOptionsOf(config)));
}

/** Attaches this thread as the only worker of a service in phase "serving", whose snapshots fail. */
function attachAlone(
  config: Config,
  state: SharedState,
  shutDown: Service["shutDown"] = () => {},
): ThreadContext {
  const context = attach(state, config, 0, {
    tokens: new Tokens(readTokens(config)),
    tls: undefined,
    startedMs: performance.now(),
    save: async () => ({ isSaved: false, reason: "there is no folder" }),
    shutDown,
  });
  context.service.state.phase = "serving";
  return context;
}

export interface RedisService extends AsyncDisposable {
  readonly port: number;
  /** The served cache. */
  readonly cache: Cache;
  /** The events that it has reported to the process, in order. */
  readonly events: readonly string[];
}

/** Serves a fresh cache, or `existing`, over the Redis protocol on a free port of the loopback. */
export function serveRedis(
  options: readonly string[] = [],
  existing?: Cache,
  changes: Partial<Service> = {},
): RedisService {
  const config = readConfig(["--host", "127.0.0.1", "--workers", "1", ...options], {});
  const events: string[] = [];
  const context = attachAlone(config, allocateFor(config), (saves) => {
    events.push(saves ? "shutdown" : "shutdown nosave");
  });
  const cache = existing ?? context.cache;
  const service = { ...context.service, ...changes };
  const opened = { ...config, respPort: 0 };
  const waiters = new Waiters(cache, config.maxWaiters);
  const served = { cache, config: opened, memory: context.respMemory, thread: 0, service, waiters };
  const server = serveResp(served, {
    httpRejected: () => events.push("http refused"),
    scriptLog: (level, text) => events.push(`script ${level} ${text}`),
    overLimit: (_address, option) => events.push(`over ${option}`),
    slow: () => events.push("slow"),
    failed: (error) => events.push(`failed: ${String(error)}`),
  });
  return { port: server.port, cache, events, [Symbol.asyncDispose]: () => server.stop(0) };
}

/**
 * Returns a port that was free a moment ago, for a service that needs its number. The port is outside of
 * the range that the system gives to connections and to listeners on port 0.
 */
export function freePort(): number {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    try {
      Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
      return port;
    } catch (error) {
      if (errorCode(error) !== "EADDRINUSE") throw error;
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
  /** Returns the output so far. */
  stdout(): Promise<string>;
  /** Resolves when the process has ended. */
  readonly exit: Promise<Exit>;
}

type Env = Readonly<Record<string, string>>;
type Variables = Readonly<Record<string, string | undefined>>;

const PROGRAM = [process.execPath, new URL("../../src/main.ts", import.meta.url).pathname];

/** Runs the service until it ends: for starts that fail, and for --help. */
export async function runToEnd(options: readonly string[], env: Env = {}): Promise<Exit> {
  return await endOf([...PROGRAM, ...options], { PATH: process.env["PATH"], ...env });
}

/** Runs a command to its end, with these variables only. */
export async function endOf(
  command: readonly string[],
  env: Variables = {},
  cwd?: string,
): Promise<Exit> {
  const child = spawn(command, env, cwd);
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, stdout, stderr };
}

/**
 * Starts the service on a free port; resolves once it has logged `listening`. `wrapper` is a command
 * that runs another command.
 */
export async function startService(
  options: readonly string[] = [],
  env: Env = {},
  wrapper: readonly string[] = [],
): Promise<ServiceProcess> {
  const own = [
    ...["--host", "127.0.0.1", "--port", "0", "--resp-port", "0", "--shed-after-ms", "0"],
    // A second worker doubles the cost of a start: tests of several workers request them.
    ...["--workers", "1"],
  ];
  const command = [...wrapper, ...PROGRAM, ...own, ...options];
  return await started(command, { PATH: process.env["PATH"], ...env });
}

/** Like `startService`, for another form of the program: it runs in `cwd` with these variables only. */
export async function startProgram(
  program: string,
  options: readonly string[],
  env: Variables,
  cwd: string,
): Promise<ServiceProcess> {
  const own = ["--host", "127.0.0.1", "--port", "0", "--shed-after-ms", "0", "--memory", "64mb"];
  return await started([program, ...own, ...options], env, cwd);
}

async function started(
  command: readonly string[],
  env: Variables,
  cwd?: string,
): Promise<ServiceProcess> {
  const child = spawn(command, env, cwd);
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
      // One turn of the event loop reads the bytes that are in the pipe.
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

function spawn(command: readonly string[], env: Variables, cwd?: string) {
  return Bun.spawn([...command], {
    env,
    ...(cwd === undefined ? {} : { cwd }),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}
