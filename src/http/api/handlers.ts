// The handlers of all routes: a request or its JSON body in, a response out.

import type { Config } from "../../config/config.ts";
import type { Service } from "../../service/service.ts";
import type { HandlerContext } from "../context.ts";
import { HttpError } from "../error.ts";
import type { Handler } from "../handler.ts";
import { ValueHandlers } from "../values/handlers.ts";
import { DRAINING } from "./entry-errors.ts";
import { createEntryHandlers, type EntryHandlers } from "./entry-handlers.ts";
import { createLeaseHandlers, type LeaseHandlers } from "./lease-handlers.ts";
import { createKeyspaceHandlers, type KeyspaceHandlers } from "./keyspace-handlers.ts";
import { longJsonOf, ok } from "./respond.ts";
import { ringOf, rounded, statsOf } from "./stats.ts";

const NO_FOLDER = new HttpError(
  409,
  "there is no folder to save to; start the service with --data-dir",
);

export interface Handlers
  extends
    EntryHandlers,
    KeyspaceHandlers,
    Pick<LeaseHandlers, "release" | "invalidate">,
    Readonly<Record<"snapshot" | "stats" | "ring" | "health", Handler>> {
  /** The handlers of /cache/{key}. */
  readonly values: Pick<ValueHandlers, "get" | "put" | "delete">;
}

/** Creates the handlers of one worker. */
export function createHandlers(context: HandlerContext): Handlers {
  const { cache, config, service, large } = context;
  const ring: Handler = (req) => longJsonOf({ status: "OK", ...ringOf(cache) }, req, large, ring);
  return {
    ...(context.createUpstreamHandlers?.(context) ?? createLocalHandlers(context)),
    stats: () => ok(statsOf(cache, config, service)),
    ring,
  };
}

/** Creates the handlers that differ with --upstream. */
function createLocalHandlers(context: HandlerContext) {
  const { config, service } = context;
  const leaseHandlers = createLeaseHandlers(context);
  return {
    ...createEntryHandlers(context, leaseHandlers.getWithOptions),
    ...leaseHandlers,
    ...createKeyspaceHandlers(context),
    values: new ValueHandlers(context),
    snapshot: () => snapshot(config, service),
    health: () => (service.state.phase === "draining" ? DRAINING.toResponse() : ok()),
  };
}

async function snapshot(config: Config, service: Service): Promise<Response> {
  if (config.dataDir === "") return NO_FOLDER.toResponse();
  const outcome = await service.save();
  if (!outcome.isSaved) {
    const kept = outcome.keepsLast === true ? "; the last good snapshot stays" : "";
    return new HttpError(503, `the snapshot failed: ${outcome.reason}${kept}`).toResponse();
  }
  const { entries, bytes, tookMs } = outcome;
  return ok({ entries, bytes, ms: rounded(tookMs) });
}
