// The table of all routes: what Bun.serve is given, what metrics call them, and what
// /openapi.json says of them come from it.

import type { Access } from "../security/tokens.ts";
import type { Cache } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import { LiveSampler } from "../metrics/live-sampler.ts";
import type { PrometheusExporter } from "../metrics/exporter.ts";

import type { Service } from "../service/service.ts";
import { jsonOf, ok } from "./api/respond.ts";
import { COMMON_HEADERS } from "./headers.ts";
import { createHandlers } from "./api/handlers.ts";
import { StatsEvents } from "./events.ts";
import type { LargeResponses } from "./large-responses.ts";
import { openApiOf } from "./api/openapi.ts";
import { ASSETS, Page } from "./page.ts";
import * as schemas from "./api/schemas.ts";
import type { MetricsContext } from "../metrics/metric.ts";
import type { Reject } from "./error.ts";
import { type ResponseDescription, error, json, type Route } from "./route.ts";

/** What a worker serves over HTTP. */
export interface Api {
  readonly routes: readonly Route[];
  readonly events: StatsEvents;
  /**
   * Loads what /metrics and the dashboard are made of. The runtime closes the connection of a client
   * that has closed its writing half if an answer takes longer than a turn of the event loop.
   */
  prepare(): Promise<void>;
}

const BAD = { 400: error("The request is wrong; the message says what.") };
const NO_KEY = { 404: error("There is no such key.") };
const TOO_LARGE = { 413: error("The body or a value is larger than the limit.") };
const FULL = { 507: error("The cache is full and runs with --eviction none.") };
const DOWN = {
  503: error("The service is loading its snapshot, draining, stopping, or overloaded."),
};
const OK = { 200: json("Done.", schemas.OK) };
const FILE = (type: string): ResponseDescription => ({
  description: "A file of the dashboard.",
  type,
});

/** The routes of one worker, which count nothing by themselves. */
export function apiOf(
  cache: Cache,
  config: Config,
  service: Service,
  sources: MetricsContext,
  reject: Reject,
  large: LargeResponses,
): Api {
  const handlers = createHandlers(cache, config, service, reject, large);
  const events = new StatsEvents(new LiveSampler(sources));
  const page = new Page();
  const metricsAccess: Access = config.openMetrics ? "open" : "read";
  let loading: Promise<PrometheusExporter> | undefined;
  const load = (): Promise<PrometheusExporter> =>
    (loading ??= metricsOf(sources).catch((error: unknown) => {
      // Without a free descriptor, for example: the next request tries again.
      loading = undefined;
      throw error;
    }));
  let scraped: Promise<string> | undefined;
  /** One reading for all who ask while it is made: it takes milliseconds, and a megabyte. */
  const scrape = async (req: Request): Promise<Response> => {
    const metrics = await load();
    scraped ??= metrics.text().finally(() => (scraped = undefined));
    const headers = { ...COMMON_HEADERS, "content-type": metrics.contentType };
    return await large.sendText(req, await scraped, { headers }, scrape);
  };
  const routes: Route[] = [
    {
      ...{ method: "POST", path: "/put", command: "put" },
      ...{ access: "write", isSheddable: true },
      summary: "Stores a value under a key.",
      body: schemas.PUT,
      answers: { ...OK, ...BAD, ...TOO_LARGE, ...FULL, ...DOWN },
      call: { answer: handlers.put },
    },
    {
      ...{ method: "GET", path: "/get", command: "get" },
      ...{ access: "read", isSheddable: true },
      summary: "The value of a key.",
      parameters: { key: schemas.KEY },
      answers: { 200: json("The value.", schemas.FOUND), ...BAD, ...NO_KEY, ...DOWN },
      call: { handle: handlers.get },
    },
    {
      ...{ method: "POST", path: "/delete", command: "delete" },
      ...{ access: "write", isSheddable: true },
      summary: "Deletes a key.",
      body: schemas.KEY_BODY,
      answers: { ...OK, ...BAD, ...NO_KEY, ...TOO_LARGE, ...DOWN },
      call: { answer: handlers.delete },
    },
    {
      ...{ method: "DELETE", path: "/delete", command: "delete" },
      ...{ access: "write", isSheddable: true },
      summary: "Deletes a key.",
      parameters: { key: schemas.KEY },
      answers: { ...OK, ...BAD, ...NO_KEY, ...DOWN },
      call: { handle: handlers.deleteByQuery },
    },
    {
      ...{ method: "POST", path: "/mput", command: "mput" },
      ...{ access: "write", isSheddable: true },
      summary: "Stores several entries; all are checked before the first is stored.",
      body: schemas.ENTRIES,
      answers: { 200: json("Done.", schemas.STORED), ...BAD, ...TOO_LARGE, ...FULL, ...DOWN },
      call: { answer: handlers.mput },
    },
    {
      ...{ method: "POST", path: "/mget", command: "mget" },
      ...{ access: "read", isSheddable: true },
      summary: "The values of several keys.",
      body: schemas.KEYS,
      answers: { 200: json("The values.", schemas.VALUES), ...BAD, ...TOO_LARGE, ...DOWN },
      call: { answer: handlers.mget },
    },
    {
      ...{ method: "POST", path: "/snapshot", command: "snapshot" },
      access: "write",
      summary: "Takes a snapshot and answers when it is on the disk.",
      answers: {
        200: json("It is on the disk.", schemas.SNAPSHOT),
        409: error("The service has no --data-dir."),
        503: error("The snapshot failed; or the service is loading its last one, or stopping."),
      },
      call: { handle: handlers.snapshot },
    },
    {
      ...{ method: "GET", path: "/stats", command: "stats" },
      access: "read",
      summary: "What the cache holds and has counted.",
      answers: { 200: json("The figures.", schemas.STATS), ...DOWN },
      call: { handle: handlers.stats },
    },
    {
      ...{ method: "GET", path: "/ring", command: "ring" },
      access: "read",
      summary: "Each shard's part of the ring, and what it holds.",
      answers: { 200: json("The shards.", schemas.RING), ...DOWN },
      call: { handle: handlers.ring },
    },
    {
      ...{ method: "GET", path: "/health", command: "health" },
      access: "read",
      summary: "Whether the service serves.",
      answers: { ...OK, ...DOWN },
      call: { handle: handlers.health },
    },
    {
      ...{ method: "GET", path: "/livez", command: "livez" },
      ...{ access: "open", isProbe: true },
      summary: "Whether the service is alive: loading and stopping it is, too.",
      answers: OK,
      whileLoading: true,
      call: { handle: () => ok() },
    },
    {
      ...{ method: "GET", path: "/readyz", command: "readyz" },
      ...{ access: "open", isProbe: true },
      summary: "Whether the service serves; the message says why not.",
      answers: { ...OK, ...DOWN },
      call: { handle: handlers.health },
    },
    {
      ...{ method: "GET", path: "/metrics", command: "metrics" },
      access: metricsAccess,
      summary: "Metrics as Prometheus reads them.",
      answers: { 200: { description: "The metrics.", type: "text/plain" } },
      whileLoading: true,
      call: { handle: scrape },
    },
    {
      ...{ method: "GET", path: "/openapi.json", command: "openapi" },
      access: "open",
      summary: "This description.",
      answers: { 200: json("An OpenAPI document.", { type: "object" }) },
      whileLoading: true,
      call: { handle: () => jsonOf(document) },
    },
    {
      ...{ method: "GET", path: "/events", command: "events" },
      access: "read",
      summary: "Live figures as server-sent events, once a second.",
      answers: { 200: { description: "An endless stream.", type: "text/event-stream" }, ...DOWN },
      whileLoading: true,
      call: { handle: () => events.subscribe() },
    },
    {
      ...{ method: "GET", path: "/", command: "dashboard" },
      access: "open",
      summary: "The dashboard, for browsers.",
      answers: { 200: FILE("text/html") },
      whileLoading: true,
      call: { handle: () => page.html() },
    },
    {
      ...{ method: "GET", path: `${ASSETS}:file`, command: "dashboard" },
      access: "open",
      summary: "Scripts and styles of the dashboard.",
      parameters: { file: { type: "string" } },
      answers: { 200: FILE("*/*"), 404: error("There is no such file.") },
      whileLoading: true,
      call: { handle: (req) => page.asset(req.url.replace(/^.*\//, "")) },
    },
  ];
  const document = openApiOf(routes);
  const prepare = async (): Promise<void> => {
    // What fails here is tried again, and reported, by the first request that needs it.
    await Promise.allSettled([load(), page.prepare()]);
  };
  return { routes, events, prepare };
}

async function metricsOf(sources: MetricsContext): Promise<PrometheusExporter> {
  const { PrometheusExporter: Loaded } = await import("../metrics/exporter.ts");
  return new Loaded(sources);
}
