// The HTTP server: Bun.serve with the table of routes, whose requests it checks, counts and times.
// docs/protocol.md says what every call answers.

import { edenGC, fullGC } from "bun:jsc";

import type { Cache } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";

import type { Service } from "../service/service.ts";
import { bunTlsOf, type TlsTexts } from "../security/tls.ts";

import { afterBody, type Done, withBody } from "./body.ts";
import { shapeOf } from "./body-shape.ts";
import type { Handler } from "./api/handlers.ts";
import { AdmissionControl } from "./admission/admission.ts";
import { LargeResponses } from "./large-responses.ts";
import { LoadShedder } from "./admission/load-shedding.ts";
import { HTTP_COMMANDS, type HttpMetrics } from "./metrics.ts";
import { BodyBudget } from "./admission/body-budget.ts";
import { pathOf } from "./api/decode.ts";
import { apiOf } from "./routes.ts";
import { Turns } from "./turns.ts";
import type { MetricsContext } from "../metrics/metric.ts";
import { HttpError, LOADING, STOPPING } from "./error.ts";
import type { Method, Route } from "./route.ts";

/** How long a stopping server tells its clients so before it closes. */
const DRAIN_MS = 250;
/** How often a stopping server looks whether all requests have been answered. */
const LOOK_EVERY_MS = 5;

/** The start is over then: what is prepared takes 50 ms of CPU and 6 MB a worker. */
const PREPARE_AFTER_MS = 1000;

/** Bun's table: handlers by path and method. */
type Routes = Record<string, Partial<Record<Method, Handler>>>;

/** What of a route the server needs. */
type Served = Pick<Route, "call" | "command" | "access" | "isProbe" | "isSheddable" | "body"> &
  Partial<Pick<Route, "method">>;

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
  /** The cache is loaded: until then every answer is 503, but of a few routes. */
  ready(): void;
  /**
   * The tokens are others now: who listens to the live figures has to ask again. New connections get
   * these certificates, if there are any, from a listener of their own. Those that there are go on with
   * the old ones; the old listener is left to whoever can close it without them.
   */
  renew(tls: TlsTexts | undefined): void;
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
  metrics: HttpMetrics,
  sources: MetricsContext,
  events: HttpEvents,
): HttpServer {
  const { answered, failed } = events;
  const failure = (error: unknown): Response => {
    failed(error);
    metrics.record(HTTP_COMMANDS.indexOf("other"), 500, 0);
    return new HttpError(500, "the service failed; its log says where").toResponse();
  };

  const slowMs = config.slowMs === 0 ? Infinity : config.slowMs;
  const reject = (httpError: HttpError): Response => {
    if (httpError.reason !== undefined) service.rejections.add("http", httpError.reason);
    return httpError.toResponse();
  };
  const shedder = new LoadShedder(config.shedAfterMs || Infinity, service.lag);
  const pending = new BodyBudget(service.budget, { young: edenGC, all: fullGC });
  /** Those that listen, and those that have given up their port to the next. */
  const servers: Bun.Server<undefined>[] = [];
  /** A request finds its connection by itself, whichever listener it came from. */
  const setTimeoutOf = (req: Request, seconds: number) => servers[0]?.timeout(req, seconds);
  const renewTimeout = (req: Request) => setTimeoutOf(req, config.idleTimeout);
  const large = new LargeResponses(
    ...([pending, reject, config.idleTimeout] as const),
    () => servers.reduce((sum, server) => sum + server.pendingRequests, 0),
    setTimeoutOf,
  );
  const turns = new Turns();
  const reading = { limits: config, pending, turns, shedder, reject, renewTimeout };
  const admission = new AdmissionControl(
    config,
    service,
    shedder,
    metrics.connections,
    (req) => servers.map((server) => server.requestIP(req)).find((asker) => asker !== null) ?? null,
  );

  /** A handler whose requests are checked, counted and timed. */
  const measured = (route: Served): Handler => {
    const { call, command, body, method } = route;
    const check = admission.of(route);
    const number = HTTP_COMMANDS.indexOf(command);
    const done: Done<number> = (req, response, startMs) => {
      const ms = performance.now() - startMs;
      const { status } = response;
      metrics.record(number, status, ms);
      if (answered !== undefined && (config.logRequests || ms >= slowMs)) {
        answered(req.method, pathOf(req.url), status, ms);
      }
      return response;
    };
    const answering = (req: Request, startMs: number, handle: Handler) => {
      const response = handle(req);
      if (response instanceof Response) return done(req, response, startMs);
      return response.then((later) => done(req, later, startMs));
    };
    // The runtime shows no body of a GET, and reads over it.
    const isBodiless = method === "GET";
    const handle =
      "answer" in call
        ? withBody(reading, shapeOf(body ?? {}, config.maxBatchEntries), call.answer, done)
        : (req: Request, startMs: number) =>
            isBodiless
              ? answering(req, startMs, call.handle)
              : afterBody(reading, req, () => answering(req, startMs, call.handle));
    return (req) => {
      service.activity.happened();
      const startMs = performance.now();
      const httpError = check(req, startMs);
      if (httpError === undefined) return handle(req, startMs);
      return afterBody(reading, req, () => done(req, reject(httpError), startMs));
    };
  };

  const api = apiOf(cache, config, service, sources, reject, large);
  const routes = tableOf(api.routes, measured);
  const unknown = { command: "other", access: "read" } as const;
  const serving = {
    routes,
    fetch: measured({ ...unknown, call: { handle: noSuchRoute(routes) } }),
  };
  /** Nothing of the cache is in these: whoever asks may know. */
  const rejecting = (httpError: HttpError) =>
    measured({ command: "other", access: "open", call: { handle: () => httpError.toResponse() } });
  const loading = {
    routes: tableOf(
      api.routes.filter(({ whileLoading }) => whileLoading === true),
      measured,
    ),
    fetch: rejecting(LOADING),
  };
  const listen = (port: number, handlers: typeof serving, tls: TlsTexts | undefined): void => {
    const server = Bun.serve({
      port,
      hostname: config.host,
      idleTimeout: config.idleTimeout,
      development: false,
      // Without development, Bun 1.4.5 shares the port unless told not to: a second service
      // would take half of the connections unnoticed. Workers share it, and a listener with the one
      // whose certificates it renews; main.ts sees to it that no other service does.
      reusePort: config.workers > 1 || tls !== undefined,
      // Bun's own limit answers without a body; requests.ts keeps --max-body-bytes.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      ...(config.http2 ? { http2: true } : {}),
      ...(tls === undefined ? {} : { tls: bunTlsOf(tls) }),
      ...handlers,
      error: failure,
    });
    servers.push(server);
    metrics.port = server.port ?? 0;
  };
  let handlers = service.state.phase === "loading" ? loading : serving;
  listen(config.port, handlers, service.tls);
  const reload = (next: typeof serving): void => {
    handlers = next;
    for (const server of servers) server.reload(next);
  };
  let preparing: Timer | undefined;
  return {
    url: servers[0]?.url.origin ?? "",
    ready() {
      reload(serving);
      preparing = setTimeout(() => void api.prepare(), PREPARE_AFTER_MS);
    },
    renew(tls) {
      api.events.end();
      if (tls !== undefined) listen(metrics.port, handlers, tls);
    },
    async stop(graceMs) {
      const alive = api.routes.filter(({ path }) => path === "/livez");
      reload({ routes: tableOf(alive, measured), fetch: rejecting(STOPPING) });
      api.events.end();
      clearTimeout(preparing);
      const stopAll = (isAbrupt: boolean) => servers.map((server) => server.stop(isAbrupt));
      const untilMs = performance.now() + graceMs;
      // Bun closes a connection that looks idle though a request lies unread in its socket:
      // first the clients in the middle of their work hear that they have to go elsewhere.
      await Bun.sleep(Math.min(DRAIN_MS, graceMs));
      void stopAll(false);
      // Bun would wait for connections too that have never sent anything.
      const areBusy = () => servers.some(({ pendingRequests }) => pendingRequests > 0);
      while (areBusy() && performance.now() < untilMs) await Bun.sleep(LOOK_EVERY_MS);
      await Promise.all(stopAll(true));
      pending.stop();
    },
  };
}

function tableOf(routes: readonly Route[], measured: (route: Served) => Handler): Routes {
  const table: Routes = {};
  for (const route of routes) (table[route.path] ??= {})[route.method] = measured(route);
  return table;
}

/** What no route takes: the wrong method on a known path, or an unknown path. */
function noSuchRoute(routes: Routes): Handler {
  const paths = Object.keys(routes)
    .filter((path) => !path.includes(":"))
    .join(", ");
  return (req) => {
    const path = pathOf(req.url);
    const known = Object.hasOwn(routes, path) ? routes[path] : undefined;
    const methods = Object.keys(known ?? {}).flatMap((name) =>
      name === "GET" ? ["GET", "HEAD"] : [name],
    );
    // A right method gets here by a path that only comes down to a known one, such as "/./get".
    if (known === undefined || methods.includes(req.method)) {
      return new HttpError(404, `no such path; there are ${paths}`).toResponse();
    }
    const allow = methods.join(", ");
    const message = `${req.method} is not allowed on ${path}; use ${allow}`;
    return new HttpError(405, message, { headers: { allow } }).toResponse();
  };
}
