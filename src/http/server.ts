// The HTTP API: Bun.serve routes that turn requests into calls of the cache.
// docs/protocol.md says what every call answers.

import { ByteBuffer, type Bytes, type Cache, MISS } from "../cache.ts";
import { bytesText, type Config, version } from "../config.ts";
import { usableMemoryBytes } from "../machine.ts";
import type { Service } from "../service.ts";
import {
  type EncodedValue,
  FoundAnswer,
  keyNotFound,
  ok,
  Refusal,
  stored,
  valueOf,
} from "./answers.ts";
import {
  type JsonObject,
  pathOf,
  type PutRequest,
  readDelete,
  readKeys,
  readPut,
  readPuts,
  readQueryKey,
  tooLarge,
  withBody,
} from "./requests.ts";

const NO_FOLDER = new Refusal(
  409,
  "there is no folder to save to; start the service with --data-dir",
);
const FULL = new Refusal(
  507,
  "the cache is full, and with --eviction none it keeps what it has: delete entries or raise --memory",
);

/** How long a stopping server tells its clients so before it closes. */
const DRAIN_MS = 250;

type Handler = (req: Request) => Response | Promise<Response>;
type Routes = Record<string, Record<string, Handler>>;

/** Before a client tries again that came while the snapshot was loaded. */
const RETRY_AFTER_SECONDS = "1";

/** What the server tells the process. */
export interface HttpEvents {
  /** After each answer, if wanted; `ms` is from the request's headers to its answer. */
  readonly answered?:
    ((method: string, path: string, status: number, ms: number) => void) | undefined;
  /** An exception, which no request may cause: it has been answered with 500. */
  readonly failed: (error: unknown) => void;
}

export interface HttpServer {
  /** "http://0.0.0.0:7171", with the port that was taken if 0 was asked for. */
  readonly url: string;
  /** The cache is loaded: until then every answer is 503. */
  ready(): void;
  /**
   * Answers what is in flight, and what still comes with 503, then stops accepting; what
   * is not done after `graceMs` is cut off. Resolves when every connection has closed.
   */
  stop(graceMs: number): Promise<void>;
}

/**
 * Opens the listener, which several workers share on one port. Throws as Bun.serve does, with a
 * `code`, if the address cannot be had.
 */
export function serveHttp(
  cache: Cache,
  config: Config,
  service: Service,
  events: HttpEvents,
): HttpServer {
  const { answered, failed } = events;
  const watched = (handler: Handler) => (answered ? watch(handler, answered) : handler);
  const routes = mapRoutes(routesOf(cache, config, service), watched);
  const serving = { routes, fetch: watched(noSuchRoute(routes)) };
  const loading = {
    routes: {},
    fetch: watched(() =>
      new Refusal(503, "loading", { "retry-after": RETRY_AFTER_SECONDS }).toResponse(),
    ),
  };
  const server = Bun.serve({
    port: config.port,
    hostname: config.host,
    idleTimeout: config.idleTimeout,
    development: false,
    // Without development, Bun 1.4.5 shares the port unless told not to: a second service
    // would take half of the connections unnoticed. Workers share it; main.ts sees to it that
    // no other service does.
    reusePort: config.workers > 1,
    // Bun's own limit answers without a body; requests.ts keeps --max-body-bytes.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    ...(service.state.phase === "loading" ? loading : serving),
    error(error) {
      failed(error);
      return new Refusal(500, "the service failed; its log says where").toResponse();
    },
  });
  return {
    url: server.url.origin,
    ready: () => void server.reload(serving),
    async stop(graceMs) {
      const stopping = () => new Refusal(503, "stopping", { connection: "close" }).toResponse();
      server.reload({ routes: {}, fetch: stopping });
      const cutOff = setTimeout(() => void server.stop(true), graceMs);
      // Bun closes a connection that looks idle though a request lies unread in its socket:
      // first the clients in the middle of their work hear that they have to go elsewhere.
      await Bun.sleep(Math.min(DRAIN_MS, graceMs));
      await server.stop();
      clearTimeout(cutOff);
    },
  };
}

function routesOf(cache: Cache, config: Config, service: Service): Routes {
  // One buffer each for all requests: nothing awaits between filling and using them.
  const keyBytes = new ByteBuffer();
  const valueBytes = new ByteBuffer();
  const foundAnswer = new FoundAnswer();

  const utf8 = (buffer: ByteBuffer, text: string): ByteBuffer => {
    buffer.setText(text);
    return buffer;
  };
  const get = (key: string, nowMs: number): string | EncodedValue | null => {
    valueBytes.clear();
    const length = cache.get(utf8(keyBytes, key), nowMs, valueBytes);
    return length === MISS ? null : valueOf(valueBytes.bytes, 0, length);
  };
  const put = ({ key, value, ttlMs }: PutRequest, nowMs: number) => {
    const valueRun: Bytes =
      typeof value === "string"
        ? utf8(valueBytes, value)
        : { bytes: value, start: 0, end: value.length };
    if (valueRun.end > cache.maxValueBytes) return valueTooLarge(value, cache, config);
    const deadlineMs = cache.deadlineMs(ttlMs, nowMs);
    return cache.put(utf8(keyBytes, key), valueRun, deadlineMs, nowMs) ? undefined : FULL;
  };
  const remove = (key: string | Refusal): Response => {
    if (key instanceof Refusal) return key.toResponse();
    return cache.delete(utf8(keyBytes, key), cache.clock.now()) ? stored() : keyNotFound();
  };

  const posted = (answer: (body: JsonObject) => Response): Handler => withBody(config, answer);

  return {
    "/put": {
      POST: posted((body) => {
        const entry = readPut(body, config);
        if (entry instanceof Refusal) return entry.toResponse();
        return put(entry, cache.clock.now())?.toResponse() ?? stored();
      }),
    },
    "/get": {
      GET(req) {
        const key = readQueryKey(req.url, config);
        if (key instanceof Refusal) return key.toResponse();
        const nowMs = cache.clock.now();
        const length = cache.get(utf8(keyBytes, key), nowMs, foundAnswer.begin(keyBytes));
        return length === MISS ? keyNotFound() : foundAnswer.end();
      },
    },
    "/delete": {
      POST: posted((body) => remove(readDelete(body, config))),
      DELETE: (req) => remove(readQueryKey(req.url, config)),
    },
    "/mput": {
      POST: posted((body) => {
        const entries = readPuts(body, config);
        if (entries instanceof Refusal) return entries.toResponse();
        for (const { value } of entries) {
          if (Buffer.byteLength(value) > cache.maxValueBytes)
            return valueTooLarge(value, cache, config).toResponse();
        }
        const nowMs = cache.clock.now();
        for (const [index, entry] of entries.entries()) {
          const refusal = put(entry, nowMs);
          if (refusal !== undefined) return refusal.after(`${index} were stored`).toResponse();
        }
        return ok({ stored: entries.length });
      }),
    },
    "/mget": {
      POST: posted((body) => {
        const keys = readKeys(body, config);
        if (keys instanceof Refusal) return keys.toResponse();
        const nowMs = cache.clock.now();
        const values: (string | EncodedValue | null)[] = [];
        // A body of a few bytes a key may ask for the longest value again and again.
        let bytes = 0;
        for (const key of keys) {
          values.push(get(key, nowMs));
          bytes += valueBytes.end;
          if (bytes > config.maxBodyBytes) return tooLarge("answer", config).toResponse();
        }
        return ok({ values });
      }),
    },
    "/snapshot": { POST: () => snapshot(config, service) },
    "/stats": { GET: () => ok(statsOf(cache, config, service)) },
    "/health": { GET: () => ok() },
    "/ring": { GET: () => ok(ringOf(cache)) },
  };
}

async function snapshot(config: Config, service: Service): Promise<Response> {
  if (config.dataDir === "") return NO_FOLDER.toResponse();
  const outcome = await service.save();
  if (!outcome.isSaved) {
    const kept = "the last good snapshot stays";
    return new Refusal(503, `the snapshot failed: ${outcome.reason}; ${kept}`).toResponse();
  }
  const { entries, bytes, tookMs } = outcome;
  return ok({ entries, bytes, ms: rounded(tookMs) });
}

function statsOf(cache: Cache, config: Config, service: Service): Record<string, unknown> {
  const { state, startedMs } = service;
  const figures = cache.figures();
  const gets = figures.hit + figures.miss;
  const uptimeSeconds = (performance.now() - startedMs) / 1000;
  const allocated = process.memoryUsage.rss();
  const system = usableMemoryBytes();
  return {
    total_items: figures.entries,
    hit_rate: rounded(gets === 0 ? 0 : (figures.hit / gets) * 100),
    memory_usage_percent: rounded((allocated / system) * 100),
    put_count: figures.inserted,
    get_count: gets,
    hit_count: figures.hit,
    miss_count: figures.miss,
    uptime_seconds: rounded(uptimeSeconds),
    requests_per_second: rounded((figures.inserted + gets + figures.deleted) / uptimeSeconds),
    allocated_memory_mb: rounded(allocated / 2 ** 20),
    system_memory_mb: rounded(system / 2 ** 20),
    evicted_count: figures.evicted,
    expired_count: figures.expired,
    overwritten_count: figures.overwritten,
    delete_count: figures.deleted,
    cache_memory_bytes: figures.memory,
    cache_used_bytes: figures.used,
    live_bytes: figures.bytes,
    dead_bytes: figures.dead,
    ghost_count: figures.ghosts,
    shards: cache.ring.shards,
    virtual_nodes: config.virtualNodes,
    workers: config.workers,
    worker_restarts: figures.lostThreads,
    shards_emptied: figures.emptied,
    loaded_count: figures.loaded,
    snapshot_time: Math.floor(state.get("savedMs") / 1000),
    snapshot_count: state.get("saves"),
    snapshot_failed_count: state.get("failedSaves"),
    snapshot_shards_dropped: state.get("droppedShards"),
    version,
  };
}

function ringOf(cache: Cache): Record<string, unknown> {
  const shares = cache.ring.shares();
  const shards = cache.shardFigures().map((figures, shard) => {
    const { entries, bytes, dead, used, memory, ghosts, evicted, expired } = figures;
    const memories = { bytes, dead_bytes: dead, used_bytes: used, memory_bytes: memory };
    const counts = { ghosts, evicted, expired };
    return { shard, share: shares[shard], entries, ...memories, ...counts };
  });
  return { shards: cache.ring.shards, virtual_nodes: cache.ring.virtualNodes, ring: shards };
}

function valueTooLarge(value: string | Buffer, cache: Cache, config: Config): Refusal {
  const { maxValueBytes: limit } = cache;
  const reason =
    limit < config.maxValueBytes
      ? `which is what --memory ${bytesText(config.memory)} has room for`
      : "the limit set by --max-value-bytes";
  const bytes = `${Buffer.byteLength(value)} bytes${typeof value === "string" ? " in UTF-8" : ""}`;
  return new Refusal(413, `"value" is ${bytes}; it may have ${limit}, ${reason}`);
}

/** What no route takes: the wrong method on a known path, or an unknown path. */
function noSuchRoute(routes: Routes): Handler {
  const paths = Object.keys(routes).join(", ");
  return (req) => {
    const path = pathOf(req.url);
    const known = Object.hasOwn(routes, path) ? routes[path] : undefined;
    const methods = Object.keys(known ?? {}).flatMap((name) =>
      name === "GET" ? ["GET", "HEAD"] : [name],
    );
    // A right method gets here by a path that only comes down to a known one, such as "/./get".
    if (known === undefined || methods.includes(req.method)) {
      return new Refusal(404, `no such path; there are ${paths}`).toResponse();
    }
    const allow = methods.join(", ");
    const message = `${req.method} is not allowed on ${path}; use ${allow}`;
    return new Refusal(405, message, { allow }).toResponse();
  };
}

function mapRoutes(routes: Routes, change: (handler: Handler) => Handler): Routes {
  const changed: Routes = {};
  for (const [path, methods] of Object.entries(routes)) {
    const entries = Object.entries(methods).map(([name, handler]) => [name, change(handler)]);
    changed[path] = Object.fromEntries(entries);
  }
  return changed;
}

function watch(handler: Handler, answered: NonNullable<HttpEvents["answered"]>): Handler {
  return async (req) => {
    const startMs = performance.now();
    const response = await handler(req);
    answered(req.method, pathOf(req.url), response.status, performance.now() - startMs);
    return response;
  };
}

/** Three decimals are enough for people and for plots. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
