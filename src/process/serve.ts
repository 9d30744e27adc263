// One worker: attaches to the shared state and serves both ports until the supervisor stops it.

import { edenGC } from "bun:jsc";

import { clientKey, databaseOf, INTERNAL } from "../cache/databases.ts";
import type { Credentials } from "../security/credentials.ts";
import { type HttpEvents, type HttpServer, serveHttp } from "../http/server.ts";
import { errorCode } from "../linux/error-code.ts";
import { HotKeys } from "../metrics/hot-keys.ts";
import { startHeartbeat } from "../metrics/heartbeat.ts";
import type { ProtocolStats } from "../metrics/protocol.ts";
import type { RespEvents } from "../resp/events.ts";
import { createResp, type RespServer } from "../resp/server.ts";
import { Tokens } from "../security/tokens.ts";
import { LogLines } from "../service/log-lines.ts";
import { describeError, Logger } from "../service/logger.ts";
import type { SaveOutcome } from "../service/service.ts";
import type { UpstreamMemory } from "../upstream/memory.ts";
import { EVICTION_BEGAN, startMaintenance } from "./maintenance.ts";
import type { SupervisorPort, ToWorker, WorkerStart } from "./messages.ts";
import { attach, type ThreadContext } from "./thread-context.ts";
import type { UpstreamNode } from "./upstream-node.ts";

/**
 * The collector counts the shared memory as garbage to come, and lets real garbage grow
 * to match. Measured under a load of puts with 46 GiB reserved: 90 to 200 MB resident, with a
 * collection of the young generation ten times a second (0.3 ms each) 60 to 67 MB; CPU a request alike.
 */
const COLLECT_EVERY_MS = 100;

/** Keys in the hot-key sample are cut to this many bytes. */
const HOT_KEY_BYTES_MAX = 1024;

/** Levels of this log for those of redis.log. */
const SCRIPT_LOG_LEVELS = ["debug", "debug", "info", "warn"] as const;
/** A longer text of redis.log is cut. */
const SCRIPT_LOG_LENGTH_MAX = 1024;

const NO_SECRETS = { password: "", ca: "" };

/**
 * Opens both ports of a worker and posts `listening`, or `refused` if a port cannot be opened. Without
 * --upstream, all of it runs before the function returns.
 */
export async function serve(start: WorkerStart, supervisor: SupervisorPort): Promise<void> {
  const { config } = start;
  const lines = new LogLines(start.state.logLines);
  // The supervisor's thread writes: lines stay whole, and none is lost when this thread ends.
  const logger = new Logger(config.logFormat, config.logLevel, (line) => {
    if (lines.trySend(start.thread, line)) supervisor.postMessage({ kind: "log", line });
  });
  const saves = new PendingSaves(supervisor);
  const tokens = new Tokens(start.credentials.tokens);
  const context = attach(start.state, config, start.thread, {
    tokens,
    tls: start.credentials.tls,
    startedMs: performance.now() - start.serviceAgeMs,
    save: () => saves.request(),
    shutDown: (willSave) => supervisor.postMessage({ kind: "shutdown", saves: willSave }),
  });
  startBackgroundWork(context, logger);
  const { upstream: memory } = start.state;
  const upstream = memory && (await attachUpstream(context, memory, start.credentials));
  // Built here: the first request would wait 40 to 50 ms for it.
  context.cache.warmUp();
  const opened = openPorts(context, logger, upstream);
  if ("code" in opened) {
    supervisor.postMessage({ kind: "refused", ...opened });
    return;
  }
  const { http, resp } = opened;
  supervisor.on("message", async (message: ToWorker) => {
    switch (message.kind) {
      case "ready":
        http.ready();
        supervisor.postMessage({ kind: "serving" });
        break;
      case "renew":
        tokens.replace(message.credentials.tokens);
        renewCertificates(message.credentials, http, resp);
        supervisor.postMessage({ kind: "renewed" });
        break;
      case "saved":
        saves.finish(message.id, message.outcome);
        break;
      case "stop":
        context.waiters.stop();
        await Promise.all([http.stop(message.graceMs), resp?.stop(message.graceMs)]);
        upstream?.stop();
        supervisor.postMessage({ kind: "stopped" });
    }
  });
  // The cache may have been loaded while this thread started.
  if (context.service.state.phase !== "loading") http.ready();
  supervisor.postMessage({ kind: "listening", url: http.url });
}

/** Only a worker with an upstream loads its code. */
async function attachUpstream(
  { config, cache, thread }: ThreadContext,
  memory: UpstreamMemory,
  credentials: Credentials,
): Promise<UpstreamNode> {
  const { UpstreamNode: Node } = await import("./upstream-node.ts");
  const node = new Node({ config, cache, thread, memory });
  node.start(credentials.upstream ?? NO_SECRETS);
  return node;
}

/** Snapshots that clients wait for. */
class PendingSaves {
  readonly #supervisor: SupervisorPort;
  readonly #resolvers = new Map<number, (outcome: SaveOutcome) => void>();
  #lastId = 0;

  constructor(supervisor: SupervisorPort) {
    this.#supervisor = supervisor;
  }

  request(): Promise<SaveOutcome> {
    const { promise, resolve } = Promise.withResolvers<SaveOutcome>();
    const id = ++this.#lastId;
    this.#resolvers.set(id, resolve);
    this.#supervisor.postMessage({ kind: "save", id });
    return promise;
  }

  finish(id: number, outcome: SaveOutcome): void {
    this.#resolvers.get(id)?.(outcome);
    this.#resolvers.delete(id);
  }
}

/** Entries in Maps belong to this thread, which sweeps them; the supervisor sweeps shared memory. */
function startBackgroundWork({ config, cache, service }: ThreadContext, logger: Logger): void {
  if (config.store === "map") {
    const isPaused = () => service.state.get("isSweepPaused") !== 0;
    startMaintenance(cache, () => logger.info(EVICTION_BEGAN), isPaused);
    return;
  }
  service.activity.every(COLLECT_EVERY_MS, () => {
    edenGC();
    return false;
  });
}

interface OpenPorts {
  readonly http: HttpServer;
  /** Undefined if the Redis port is off. */
  readonly resp: RespServer | undefined;
}

interface RefusedPort {
  readonly code: string;
  readonly port: number;
}

function openPorts(
  context: ThreadContext,
  logger: Logger,
  upstream: UpstreamNode | undefined,
): OpenPorts | RefusedPort {
  const { config, cache, service, waiters, httpMetrics, workers, history, thread } = context;
  const protocols: ProtocolStats[] = [httpMetrics];
  const sources = {
    ...{ cache, config, service, workers, history, protocols: () => protocols },
    upstream: upstream?.source,
  };
  let { port } = config;
  try {
    const commands = createResp(
      {
        ...{ cache, config, memory: context.respMemory, thread, service, waiters },
        upstream: upstream?.commands,
      },
      respEvents(logger),
    );
    const http = serveHttp(
      {
        ...{ cache, config, service, waiters, redis: commands.rest },
        createUpstreamHandlers: upstream?.createHandlers,
        ...{ metrics: httpMetrics, metricsContext: sources },
      },
      httpEvents(context, logger),
    );
    port = config.respPort;
    const resp = port === 0 ? undefined : commands.listen();
    if (resp !== undefined) protocols.push(resp.stats);
    const hotKeys = new HotKeys();
    cache.onSample((key) => {
      const database = databaseOf(key);
      if (database === INTERNAL) return;
      const { bytes, start, end } = clientKey(key);
      const text = bytes.toString("latin1", start, Math.min(end, start + HOT_KEY_BYTES_MAX));
      hotKeys.record(database === 0 ? text : `db${database}:${text}`);
    });
    const answered = () => httpMetrics.answered + (resp?.answered() ?? 0);
    startHeartbeat(workers, thread, hotKeys, answered, service);
    return { http, resp };
  } catch (error) {
    const code = errorCode(error);
    if (code === "") throw error;
    return { code, port };
  }
}

/** Throws if a listener cannot be opened: the worker ends, and its successor starts with the new certificates. */
function renewCertificates(
  { tls }: Credentials,
  http: HttpServer,
  resp: RespServer | undefined,
): void {
  http.renew(tls);
  if (tls !== undefined) resp?.renew(tls);
}

function httpEvents({ config }: ThreadContext, logger: Logger): HttpEvents {
  return {
    answered(method, path, status, ms) {
      const isSlow = config.slowMs > 0 && ms >= config.slowMs;
      const fields = { method, path, status, ms: Number(ms.toFixed(3)) };
      if (isSlow) logger.warn("slow", { protocol: "http", ...fields });
      else logger.info("request", fields);
    },
    failed: (error) => logger.error("failed", { error: describeError(error) }),
  };
}

function respEvents(logger: Logger): RespEvents {
  return {
    httpRejected(address) {
      logger.warn("http refused", { address, reason: "this is the Redis port" });
    },
    overLimit: (address, option) => logger.warn("closed", { address, over: option }),
    connected: logger.has("debug")
      ? (event, address) => logger.debug(event, { address })
      : undefined,
    slow(address, command, commands, ms) {
      const fields = { address, command, commands, ms: Number(ms.toFixed(3)) };
      logger.warn("slow", { protocol: "redis", ...fields });
    },
    scriptLog(level, text) {
      const name = SCRIPT_LOG_LEVELS[level] ?? "info";
      if (logger.has(name)) logger[name]("script", { text: text.slice(0, SCRIPT_LOG_LENGTH_MAX) });
    },
    failed: (error) => logger.error("failed", { error: describeError(error) }),
  };
}
