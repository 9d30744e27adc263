// The listening socket of the Redis port.

import type { Socket, TCPSocketListener } from "bun";

import type { Config } from "../config/config.ts";
import { bunTlsOf, type TlsTexts } from "../security/tls.ts";
import type { Connection } from "./connection.ts";

export type Handlers = Parameters<typeof Bun.listen<Connection | undefined>>[0]["socket"];

/** Opens a listener on a port that other workers and listeners share. Throws the errors of Bun.listen. */
export function listen(
  config: Config,
  port: number,
  tls: TlsTexts | undefined,
  handlers: Handlers,
): TCPSocketListener<Connection | undefined> {
  // Bun's types lack reusePort here. Bun.serve has an option of this name, which works here too.
  const options = {
    hostname: config.host,
    port,
    reusePort: config.workers > 1 || tls !== undefined,
    ...(tls === undefined ? {} : { tls: bunTlsOf(tls) }),
    // With a handshake handler, Bun opens a connection before its handshake. So a client that never begins
    // the handshake counts as a connection too.
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
