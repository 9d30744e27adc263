// The way of a request: admission → body → handler of the route → counters and log → response.

import { edenGC, fullGC } from "bun:jsc";

import { AdmissionControl } from "./admission/admission.ts";
import { BodyBudget } from "./admission/body-budget.ts";
import { LoadShedder } from "./admission/load-shedding.ts";
import { pathOf } from "./api/decode.ts";
import {
  afterBody,
  type BodyContext,
  handlerOfBody,
  handlerOfBytes,
  listHandler,
  objectHandler,
} from "./body.ts";
import { shapeOf, shapeOfCommands } from "./body-shape.ts";
import type { Connections } from "./connections.ts";
import type { HttpContext } from "./context.ts";
import type { HttpError } from "./error.ts";
import type { Handler, RecordResponse, TimedHandler } from "./handler.ts";
import { LargeResponses } from "./large-responses.ts";
import { HTTP_COMMANDS } from "./metrics.ts";
import { ParseTurns } from "./parse-turns.ts";
import type { Route, RouteHandler } from "./route.ts";

/** Logs a response; `ms` is the time from the request's head to its response. */
export type LogResponse = (method: string, path: string, status: number, ms: number) => void;

/** The properties of a route that the pipeline needs. */
export type ServedRoute = Pick<
  Route,
  "command" | "access" | "mayChange" | "needsWrite" | "isProbe" | "isSheddable"
> &
  Partial<Pick<Route, "method">> &
  RouteHandler;

export class RequestPipeline {
  readonly large: LargeResponses;
  readonly #context: HttpContext;
  readonly #logResponse: LogResponse | undefined;
  readonly #admission: AdmissionControl;
  readonly #budget: BodyBudget;
  readonly #bodies: BodyContext;

  constructor(
    context: HttpContext,
    connections: Connections,
    logResponse: LogResponse | undefined,
  ) {
    const { config, service } = context;
    const { reject } = this;
    this.#context = context;
    this.#logResponse = logResponse;
    const shedder = new LoadShedder(config.shedAfterMs || Infinity, service.lag);
    const budget = new BodyBudget(service.budget, { young: edenGC, all: fullGC });
    const renewTimeout = (req: Request) => connections.setTimeout(req, config.idleTimeout);
    const { maxBodyBytes } = config;
    const parseTurns = new ParseTurns();
    this.#budget = budget;
    this.#bodies = { maxBodyBytes, budget, parseTurns, shedder, reject, renewTimeout };
    this.large = new LargeResponses(budget, reject, connections, config.idleTimeout);
    this.#admission = new AdmissionControl(context, shedder, connections);
  }

  /** Makes the response of an error, and counts the error if it has a reason. */
  readonly reject = (error: HttpError): Response => {
    if (error.reason !== undefined) this.#context.service.rejections.add("http", error.reason);
    return error.toResponse();
  };

  /** Returns the handler of a route, whose requests are checked, counted and timed. */
  handlerOf(route: ServedRoute): Handler {
    const { reject } = this;
    const { activity } = this.#context.service;
    const bodies = this.#bodies;
    const check = this.#admission.checkOf(route);
    const record = this.#recorderOf(route);
    const handle = this.#timedHandlerOf(route, record);
    return (req) => {
      activity.happened();
      const startMs = performance.now();
      const error = check(req, startMs);
      if (error === undefined) return handle(req, startMs);
      return afterBody(bodies, req, () => record(req, reject(error), startMs));
    };
  }

  /** Ends all waits for room. */
  stop(): void {
    this.#budget.stop();
  }

  #recorderOf({ command }: ServedRoute): RecordResponse {
    const { config, metrics } = this.#context;
    const logResponse = this.#logResponse;
    const slowMs = config.slowMs === 0 ? Infinity : config.slowMs;
    const commandIndex = HTTP_COMMANDS.indexOf(command);
    return (req, response, startMs) => {
      const ms = performance.now() - startMs;
      const { status } = response;
      metrics.record(commandIndex, status, ms);
      if (logResponse !== undefined && (config.logRequests || ms >= slowMs)) {
        logResponse(req.method, pathOf(req.url), status, ms);
      }
      return response;
    };
  }

  #timedHandlerOf(route: ServedRoute, record: RecordResponse): TimedHandler {
    const bodies = this.#bodies;
    if ("handleBody" in route) {
      const shape = shapeOf(route.body, this.#context.config.maxBatchEntries);
      return handlerOfBody(bodies, shape, objectHandler(route), record);
    }
    if ("handleList" in route) {
      const shape = shapeOfCommands(this.#context.config.maxBatchEntries);
      return handlerOfBody(bodies, shape, listHandler(route.handleList), record);
    }
    if ("handleBytes" in route) {
      return handlerOfBytes(bodies, route.maxBytes, route.tooLarge, route.handleBytes, record);
    }
    const handle: TimedHandler = (req, startMs) => {
      const response = route.handle(req);
      if (response instanceof Response) return record(req, response, startMs);
      return response.then((later) => record(req, later, startMs));
    };
    // The runtime discards the body of a GET, and hides it.
    if (route.method === "GET") return handle;
    return (req, startMs) => afterBody(bodies, req, () => handle(req, startMs));
  }
}
