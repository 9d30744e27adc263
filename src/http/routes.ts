// The table of all routes: Bun.serve, the metrics and /openapi.json are made from it. The order of the
// routes is the order of the paths in the error of an unknown path.

import { LiveSampler } from "../metrics/live-sampler.ts";
import { wantsLease } from "./api/decode-caching.ts";
import { createHandlers, type Handlers } from "./api/handlers.ts";
import { openApiOf } from "./api/openapi.ts";
import { valueLimit } from "./api/entry-handlers.ts";
import { createRedisHandlers } from "./api/redis-handlers.ts";
import { jsonOf, ok } from "./api/respond.ts";
import * as schemas from "./api/schemas.ts";
import { MetricsScrape } from "./api/scrape.ts";
import type { HandlerContext } from "./context.ts";
import { HttpError } from "./error.ts";
import { StatsEvents } from "./events.ts";
import { ASSETS, Page } from "./page.ts";
import {
  del,
  empty,
  error,
  get,
  json,
  post,
  put,
  type ResponseDescription,
  type Route,
} from "./route.ts";
import { CACHE_PATH } from "./values/handlers.ts";

/** The HTTP API of one worker. */
export interface Api {
  readonly routes: readonly Route[];
  readonly events: StatsEvents;
}

const BAD = { 400: error("The request is wrong; the message says what.") };
const NO_KEY = { 404: error("There is no such key.") };
const VOID = { 409: error("The lease is void; the message says why.") };
const TOO_LARGE = { 413: error("The body or a value is larger than the limit.") };
const CONDITION = { 412: error("The condition of the request is false; nothing is stored.") };
const FULL = { 507: error("The cache is full and runs with --eviction none.") };
const DOWN = {
  503: error("The service is loading its snapshot, draining, stopping, or overloaded."),
};
const OK = { 200: json("Done.", schemas.OK) };

export function createApi(context: HandlerContext): Api {
  const { config, metricsContext, large } = context;
  const handlers = createHandlers(context);
  const events = new StatsEvents(new LiveSampler(metricsContext), metricsContext.history);
  const scrape = new MetricsScrape(metricsContext, large);
  const page = new Page();
  const routes: readonly Route[] = [
    ...entryRoutes(handlers),
    ...keyspaceRoutes(handlers),
    ...valueRoutes(context, handlers.values),
    ...redisRoutes(context),
    ...serviceRoutes(handlers),
    get("/metrics", "metrics", {
      access: config.openMetrics ? "open" : "read",
      summary: "Metrics in the text format of Prometheus.",
      responses: { 200: { description: "The metrics.", type: "text/plain" } },
      whileLoading: true,
      handle: scrape.respond,
    }),
    get("/openapi.json", "openapi", {
      access: "open",
      summary: "This description.",
      responses: { 200: json("An OpenAPI document.", { type: "object" }) },
      whileLoading: true,
      handle: () => jsonOf((document ??= openApiOf(routes))),
    }),
    get("/events", "events", {
      access: "read",
      summary: "Live stats as server-sent events, once a second.",
      responses: { 200: { description: "An endless stream.", type: "text/event-stream" }, ...DOWN },
      whileLoading: true,
      handle: () => events.subscribe(),
    }),
    ...dashboardRoutes(page),
  ];
  let document: object | undefined;
  return { routes, events };
}

function entryRoutes(handlers: Handlers): Route[] {
  return [
    post("/put", "put", {
      ...{ access: "write", isSheddable: true },
      summary: "Stores a value under a key.",
      responses: { ...OK, ...BAD, ...VOID, ...CONDITION, ...TOO_LARGE, ...FULL, ...DOWN },
      ...{ body: schemas.PUT, handleBody: handlers.put, handleText: handlers.putText },
    }),
    get("/get", "get", {
      ...{ access: "read", isSheddable: true },
      summary: "The value of a key.",
      parameters: { key: schemas.KEY },
      optional: schemas.GET_OPTIONS,
      responses: {
        ...{ 200: json("The value.", schemas.FOUND), ...BAD },
        ...{ 403: error("A lease needs the token of --auth-token.") },
        ...{ 404: json("There is no such key.", schemas.NOT_FOUND), ...FULL, ...DOWN },
      },
      needsWrite: (req) => wantsLease(req.url),
      handle: handlers.get,
    }),
    post("/delete", "delete", {
      ...{ access: "write", isSheddable: true },
      summary: "Deletes a key.",
      responses: { ...OK, ...BAD, ...NO_KEY, ...TOO_LARGE, ...DOWN },
      ...{ body: schemas.KEY_BODY, handleBody: handlers.delete },
    }),
    del("/delete", "delete", {
      ...{ access: "write", isSheddable: true },
      summary: "Deletes a key.",
      parameters: { key: schemas.KEY },
      responses: { ...OK, ...BAD, ...NO_KEY, ...DOWN },
      handle: handlers.deleteByQuery,
    }),
    post("/release", "release", {
      ...{ access: "write", isSheddable: true },
      summary: "Ends a lease without a value.",
      responses: { ...OK, ...BAD, ...VOID, ...TOO_LARGE, ...DOWN },
      ...{ body: schemas.RELEASE, handleBody: handlers.release },
    }),
    post("/invalidate", "invalidate", {
      ...{ access: "write", isSheddable: true },
      summary: "Makes entries with one of these tags or keys, or all entries, a miss.",
      responses: { ...OK, ...BAD, ...TOO_LARGE, ...DOWN },
      ...{ body: schemas.INVALIDATE, handleBody: handlers.invalidate },
    }),
    post("/mput", "mput", {
      ...{ access: "write", isSheddable: true },
      summary: "Stores several entries; all are checked before the first is stored.",
      responses: { 200: json("Done.", schemas.STORED), ...BAD, ...TOO_LARGE, ...FULL, ...DOWN },
      ...{ body: schemas.ENTRIES, handleBody: handlers.mput },
    }),
    post("/mget", "mget", {
      ...{ access: "read", isSheddable: true },
      summary: "The values of several keys.",
      responses: { 200: json("The values.", schemas.VALUES), ...BAD, ...TOO_LARGE, ...DOWN },
      ...{ body: schemas.KEYS, handleBody: handlers.mget },
    }),
  ];
}

function keyspaceRoutes(handlers: Handlers): Route[] {
  return [
    post("/incr", "incr", {
      ...{ access: "write", isSheddable: true },
      summary: "Adds to the integer of a key; a missing key counts as 0.",
      responses: {
        ...{ 200: json("The sum.", schemas.COUNTED), ...BAD },
        ...{ 409: error("The value is not an integer, or the sum does not fit in 64 bits.") },
        ...{ ...TOO_LARGE, ...FULL, ...DOWN },
      },
      ...{ body: schemas.INCREMENT, handleBody: handlers.incr },
    }),
    get("/ttl", "ttl", {
      ...{ access: "read", isSheddable: true },
      summary: "The seconds until a key expires.",
      parameters: { key: schemas.KEY },
      responses: { 200: json("The lifetime.", schemas.LIFETIME), ...BAD, ...NO_KEY, ...DOWN },
      handle: handlers.ttl,
    }),
    post("/ttl", "ttl", {
      ...{ access: "write", isSheddable: true },
      summary: "Sets the lifetime of a key.",
      responses: { ...OK, ...BAD, ...NO_KEY, ...TOO_LARGE, ...DOWN },
      ...{ body: schemas.TTL_BODY, handleBody: handlers.setTtl },
    }),
    del("/ttl", "ttl", {
      ...{ access: "write", isSheddable: true },
      summary: "Removes the lifetime of a key, which then does not expire.",
      parameters: { key: schemas.KEY },
      responses: { ...OK, ...BAD, ...NO_KEY, ...DOWN },
      handle: handlers.removeTtl,
    }),
    get("/entry", "entry", {
      ...{ access: "read", isSheddable: true },
      summary: "What the cache knows of an entry, without its value.",
      parameters: { key: schemas.KEY },
      responses: { 200: json("The facts.", schemas.ENTRY_FACTS), ...BAD, ...NO_KEY, ...DOWN },
      handle: handlers.entry,
    }),
    get("/keys", "keys", {
      ...{ access: "read", isSheddable: true },
      summary: "Some of the keys, and the cursor of the next request.",
      optional: { cursor: schemas.CURSOR, pattern: schemas.PATTERN, count: schemas.COUNT },
      responses: { 200: json("The keys.", schemas.KEY_PAGE), ...BAD, ...DOWN },
      handle: handlers.keys,
    }),
    post("/flush", "flush", {
      ...{ access: "write", isSheddable: true },
      summary: "Deletes every entry.",
      responses: { ...OK, ...DOWN },
      handle: handlers.flush,
    }),
  ];
}

function valueRoutes({ cache, config }: HandlerContext, handlers: Handlers["values"]): Route[] {
  const path = `${CACHE_PATH}:key`;
  const wildcard = `${CACHE_PATH}*` as const;
  const rule = { isSheddable: true, wildcard, parameters: { key: schemas.KEY } };
  const conditions = { "If-Match": schemas.FIELD, "If-None-Match": schemas.FIELD };
  const bytes = { description: "The bytes of the value, with their type.", type: "*/*" };
  const reason = `the body is larger than a value may be; it may have ${valueLimit(cache, config)}`;
  return [
    get(path, "cache", {
      ...{ ...rule, access: "read" },
      needsWrite: (req) => req.headers.has("lease"),
      summary: "The bytes of a value, or a lease to compute it.",
      fields: {
        ...{ ...conditions, "Cache-Control": schemas.FIELD },
        ...{ Lease: schemas.FIELD, Prefer: schemas.FIELD },
      },
      responses: {
        ...{ 200: bytes, 304: empty("The client has these bytes.") },
        ...{ ...BAD, ...NO_KEY, ...CONDITION, ...FULL, ...DOWN },
      },
      handle: handlers.get,
    }),
    put(path, "cache", {
      ...{ ...rule, access: "write" },
      summary: "Stores the bytes of the body.",
      fields: {
        ...{ ...conditions, "Cache-Control": schemas.FIELD, "Content-Type": schemas.FIELD },
        ...{ "Cache-Tag": schemas.FIELD, "Surrogate-Key": schemas.FIELD, Lease: schemas.FIELD },
      },
      responses: {
        201: empty("The key is new."),
        204: empty("The value is replaced."),
        ...{ ...BAD, ...VOID, ...CONDITION, ...TOO_LARGE },
        415: error("The bytes have a content coding, which is not stored."),
        ...{ ...FULL, ...DOWN },
      },
      ...{
        maxBytes: cache.maxValueBytes,
        tooLarge: new HttpError(413, reason, { reason: "body_size" }),
      },
      handleBytes: handlers.put,
    }),
    del(path, "cache", {
      ...{ ...rule, access: "write" },
      summary: "Deletes a key.",
      fields: conditions,
      responses: { 204: empty("Done."), ...BAD, ...NO_KEY, ...CONDITION, ...DOWN },
      handle: handlers.delete,
    }),
  ];
}

function redisRoutes(context: HandlerContext): Route[] {
  const handlers = createRedisHandlers(context, context.redis);
  const rule = { access: "read", mayChange: true, isSheddable: true } as const;
  const fields = { "Upstash-Encoding": schemas.FIELD };
  const bad = { 400: json("The request or its command is wrong.", schemas.REDIS_ERROR) };
  return [
    post("/redis", "redis", {
      ...{ ...rule, fields },
      summary: "Runs a command of the Redis port, as Upstash's REST API does.",
      responses: { 200: json("Its result.", schemas.REDIS_OUTCOME), ...bad, ...TOO_LARGE, ...DOWN },
      ...{ body: schemas.REDIS_COMMAND, handleList: handlers.command },
    }),
    post("/redis/pipeline", "redis", {
      ...{ ...rule, fields },
      summary: "Runs commands in order.",
      responses: { 200: json("Results.", schemas.REDIS_OUTCOMES), ...bad, ...TOO_LARGE, ...DOWN },
      ...{ body: schemas.REDIS_COMMANDS, handleList: handlers.pipeline },
    }),
    post("/redis/multi-exec", "redis", {
      ...{ ...rule, fields },
      summary: "Runs commands as one transaction.",
      responses: { 200: json("Results.", schemas.REDIS_OUTCOMES), ...bad, ...TOO_LARGE, ...DOWN },
      ...{ body: schemas.REDIS_COMMANDS, handleList: handlers.transaction },
    }),
  ];
}

function serviceRoutes(handlers: Handlers): Route[] {
  return [
    post("/snapshot", "snapshot", {
      access: "write",
      summary: "Takes a snapshot and responds when it is on the disk.",
      responses: {
        200: json("It is on the disk.", schemas.SNAPSHOT),
        409: error("The service has no --data-dir."),
        503: error("The snapshot failed; or the service is loading its last one, or stopping."),
      },
      handle: handlers.snapshot,
    }),
    get("/stats", "stats", {
      access: "read",
      summary: "Counters and sizes of the cache and the service.",
      responses: { 200: json("The stats.", schemas.STATS), ...DOWN },
      handle: handlers.stats,
    }),
    get("/ring", "ring", {
      access: "read",
      summary: "Each shard's fraction of the ring, and its entries and memory.",
      responses: { 200: json("The shards.", schemas.RING), ...DOWN },
      handle: handlers.ring,
    }),
    get("/health", "health", {
      access: "read",
      summary: "Whether the service serves.",
      responses: { ...OK, ...DOWN },
      handle: handlers.health,
    }),
    get("/livez", "livez", {
      ...{ access: "open", isProbe: true },
      summary: "Whether the service is alive; it also is while it loads and stops.",
      responses: OK,
      whileLoading: true,
      handle: () => ok(),
    }),
    get("/readyz", "readyz", {
      ...{ access: "open", isProbe: true },
      summary: "Whether the service serves; the message says why not.",
      responses: { ...OK, ...DOWN },
      handle: handlers.health,
    }),
  ];
}

const fileOf = (type: string): ResponseDescription => ({
  description: "A file of the dashboard.",
  type,
});

function dashboardRoutes(page: Page): Route[] {
  return [
    get("/", "dashboard", {
      access: "open",
      summary: "The dashboard, for browsers.",
      responses: { 200: fileOf("text/html") },
      whileLoading: true,
      handle: () => page.html(),
    }),
    get(`${ASSETS}:file`, "dashboard", {
      access: "open",
      summary: "Scripts and styles of the dashboard.",
      parameters: { file: { type: "string" } },
      responses: { 200: fileOf("*/*"), 404: error("There is no such file.") },
      whileLoading: true,
      handle: (req) => page.asset(req.url.replace(/^.*\//, "")),
    }),
  ];
}
