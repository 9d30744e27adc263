// The handlers of all routes: a request or its JSON body in, a response out.

import type { Config } from "../../config/config.ts";
import type { Service } from "../../service/service.ts";
import type { HandlerContext } from "../context.ts";
import { HttpError } from "../error.ts";
import type { Handler } from "../handler.ts";
import { createEntryHandlers, type EntryHandlers } from "./entry-handlers.ts";
import { createLeaseHandlers, type LeaseHandlers } from "./lease-handlers.ts";
import { createKeyspaceHandlers, type KeyspaceHandlers } from "./keyspace-handlers.ts";
import { longJsonOf, ok } from "./respond.ts";
import { ringOf, rounded, statsOf } from "./stats.ts";
import { leftOut, UpstreamCalls } from "../upstream/calls.ts";
import { UpstreamEntries } from "../upstream/entries.ts";
import { UpstreamKeyspace } from "../upstream/keyspace.ts";
import type { Upstream } from "../../upstream/upstream.ts";

/** Only probes get this: the service serves all other requests. */
const DRAINING = new HttpError(503, "draining", { headers: { "retry-after": "1" } });
const NO_UPSTREAM = new HttpError(503, "the upstream is not connected yet", {
  headers: { "retry-after": "1" },
});
const NO_FOLDER = new HttpError(
  409,
  "there is no folder to save to; start the service with --data-dir",
);

export interface Handlers
  extends
    EntryHandlers,
    KeyspaceHandlers,
    Pick<LeaseHandlers, "release" | "invalidate">,
    Readonly<Record<"snapshot" | "stats" | "ring" | "health", Handler>> {}

/** Creates the handlers of one worker. */
export function createHandlers(context: HandlerContext): Handlers {
  const { cache, config, service, large } = context;
  const ring: Handler = (req) => longJsonOf({ status: "OK", ...ringOf(cache) }, req, large, ring);
  const { upstream } = context;
  return {
    ...(upstream === undefined
      ? createLocalHandlers(context)
      : createUpstreamHandlers(context, upstream)),
    snapshot: () => {
      return upstream === undefined
        ? snapshot(config, service)
        : leftOut("a snapshot").toResponse();
    },
    stats: () => ok(statsOf(cache, config, service)),
    ring,
    health: () => {
      if (service.state.phase === "draining") return DRAINING.toResponse();
      return upstream === undefined ? ok() : upstreamHealth(upstream);
    },
  };
}

function createUpstreamHandlers(context: HandlerContext, upstream: Upstream) {
  const calls = new UpstreamCalls(upstream, context.reject);
  return {
    ...new UpstreamEntries(context, calls),
    ...new UpstreamKeyspace(context, calls),
    release: () => context.reject(leftOut("a lease")),
  };
}

function createLocalHandlers(context: HandlerContext) {
  const leaseHandlers = createLeaseHandlers(context);
  return {
    ...createEntryHandlers(context, leaseHandlers.getWithOptions),
    ...leaseHandlers,
    ...createKeyspaceHandlers(context),
  };
}

/**
 * A node is ready as soon as it knows the upstream. It stays ready while the upstream fails: if all nodes went
 * unready at once, the load balancer would have none left.
 */
function upstreamHealth(upstream: Upstream): Response {
  if (!upstream.isConnected) return NO_UPSTREAM.toResponse();
  return ok({ upstream: upstream.isDegraded ? "degraded" : "ok" });
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
