// The HTTP server of one worker: listeners.ts accepts, routing.ts finds the route, pipeline.ts handles
// the request. docs/protocol.md describes each request and its responses.

import type { TlsTexts } from "../security/tls.ts";
import type { HttpContext } from "./context.ts";
import { HttpError } from "./error.ts";
import { Listeners } from "./listeners.ts";
import { HTTP_COMMANDS, type HttpMetrics } from "./metrics.ts";
import { type LogResponse, RequestPipeline } from "./pipeline.ts";
import { createApi } from "./routes.ts";
import { loadingTable, servingTable, stoppingTable } from "./routing.ts";

/** A stopping server responds to clients for this time before it closes. */
const DRAIN_MS = 250;
/** A stopping server counts the requests in flight in this interval. */
const POLL_MS = 5;

export interface HttpEvents {
  /** After each response that is to be logged. */
  readonly answered?: LogResponse | undefined;
  /** An exception, which no request may cause. Its request has got a 500. */
  readonly failed: (error: unknown) => void;
}

export interface HttpServer {
  /** For example "http://0.0.0.0:7171", with the port that was opened if the option was 0. */
  readonly url: string;
  /** Serves all routes: the snapshot is loaded. Until then all but a few respond with 503. */
  ready(): void;
  /**
   * Applies reloaded credentials. Open streams of /events end, so that their clients reconnect with
   * the new token. With `tls`, opens a second listener with the new certificates; open connections
   * keep the old ones. The caller closes the old listener (listener-handover.ts).
   */
  renew(tls: TlsTexts | undefined): void;
  /**
   * Responds to requests in flight, and with 503 to new ones, then stops accepting. Requests that last
   * longer than `graceMs` are cut off. Resolves when all connections are closed.
   */
  stop(graceMs: number): Promise<void>;
}

/**
 * Opens the listener; several workers share its port. Throws as Bun.serve does, with a `code`, if the
 * address is not free.
 */
export function serveHttp(context: HttpContext, events: HttpEvents): HttpServer {
  const { config, service, metrics } = context;
  const listeners = new Listeners(config, errorHandler(metrics, events.failed));
  const pipeline = new RequestPipeline(context, listeners, events.answered);
  const { reject, large } = pipeline;
  const api = createApi({ ...context, reject, large, connections: listeners });
  const { routes, events: statsEvents } = api;
  const isLoading = service.state.phase === "loading";
  listeners.use(isLoading ? loadingTable(routes, pipeline) : servingTable(routes, pipeline));
  metrics.port = listeners.open(config.port, service.tls);
  return {
    url: listeners.url,
    ready() {
      listeners.use(servingTable(routes, pipeline));
    },
    renew(tls) {
      statsEvents.end();
      if (tls !== undefined) listeners.open(metrics.port, tls);
    },
    async stop(graceMs) {
      listeners.use(stoppingTable(routes, pipeline));
      statsEvents.end();
      await drain(listeners, graceMs);
      pipeline.stop();
    },
  };
}

/** Responds to an exception of a handler. */
function errorHandler(metrics: HttpMetrics, failed: HttpEvents["failed"]) {
  return (error: unknown): Response => {
    failed(error);
    metrics.record(HTTP_COMMANDS.indexOf("other"), 500, 0);
    return new HttpError(500, "the service failed; its log says where").toResponse();
  };
}

/** Lets requests in flight finish for at most `graceMs`, and closes all connections. */
async function drain(listeners: Listeners, graceMs: number): Promise<void> {
  const endMs = performance.now() + graceMs;
  // Bun closes a connection that looks idle though a request is unread in its socket: before that,
  // busy clients get a 503 that sends them elsewhere.
  await Bun.sleep(Math.min(DRAIN_MS, graceMs));
  // Not awaited: it would wait for connections that have never sent anything, too.
  void listeners.stop(false);
  while (listeners.pendingRequests > 0 && performance.now() < endMs) await Bun.sleep(POLL_MS);
  await listeners.stop(true);
}
