// The list of the connections of a port.

import { describe, expect, test } from "bun:test";
import type { Socket } from "bun";

import { connectionLister } from "../../../src/linux/connections.ts";
import { keyOf } from "../../../src/linux/endpoints.ts";
import { tcpSocketsOn } from "../../../src/linux/proc-net.ts";

const SILENT = { socket: { data() {} } };

function connectTo(port: number): Promise<Socket> {
  return Bun.connect({ hostname: "127.0.0.1", port, ...SILENT });
}

function listenOn(hostname: string) {
  return Bun.listen({ hostname, port: 0, ...SILENT });
}

describe.skipIf(process.platform !== "linux")("the list of a port's connections", () => {
  const list = connectionLister();

  for (const hostname of ["127.0.0.1", "::"]) {
    test(`has the clients of that port, and of no other (on ${hostname})`, async () => {
      using server = listenOn(hostname);
      using other = listenOn(hostname);
      const clients = await Promise.all([1, 2, 3].map(() => connectTo(server.port)));
      const others = await Promise.all([1, 2].map(() => connectTo(other.port)));
      const keys: string[] = [];
      expect(list?.(server.port, (key) => keys.push(key))).toBe(3);
      const expected = clients.map(({ localPort: port }) => keyOf({ address: "127.0.0.1", port }));
      expect(keys.toSorted()).toEqual(expected.toSorted());
      for (const client of [...clients, ...others]) client.terminate();
    });
  }

  test("has no closed connection, though its port waits for late packets", async () => {
    const ended = Promise.withResolvers<void>();
    using server = Bun.listen({
      ...{ hostname: "127.0.0.1", port: 0 },
      // The side that closes first waits.
      socket: { open: (socket) => void socket.end(), data() {}, close: () => ended.resolve() },
    });
    const client = await connectTo(server.port);
    client.end();
    await ended.promise;
    const { port } = server;
    while (tcpSocketsOn(port, "connected").length > 0) await Bun.sleep(1);
    expect(tcpSocketsOn(port, "waiting")).toHaveLength(1);
    expect(list?.(port, undefined)).toBe(0);
  });
});
