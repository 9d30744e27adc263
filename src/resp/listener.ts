// The socket that listens for clients of the Redis protocol.

import type { Socket, TCPSocketListener } from "bun";

import type { Config } from "../config/config.ts";
import { bunTlsOf, type TlsTexts } from "../security/tls.ts";
import type { Connection } from "./connection.ts";

export type Handlers = Parameters<typeof Bun.listen<Connection | undefined>>[0]["socket"];

/** Shares the port with those of other workers, and of other certificates. Throws as Bun.listen does. */
export function listen(
  config: Config,
  port: number,
  tls: TlsTexts | undefined,
  handlers: Handlers,
): TCPSocketListener<Connection | undefined> {
  // Not among the types: reusePort is how Bun.serve names it, and works here.
  const options = {
    hostname: config.host,
    port,
    reusePort: config.workers > 1 || tls !== undefined,
    ...(tls === undefined ? {} : { tls: bunTlsOf(tls) }),
    // Where it is asked to tell of handshakes, Bun tells of a connection before its own: one that never
    // begins it counts as any other.
    socket: {
      ...handlers,
      handshake(socket: Socket<Connection | undefined>, isDone: boolean, error: Error | null) {
        if (tls?.ca !== undefined && (!isDone || error !== null)) socket.terminate();
        else if (socket.data !== undefined) socket.data.isReady = true;
      },
    },
  };
  return Bun.listen(options);
}
