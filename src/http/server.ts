// The HTTP server: Bun.serve with the table of routes, whose requests it counts and times.
// docs/protocol.md says what every call answers.

import type { Cache } from "../cache.ts";
import type { Config } from "../config.ts";
import type { Sources } from "../metrics/table.ts";
import type { Service } from "../service.ts";
import { Refusal } from "./answers.ts";
import type { Handler } from "./calls.ts";
import { HTTP_COMMANDS, type HttpCommand, type HttpMetrics } from "./metrics.ts";
import { pathOf, withBody } from "./requests.ts";
import { apiOf, LOADING, type Method, type Route, STOPPING } from "./routes.ts";

/** How long a stopping server tells its clients so before it closes. */
const DRAIN_MS = 250;

/** Bun's table: handlers by path and method. */
type Routes = Record<string, Partial<Record<Method, Handler>>>;

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
  sources: Sources,
  events: HttpEvents,
): HttpServer {
  const { answered, failed } = events;
  const failure = (error: unknown): Response => {
    failed(error);
    metrics.record(HTTP_COMMANDS.indexOf("other"), 500, 0);
    return new Refusal(500, "the service failed; its log says where").toResponse();
  };

  const slowMs = config.slowMs === 0 ? Infinity : config.slowMs;

  /** A handler whose requests are counted and timed. */
  const measured = (call: Route["call"], command: HttpCommand): Handler => {
    const number = HTTP_COMMANDS.indexOf(command);
    const done = (req: Request, response: Response, startMs: number): Response => {
      const ms = performance.now() - startMs;
      const { status } = response;
      metrics.record(number, status, ms);
      if (answered !== undefined && (config.logRequests || ms >= slowMs)) {
        answered(req.method, pathOf(req.url), status, ms);
      }
      return response;
    };
    if ("answer" in call) {
      const handle = withBody(config, call.answer, done);
      return (req) => handle(req, performance.now());
    }
    const { handle } = call;
    return (req) => {
      const startMs = performance.now();
      const response = handle(req);
      if (response instanceof Response) return done(req, response, startMs);
      return response.then((later) => done(req, later, startMs));
    };
  };

  const api = apiOf(cache, config, service, sources);
  const refusing = (refusal: Refusal) => measured({ handle: () => refusal.toResponse() }, "other");
  const routes = tableOf(api.routes, measured);
  const serving = { routes, fetch: measured({ handle: noSuchRoute(routes) }, "other") };
  const loading = {
    routes: tableOf(
      api.routes.filter(({ whileLoading }) => whileLoading === true),
      measured,
    ),
    fetch: refusing(LOADING),
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
    error: failure,
  });
  metrics.port = server.port ?? 0;
  return {
    url: server.url.origin,
    ready: () => void server.reload(serving),
    async stop(graceMs) {
      const alive = api.routes.filter(({ path }) => path === "/livez");
      server.reload({ routes: tableOf(alive, measured), fetch: refusing(STOPPING) });
      api.events.end();
      const cutOff = setTimeout(() => void server.stop(true), graceMs);
      // Bun closes a connection that looks idle though a request lies unread in its socket:
      // first the clients in the middle of their work hear that they have to go elsewhere.
      await Bun.sleep(Math.min(DRAIN_MS, graceMs));
      await server.stop();
      clearTimeout(cutOff);
    },
  };
}

function tableOf(
  routes: readonly Route[],
  measured: (call: Route["call"], command: HttpCommand) => Handler,
): Routes {
  const table: Routes = {};
  for (const { path, method, command, call } of routes) {
    (table[path] ??= {})[method] = measured(call, command);
  }
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
      return new Refusal(404, `no such path; there are ${paths}`).toResponse();
    }
    const allow = methods.join(", ");
    const message = `${req.method} is not allowed on ${path}; use ${allow}`;
    return new Refusal(405, message, { allow }).toResponse();
  };
}
