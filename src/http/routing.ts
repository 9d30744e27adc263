// The routing tables of Bun.serve: one while the snapshot is loaded, one while the service serves, and
// one while it stops.

import { pathOf } from "./api/decode.ts";
import { HttpError, LOADING, STOPPING } from "./error.ts";
import type { Handler } from "./handler.ts";
import type { RequestPipeline } from "./pipeline.ts";
import type { Method, Route } from "./route.ts";

/** Handlers by path and method. */
type Routes = Record<string, Partial<Record<Method, Handler>>>;

export interface RoutingTable {
  readonly routes: Routes;
  /** Handles each request that no route takes. */
  readonly fetch: Handler;
}

export function servingTable(routes: readonly Route[], pipeline: RequestPipeline): RoutingTable {
  const table = tableOf(routes, pipeline);
  const handle = noSuchRoute(table);
  return { routes: table, fetch: pipeline.handlerOf({ command: "other", access: "read", handle }) };
}

export function loadingTable(routes: readonly Route[], pipeline: RequestPipeline): RoutingTable {
  const open = routes.filter(({ whileLoading }) => whileLoading === true);
  return rejectingTable(open, LOADING, pipeline);
}

export function stoppingTable(routes: readonly Route[], pipeline: RequestPipeline): RoutingTable {
  const open = routes.filter(({ path }) => path === "/livez");
  return rejectingTable(open, STOPPING, pipeline);
}

/** Serves these routes, and responds with the error to all other requests, with or without a token. */
function rejectingTable(
  routes: readonly Route[],
  error: HttpError,
  pipeline: RequestPipeline,
): RoutingTable {
  const handle = () => error.toResponse();
  return {
    routes: tableOf(routes, pipeline),
    fetch: pipeline.handlerOf({ command: "other", access: "open", handle }),
  };
}

function tableOf(routes: readonly Route[], pipeline: RequestPipeline): Routes {
  const table: Routes = {};
  for (const route of routes) {
    const handle = pipeline.handlerOf(route);
    for (const path of [route.path, route.wildcard ?? route.path]) {
      (table[path] ??= {})[route.method] = handle;
    }
  }
  return table;
}

/** Returns the handler of an unknown path, and of a wrong method on a known path. */
function noSuchRoute(routes: Routes): Handler {
  const names = Object.keys(routes);
  const wildcards = names.filter((path) => path.endsWith("/*"));
  const paths = names
    .filter((path) => !path.includes(":"))
    .map((path) => path.replace("/*", "/{key}"))
    .join(", ");
  return (req) => {
    const path = pathOf(req.url);
    const pattern = wildcards.find((wildcard) => path.startsWith(wildcard.slice(0, -1))) ?? path;
    const known = Object.hasOwn(routes, pattern) ? routes[pattern] : undefined;
    const methods = Object.keys(known ?? {}).flatMap((name) =>
      name === "GET" ? ["GET", "HEAD"] : [name],
    );
    // A right method gets here by a path that is a known one only once it is normalized, such as "/./get".
    if (known === undefined || methods.includes(req.method)) {
      return new HttpError(404, `no such path; there are ${paths}`).toResponse();
    }
    const allow = methods.join(", ");
    const message = `${req.method} is not allowed on ${path}; use ${allow}`;
    return new HttpError(405, message, { headers: { allow } }).toResponse();
  };
}
