// Connections that listen for all invalidations of a redis-server, and drop what they receive.

import { until } from "../../test/lib/until.ts";

export interface Listeners extends AsyncDisposable {
  /** Bytes that all of them have received. */
  bytes(): number;
}

const BEGIN =
  "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*4\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n$5\r\nBCAST\r\n";

export async function startListeners(port: number, count: number): Promise<Listeners> {
  let bytes = 0;
  let begun = 0;
  const sockets = await Promise.all(
    Array.from({ length: count }, () =>
      Bun.connect({
        hostname: "127.0.0.1",
        port,
        socket: {
          data(_socket, chunk) {
            bytes += chunk.length;
            if (chunk.length < 1000 && chunk.includes("+OK")) begun++;
          },
        },
      }),
    ),
  );
  for (const socket of sockets) socket.write(BEGIN);
  await until("all connections track", () => begun >= count);
  return {
    bytes: () => bytes,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.end();
    },
  };
}
