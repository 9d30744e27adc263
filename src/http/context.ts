// The objects that the parts of one worker's HTTP server share.

import type { Cache } from "../cache/cache.ts";
import type { Waiters } from "../caching/waiters.ts";
import type { Config } from "../config/config.ts";
import type { MetricsContext } from "../metrics/metric.ts";
import type { Service } from "../service/service.ts";
import type { Connections } from "./connections.ts";
import type { Reject } from "./error.ts";
import type { LargeResponses } from "./large-responses.ts";
import type { HttpMetrics } from "./metrics.ts";
import type { RedisCommands } from "./redis-commands.ts";
import type { CreateUpstreamHandlers } from "./upstream-api.ts";

export interface HttpContext {
  readonly cache: Cache;
  readonly config: Config;
  readonly service: Service;
  /** The commands of the Redis port, for /redis. */
  readonly redis: RedisCommands;
  /** The requests of both ports that wait for a value. */
  readonly waiters: Waiters;
  /** Undefined without --upstream. */
  readonly createUpstreamHandlers?: CreateUpstreamHandlers | undefined;
  /** The counters of this protocol. */
  readonly metrics: HttpMetrics;
  /** The sources of /metrics and /events. */
  readonly metricsContext: MetricsContext;
}

/** The context of the handlers of the routes. */
export interface HandlerContext extends HttpContext {
  readonly reject: Reject;
  readonly large: LargeResponses;
  readonly connections: Pick<Connections, "setTimeout">;
}
