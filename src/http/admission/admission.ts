// What a request must pass before its call: the name that it gives the service, the place of its
// connection, its token, the page that sends it, and the time that there is for it.

import { type Access, mayDo } from "../../security/tokens.ts";
import type { Config } from "../../config/config.ts";
import type { Service } from "../../service/service.ts";

import type { ConnectionTable } from "./connection-table.ts";
import { keyOf } from "../../linux/endpoints.ts";
import type { Lateness } from "./load-shedding.ts";
import { hostNameOf, hostNamesOf, isForeign } from "./origin.ts";
import { Refusal, OVERLOADED } from "../error.ts";

/** What of a route decides who may call it, and when. */
export interface Guarded {
  readonly access: Access;
  /** Whether probes call it, by whatever name they know the service. */
  readonly isProbe?: boolean;
  /** Whether it is refused while the event loop is late. */
  readonly isShed?: boolean;
}

/** Who asks, if that is to be known: it costs a call of the runtime. */
export type Asker = (req: Request) => { address: string; port: number } | null;

export type Check = (req: Request, nowMs: number) => Refusal | undefined;

const BEARER = 'Bearer realm="ringcache"';
const NO_TOKEN = new Refusal(401, 'a token is needed: send "Authorization: Bearer TOKEN"', {
  reason: "no_token",
  headers: { "www-authenticate": BEARER },
});
const WRONG_TOKEN = new Refusal(401, "the token is wrong", {
  reason: "wrong_token",
  headers: { "www-authenticate": `${BEARER}, error="invalid_token"` },
});
const READ_ONLY = new Refusal(403, "this token may read; to change anything takes the other one", {
  reason: "read_only_token",
  headers: { "www-authenticate": `${BEARER}, error="insufficient_scope"` },
});
const FOREIGN = new Refusal(
  403,
  "a page of another origin may not change anything here; send it from no browser, or from the dashboard",
  { reason: "foreign_origin" },
);

export class Guard {
  readonly #service: Service;
  readonly #hostNames: ReadonlySet<string> | undefined;
  readonly #connections: ConnectionTable;
  readonly #lateness: Lateness;
  readonly #asker: Asker;
  readonly #tooMany: Refusal;

  constructor(
    config: Config,
    service: Service,
    lateness: Lateness,
    connections: ConnectionTable,
    asker: Asker,
  ) {
    this.#service = service;
    this.#hostNames = hostNamesOf(config.allowedHosts);
    this.#connections = connections;
    this.#lateness = lateness;
    this.#asker = asker;
    const most = `${config.maxConnections} connections, the limit set by --max-connections`;
    this.#tooMany = new Refusal(503, `the port has ${most}; close one, or come again`, {
      reason: "connections",
      headers: { "retry-after": "1", connection: "close" },
    });
  }

  /** What refuses the requests of a route. */
  of({ access, isProbe = false, isShed = false }: Guarded): Check {
    const { tokens } = this.#service;
    return (req, nowMs) => {
      if (this.#connections.isExceeded && !this.#mayStay(req)) return this.#tooMany;
      if (isShed && this.#lateness.refuses(nowMs)) return OVERLOADED;
      if (this.#hostNames !== undefined && !isProbe) {
        const name = hostNameOf(req.headers.get("host"));
        if (!this.#hostNames.has(name)) return unknownHost(name);
      }
      if (tokens.areNeeded && access !== "open") {
        const refusal = this.#checkToken(req.headers.get("authorization"), access);
        if (refusal !== undefined) return refusal;
      }
      return access === "write" && isForeign(req.headers) ? FOREIGN : undefined;
    };
  }

  /** A connection that has ended meanwhile has no address, and its answer no reader. */
  #mayStay(req: Request): boolean {
    const asker = this.#asker(req);
    return asker === null || this.#connections.mayStay(keyOf(asker));
  }

  #checkToken(header: string | null, access: Access): Refusal | undefined {
    const token = /^Bearer +(.+)$/i.exec(header ?? "")?.[1];
    if (token === undefined) return NO_TOKEN;
    const has = this.#service.tokens.accessOf(token);
    if (has === undefined) return WRONG_TOKEN;
    return mayDo(has, access) ? undefined : READ_ONLY;
  }
}

function unknownHost(name: string): Refusal {
  const shown = JSON.stringify(name.slice(0, 64));
  return new Refusal(403, `the service is not called ${shown}; --allowed-hosts says what it is`, {
    reason: "unknown_host",
  });
}
