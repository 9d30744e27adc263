// What a request must pass before its call: the name that it gives the service, the place of its
// connection, its token, the page that sends it, and the time that there is for it.

import { type Access, mayDo } from "../../security/tokens.ts";
import type { Config } from "../../config/config.ts";
import type { Service } from "../../service/service.ts";

import type { ConnectionTable } from "./connection-table.ts";
import { keyOf } from "../../linux/endpoints.ts";
import type { LoadShedder } from "./load-shedding.ts";
import { hostNameOf, hostNamesOf, isForeign } from "./origin.ts";
import { HttpError, OVERLOADED } from "../error.ts";

/** What of a route decides who may call it, and when. */
export interface AdmissionRule {
  readonly access: Access;
  /** Whether probes call it, by whatever name they know the service. */
  readonly isProbe?: boolean;
  /** Whether it is refused while the event loop is late. */
  readonly isSheddable?: boolean;
}

/** Who asks, if that is to be known: it costs a call of the runtime. */
export type Asker = (req: Request) => { address: string; port: number } | null;

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
  "this token may read; to change anything takes the other one",
  {
    reason: "read_only_token",
    headers: { "www-authenticate": `${BEARER}, error="insufficient_scope"` },
  },
);
const FOREIGN = new HttpError(
  403,
  "a page of another origin may not change anything here; send it from no browser, or from the dashboard",
  { reason: "foreign_origin" },
);

export class AdmissionControl {
  readonly #service: Service;
  readonly #hostNames: ReadonlySet<string> | undefined;
  readonly #connections: ConnectionTable;
  readonly #shedder: LoadShedder;
  readonly #asker: Asker;
  readonly #tooMany: HttpError;

  constructor(
    config: Config,
    service: Service,
    shedder: LoadShedder,
    connections: ConnectionTable,
    asker: Asker,
  ) {
    this.#service = service;
    this.#hostNames = hostNamesOf(config.allowedHosts);
    this.#connections = connections;
    this.#shedder = shedder;
    this.#asker = asker;
    const most = `${config.maxConnections} connections, the limit set by --max-connections`;
    this.#tooMany = new HttpError(503, `the port has ${most}; close one, or come again`, {
      reason: "connections",
      headers: { "retry-after": "1", connection: "close" },
    });
  }

  /** What refuses the requests of a route. */
  of({ access, isProbe = false, isSheddable = false }: AdmissionRule): Check {
    const { tokens } = this.#service;
    return (req, nowMs) => {
      if (this.#connections.isExceeded && !this.#mayStay(req)) return this.#tooMany;
      if (isSheddable && this.#shedder.refuses(nowMs)) return OVERLOADED;
      if (this.#hostNames !== undefined && !isProbe) {
        const name = hostNameOf(req.headers.get("host"));
        if (!this.#hostNames.has(name)) return unknownHost(name);
      }
      if (tokens.areNeeded && access !== "open") {
        const httpError = this.#checkToken(req.headers.get("authorization"), access);
        if (httpError !== undefined) return httpError;
      }
      return access === "write" && isForeign(req.headers) ? FOREIGN : undefined;
    };
  }

  /** A connection that has ended meanwhile has no address, and its answer no reader. */
  #mayStay(req: Request): boolean {
    const asker = this.#asker(req);
    return asker === null || this.#connections.mayStay(keyOf(asker));
  }

  #checkToken(header: string | null, access: Access): HttpError | undefined {
    const token = /^Bearer +(.+)$/i.exec(header ?? "")?.[1];
    if (token === undefined) return NO_TOKEN;
    const has = this.#service.tokens.accessOf(token);
    if (has === undefined) return WRONG_TOKEN;
    return mayDo(has, access) ? undefined : READ_ONLY;
  }
}

function unknownHost(name: string): HttpError {
  const shown = JSON.stringify(name.slice(0, 64));
  return new HttpError(403, `the service is not called ${shown}; --allowed-hosts says what it is`, {
    reason: "unknown_host",
  });
}
