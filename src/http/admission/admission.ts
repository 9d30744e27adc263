// The checks of a request before its handler runs, in this order: the number of connections, the load
// of the event loop, the Host, the token, and the origin of the page that sends it.

import { keyOf } from "../../linux/endpoints.ts";
import { type Access, mayDo } from "../../security/tokens.ts";
import type { Service } from "../../service/service.ts";
import type { Connections } from "../connections.ts";
import type { HttpContext } from "../context.ts";
import { HttpError, OVERLOADED } from "../error.ts";
import type { ConnectionTable } from "./connection-table.ts";
import type { LoadShedder } from "./load-shedding.ts";
import { hostNameOf, hostNamesOf, isForeign } from "./origin.ts";

/** The properties of a route that decide which requests it takes, and when. */
export interface AdmissionRule {
  readonly access: Access;
  /** Whether its requests may change entries though a token that may only read is enough for some. */
  readonly mayChange?: boolean;
  /** Whether a request needs "write" in place of `access`. */
  readonly needsWrite?: (req: Request) => boolean;
  /** Whether probes call it: they may use any name of the service. */
  readonly isProbe?: boolean;
  /** Whether its requests are rejected while the event loop is late. */
  readonly isSheddable?: boolean;
}

/** Returns the error of a request that is not admitted. */
export type Check = (req: Request, nowMs: number) => HttpError | undefined;

const BEARER = 'Bearer realm="ringcache"';
const NO_TOKEN = new HttpError(401, 'a token is needed: send "Authorization: Bearer TOKEN"', {
  reason: "no_token",
  headers: { "www-authenticate": BEARER },
});
const WRONG_TOKEN = new HttpError(401, "the token is wrong", {
  reason: "wrong_token",
  headers: { "www-authenticate": `${BEARER}, error="invalid_token"` },
});
const READ_ONLY = new HttpError(
  403,
  "this token may only read; to change entries, send the token of --auth-token",
  {
    reason: "read_only_token",
    headers: { "www-authenticate": `${BEARER}, error="insufficient_scope"` },
  },
);
const FOREIGN = new HttpError(
  403,
  "a page of another origin may not change anything; use the dashboard, or a client that is no browser",
  { reason: "foreign_origin" },
);

export class AdmissionControl {
  readonly #service: Service;
  readonly #hostNames: ReadonlySet<string> | undefined;
  readonly #table: ConnectionTable;
  readonly #connections: Pick<Connections, "clientAddressOf">;
  readonly #shedder: LoadShedder;
  readonly #tooManyConnections: HttpError;

  constructor(
    { config, service, metrics }: HttpContext,
    shedder: LoadShedder,
    connections: Pick<Connections, "clientAddressOf">,
  ) {
    this.#service = service;
    this.#hostNames = hostNamesOf(config.allowedHosts);
    this.#table = metrics.connections;
    this.#connections = connections;
    this.#shedder = shedder;
    const limit = `${config.maxConnections} connections, the limit set by --max-connections`;
    this.#tooManyConnections = new HttpError(
      503,
      `the port has ${limit}; close one, or retry in 1 s`,
      { reason: "connections", headers: { "retry-after": "1", connection: "close" } },
    );
  }

  /** Returns the check of the requests of a route. */
  checkOf(rule: AdmissionRule): Check {
    const { access: usual, needsWrite, isProbe = false, isSheddable = false } = rule;
    const { tokens } = this.#service;
    return (req, nowMs) => {
      const access = needsWrite?.(req) === true ? "write" : usual;
      const { mayChange = access === "write" } = rule;
      if (this.#table.isExceeded && !this.#mayStay(req)) return this.#tooManyConnections;
      if (isSheddable && this.#shedder.shouldReject(nowMs)) return OVERLOADED;
      if (this.#hostNames !== undefined && !isProbe) {
        const name = hostNameOf(req.headers.get("host"));
        if (!this.#hostNames.has(name)) return unknownHost(name);
      }
      if (tokens.areNeeded && access !== "open") {
        const error = this.#checkToken(req.headers.get("authorization"), access);
        if (error !== undefined) return error;
      }
      return mayChange && isForeign(req.headers) ? FOREIGN : undefined;
    };
  }

  /** A connection that has closed has no address, and nobody reads its response. */
  #mayStay(req: Request): boolean {
    const address = this.#connections.clientAddressOf(req);
    return address === null || this.#table.mayStay(keyOf(address));
  }

  #checkToken(header: string | null, access: Access): HttpError | undefined {
    const token = /^Bearer +(.+)$/i.exec(header ?? "")?.[1];
    if (token === undefined) return NO_TOKEN;
    const granted = this.#service.tokens.accessOf(token);
    if (granted === undefined) return WRONG_TOKEN;
    return mayDo(granted, access) ? undefined : READ_ONLY;
  }
}

function unknownHost(name: string): HttpError {
  const shown = JSON.stringify(name.slice(0, 64));
  return new HttpError(403, `the service has no name ${shown}; --allowed-hosts lists its names`, {
    reason: "unknown_host",
  });
}
