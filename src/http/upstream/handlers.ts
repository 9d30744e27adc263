// All handlers that differ with --upstream.

import type { Upstream } from "../../upstream/upstream.ts";
import { DRAINING } from "../api/entry-errors.ts";
import { ok } from "../api/respond.ts";
import { HttpError } from "../error.ts";
import type { UpstreamApiParts, UpstreamHandlers } from "../upstream-api.ts";
import { leftOut, UpstreamCalls } from "./calls.ts";
import { UpstreamEntries } from "./entries.ts";
import { UpstreamKeyspace } from "./keyspace.ts";

const NO_UPSTREAM = new HttpError(503, "the upstream is not connected yet", {
  headers: { "retry-after": "1" },
});

/** Creates the handlers of one worker. */
export function createUpstreamHandlers(
  upstream: Upstream,
  parts: UpstreamApiParts,
): UpstreamHandlers {
  const calls = new UpstreamCalls(upstream, parts.reject, parts.service.budget);
  const value = (): Response => parts.reject(leftOut("/cache/{key}"));
  return {
    ...new UpstreamEntries(parts, calls),
    ...new UpstreamKeyspace(parts, calls),
    values: { get: value, put: value, delete: value },
    release: () => parts.reject(leftOut("a lease")),
    snapshot: () => parts.reject(leftOut("a snapshot")),
    health: () => {
      if (parts.service.state.phase === "draining") return DRAINING.toResponse();
      return upstreamHealth(upstream);
    },
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
