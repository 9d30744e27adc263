// A worker thread: attaches to the memory it is handed and serves until it is
// told to stop. supervisor.ts starts it; the messages between the two are here.

import { parentPort, workerData } from "node:worker_threads";
import { edenGC } from "bun:jsc";

import { Tokens } from "../security/tokens.ts";
import { Activity } from "../service/activity.ts";
import { ByteBudget } from "../shared-memory/byte-budget.ts";
import { Cache, type CacheMemory, type CacheOptions } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import type { Credentials } from "../security/credentials.ts";
import { HttpMetrics, type HttpMemory } from "../http/metrics.ts";
import { type HttpEvents, type HttpServer, serveHttp } from "../http/server.ts";
import { LogLines } from "../service/log-lines.ts";
import { describeError, Logger } from "../service/logger.ts";
import { LoopLag } from "../service/event-loop-lag.ts";
import { HotKeys } from "../metrics/hot-keys.ts";
import type { ProtocolStats } from "../metrics/protocol.ts";
import { startHeartbeat } from "../metrics/heartbeat.ts";
import { WorkerRows } from "../metrics/workers.ts";
import { RejectionCounters } from "../security/rejections.ts";
import { type RespMemory } from "../resp/memory.ts";
import { type RespServer, serveResp } from "../resp/server.ts";
import { type SaveOutcome, type Service, ServiceState } from "../service/service.ts";
import { EVICTION_BEGAN, startMaintenance } from "./maintenance.ts";

/** What a worker is handed at its start. */
export interface WorkerStart {
  /** With the ports to open. */
  readonly config: Config;
  readonly cacheOptions: CacheOptions;
  readonly memory: CacheMemory;
  readonly httpMemory: HttpMemory;
  readonly respMemory: RespMemory;
  readonly workerMemory: SharedArrayBuffer;
  readonly stateMemory: SharedArrayBuffer;
  readonly rejectionMemory: SharedArrayBuffer;
  readonly budgetMemory: SharedArrayBuffer;
  readonly logMemory: SharedArrayBuffer;
  readonly credentials: Credentials;
  /** Its number among the threads, from 0. */
  readonly thread: number;
  /** How long the service had run. */
  readonly serviceAgeMs: number;
}

/**
 * What a worker says: that it listens, that it serves, that it goes by new credentials, that it could
 * not open a port, what to log, that a client wants a snapshot or wants the service to stop, that it
 * has stopped.
 */
export type FromWorker =
  | { readonly kind: "listening"; readonly url: string }
  | { readonly kind: "serving" }
  | { readonly kind: "renewed" }
  | { readonly kind: "refused"; readonly code: string; readonly port: number }
  | { readonly kind: "log"; readonly line: string }
  | { readonly kind: "save"; readonly id: number }
  | { readonly kind: "shutdown"; readonly saves: boolean }
  | { readonly kind: "stopped" };

/**
 * What a worker is told: that the cache is loaded, to go by other credentials, what became of the snapshot it
 * asked for, to stop.
 */
export type ToWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "renew"; readonly credentials: Credentials }
  | { readonly kind: "saved"; readonly id: number; readonly outcome: SaveOutcome }
  | { readonly kind: "stop"; readonly graceMs: number };

/**
 * The collector counts the shared memory as if it were garbage to be, and lets real garbage grow
 * to match. Measured under a load of puts with 46 GiB reserved: 90 to 200 MB resident, with a
 * collection of what is young ten times a second (0.3 ms each) 60 to 67 MB; CPU a request alike.
 */
const COLLECT_EVERY_MS = 100;

/** Bytes of a key that the hot keys tell it by. */
const LONGEST_HOT_KEY = 1024;

const start = workerData as WorkerStart;
const { config } = start;
// The supervisor's thread writes: lines stay whole, and none is lost when this one ends.
const lines = new LogLines(start.logMemory);
const logger = new Logger(config.logFormat, config.logLevel, (line) => {
  if (lines.maySend(start.thread, line)) say({ kind: "log", line });
});
const cache = new Cache(start.cacheOptions, start.memory, start.thread);
const activity = new Activity();
// Entries in Maps are this thread's alone; those in shared memory are swept by the supervisor.
if (config.store === "map") startMaintenance(cache, () => logger.info(EVICTION_BEGAN));
else {
  activity.every(COLLECT_EVERY_MS, () => {
    edenGC();
    return false;
  });
}
/** Snapshots that clients wait for, by the numbers that they were asked for with. */
const saves = new Map<number, (outcome: SaveOutcome) => void>();
let lastSave = 0;
const tokens = new Tokens(start.credentials.tokens);
const service: Service = {
  state: new ServiceState(start.stateMemory),
  tokens,
  rejections: new RejectionCounters(start.rejectionMemory, start.thread),
  budget: new ByteBudget(start.budgetMemory, start.thread, config.maxPendingBytes),
  ...{ activity, lag: new LoopLag(activity) },
  tls: start.credentials.tls,
  startedMs: performance.now() - start.serviceAgeMs,
  save() {
    const { promise, resolve } = Promise.withResolvers<SaveOutcome>();
    saves.set(++lastSave, resolve);
    say({ kind: "save", id: lastSave });
    return promise;
  },
  shutDown: (willSave) => say({ kind: "shutdown", saves: willSave }),
};
// Now, and not at the first request, which would wait for it.
void cache.ring;
serve();

function serve(): void {
  const events: HttpEvents = {
    answered(method, path, status, ms) {
      const isSlow = config.slowMs > 0 && ms >= config.slowMs;
      const fields = { method, path, status, ms: Number(ms.toFixed(3)) };
      if (isSlow) logger.warn("slow", { protocol: "http", ...fields });
      else logger.info("request", fields);
    },
    failed: (error) => logger.error("failed", { error: describeError(error) }),
  };
  const httpMetrics = new HttpMetrics(start.httpMemory, start.thread);
  const protocols: ProtocolStats[] = [httpMetrics];
  const workers = new WorkerRows(start.workerMemory);
  const sources = { cache, config, service, workers, protocols: () => protocols };
  let { port } = config;
  try {
    const http = serveHttp(cache, config, service, httpMetrics, sources, events);
    port = config.respPort;
    const resp = port === 0 ? undefined : startResp();
    if (resp !== undefined) protocols.push(resp.stats);
    const hotKeys = new HotKeys();
    cache.sampled = ({ bytes, start: from, end }) => {
      hotKeys.record(bytes.toString("latin1", from, Math.min(end, from + LONGEST_HOT_KEY)));
    };
    const answered = () => httpMetrics.answered + (resp?.answered() ?? 0);
    startHeartbeat(workers, start.thread, hotKeys, answered, service);
    parentPort?.on("message", async (message: ToWorker) => {
      switch (message.kind) {
        case "ready":
          http.ready();
          say({ kind: "serving" });
          break;
        case "renew":
          renew(message.credentials, http, resp);
          break;
        case "saved":
          saves.get(message.id)?.(message.outcome);
          saves.delete(message.id);
          break;
        case "stop":
          await Promise.all([http.stop(message.graceMs), resp?.stop(message.graceMs)]);
          say({ kind: "stopped" });
      }
    });
    // The cache may have been loaded while this thread started.
    if (service.state.phase !== "loading") http.ready();
    say({ kind: "listening", url: http.url });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    say({ kind: "refused", code, port });
  }
}

/** What cannot be renewed ends the worker, and the next one starts with the new credentials. */
function renew(credentials: Credentials, http: HttpServer, resp: RespServer | undefined): void {
  tokens.replace(credentials.tokens);
  http.renew(credentials.tls);
  if (credentials.tls !== undefined) resp?.renew(credentials.tls);
  say({ kind: "renewed" });
}

function startResp(): RespServer {
  const events = {
    httpRejected: (address: string) => {
      logger.warn("http refused", { address, reason: "this is the Redis port" });
    },
    overLimit: (address: string, option: string) =>
      logger.warn("closed", { address, over: option }),
    connected: logger.has("debug")
      ? (event: string, address: string) => logger.debug(event, { address })
      : undefined,
    slow(address: string, command: string, commands: number, ms: number) {
      const fields = { address, command, commands, ms: Number(ms.toFixed(3)) };
      logger.warn("slow", { protocol: "redis", ...fields });
    },
    failed: (error: unknown) => logger.error("failed", { error: describeError(error) }),
  };
  return serveResp(cache, config, start.respMemory, start.thread, service, events);
}

function say(message: FromWorker): void {
  parentPort?.postMessage(message);
}
