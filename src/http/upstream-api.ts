// What the routes need with --upstream. http/upstream/ has the implementation, which is imported only then.

import type { Cache } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import type { Service } from "../service/service.ts";
import type { Reject } from "./error.ts";
import type { BodyHandler, Handler } from "./handler.ts";
import type { LargeResponses } from "./large-responses.ts";

export interface UpstreamApiParts {
  readonly cache: Cache;
  readonly config: Config;
  readonly service: Service;
  readonly reject: Reject;
  readonly large: LargeResponses;
}

/** The handlers that take the place of those of a node that holds the entries itself. */
export interface UpstreamHandlers extends Readonly<
  Record<"put" | "delete" | "mput" | "mget" | "incr" | "setTtl", BodyHandler> &
    Record<"release" | "invalidate", BodyHandler> &
    Record<"get" | "deleteByQuery" | "ttl" | "removeTtl" | "entry" | "keys" | "flush", Handler> &
    Record<"snapshot" | "health", Handler>
> {
  /** The handlers of /cache/{key}. */
  readonly values: Readonly<Record<"get" | "put" | "delete", () => Response>>;
}

export type CreateUpstreamHandlers = (parts: UpstreamApiParts) => UpstreamHandlers;
