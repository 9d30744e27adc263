// The listeners of one worker: one at the start, and one more for each renewal of the certificates.
// All of them serve the same routing table.

import type { Config } from "../config/config.ts";
import { bunTlsOf, type TlsTexts } from "../security/tls.ts";
import type { Connections } from "./connections.ts";
import { LOADING } from "./error.ts";
import type { RoutingTable } from "./routing.ts";

export class Listeners implements Connections {
  readonly #config: Config;
  readonly #onError: (error: unknown) => Response;
  readonly #servers: Bun.Server<undefined>[] = [];
  #table: RoutingTable = { routes: {}, fetch: () => LOADING.toResponse() };

  constructor(config: Config, onError: (error: unknown) => Response) {
    this.#config = config;
    this.#onError = onError;
  }

  /** The URL of the first listener, with its port. */
  get url(): string {
    return this.#servers[0]?.url.origin ?? "";
  }

  get pendingRequests(): number {
    return this.#servers.reduce((sum, server) => sum + server.pendingRequests, 0);
  }

  /** Opens a listener and returns its port. Throws as Bun.serve does, with a `code`. */
  open(port: number, tls: TlsTexts | undefined): number {
    const { host, idleTimeout, http2, workers } = this.#config;
    const server = Bun.serve({
      port,
      hostname: host,
      idleTimeout,
      development: false,
      // Without development, Bun 1.4.5 shares the port unless this is false: a second service would
      // get half of the connections unnoticed. Workers share the port, and so does a listener with
      // the one whose certificates it renews; port-claim.ts keeps other services off the port.
      reusePort: workers > 1 || tls !== undefined,
      // Bun's own limit responds without a body; body.ts enforces --max-body-bytes.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      ...(http2 ? { http2: true } : {}),
      ...(tls === undefined ? {} : { tls: bunTlsOf(tls) }),
      ...this.#table,
      error: this.#onError,
    });
    this.#servers.push(server);
    return server.port ?? 0;
  }

  /** Serves this table from now on. */
  use(table: RoutingTable): void {
    this.#table = table;
    for (const server of this.#servers) server.reload(table);
  }

  /** The runtime finds the connection of a request by itself: any listener will do. */
  setTimeout(req: Request, seconds: number): void {
    this.#servers[0]?.timeout(req, seconds);
  }

  clientAddressOf(req: Request): { address: string; port: number } | null {
    for (const server of this.#servers) {
      const address = server.requestIP(req);
      if (address !== null) return address;
    }
    return null;
  }

  /** Stops accepting. `isAbrupt`: closes all connections too. */
  async stop(isAbrupt: boolean): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop(isAbrupt)));
  }
}
