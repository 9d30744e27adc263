// The watch over the number of HTTP connections: what counts, and which connections may stay.

import { describe, expect, test } from "bun:test";
import type { Socket } from "bun";

import { connectionLister } from "../../../src/linux/connections.ts";
import {
  allocateConnections,
  ConnectionTable,
} from "../../../src/http/admission/connection-table.ts";
import { keyOf } from "../../../src/linux/endpoints.ts";
import { tcpSocketsOn } from "../../../src/linux/proc-net.ts";
import { connect } from "../../lib/raw.ts";
import { serve } from "../../lib/service.ts";

const isLinux = process.platform === "linux";
const SILENT = { socket: { data() {} } };

function connectTo(port: number): Promise<Socket> {
  return Bun.connect({ hostname: "127.0.0.1", port, ...SILENT });
}

function listenOn(hostname: string) {
  return Bun.listen({ hostname, port: 0, ...SILENT });
}

describe.skipIf(!isLinux)("the list of a port's connections", () => {
  const list = connectionLister();

  for (const hostname of ["127.0.0.1", "::"]) {
    test(`has their clients, and those of no other port (on ${hostname})`, async () => {
      using server = listenOn(hostname);
      using other = listenOn(hostname);
      const clients = await Promise.all([1, 2, 3].map(() => connectTo(server.port)));
      const others = await Promise.all([1, 2].map(() => connectTo(other.port)));
      const keys: string[] = [];
      expect(list?.(server.port, (key) => keys.push(key))).toBe(3);
      const expected = clients.map((one) => keyOf({ address: "127.0.0.1", port: one.localPort }));
      expect(keys.toSorted()).toEqual(expected.toSorted());
      for (const client of [...clients, ...others]) client.terminate();
    });
  }

  test("has none that has ended, though its port waits for stray packets", async () => {
    const ended = Promise.withResolvers<void>();
    using server = Bun.listen({
      ...{ hostname: "127.0.0.1", port: 0 },
      // The end that closes first is the one that waits.
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

describe("the table of connections", () => {
  const keys = Array.from({ length: 200 }, (_, n) =>
    keyOf({ address: n % 2 === 0 ? `10.0.0.${n}` : `2001:db8::${n}`, port: 1024 + n }),
  );

  test("lets all stay until there are too many, then those that the last look says", () => {
    const memory = allocateConnections(100);
    const [writer, reader] = [new ConnectionTable(memory), new ConnectionTable(memory)];
    const staying = () => keys.filter((key) => reader.mayStay(key));
    expect([reader.count, reader.isExceeded, staying().length]).toEqual([undefined, false, 200]);
    writer.publish(90, undefined);
    expect([reader.count, reader.isExceeded, staying().length]).toEqual([90, false, 200]);
    for (const [first, mayStay] of [
      [0, true],
      [50, true],
      [100, false],
      [20, false],
    ] as const) {
      const some = keys.slice(first, first + 100);
      writer.publish(200, { mayStay, keys: new Set(some) });
      const others = keys.filter((key) => !some.includes(key));
      expect([reader.count, reader.isExceeded]).toEqual([200, true]);
      expect(staying()).toEqual(mayStay ? some : others);
    }
    writer.publish(100, undefined);
    expect([reader.isExceeded, staying().length]).toEqual([false, 200]);
  });
});

describe.skipIf(!isLinux)("the limit of one port", () => {
  test("does not count the connections of another", async () => {
    await using crowded = serve("--max-connections", "20");
    await using quiet = serve("--max-connections", "20");
    /** Over a new connection. */
    const get = async (url: string) =>
      (await fetch(`${url}/livez`, { headers: { connection: "close" } })).status;
    const crowd = await Promise.all(Array.from({ length: 50 }, () => connect(crowded.url)));
    // The flood is more than twice the limit: a connection that comes now is refused.
    while ((await get(crowded.url)) !== 503) await Bun.sleep(1);
    expect(await get(quiet.url)).toBe(200);
    for (const connection of crowd) connection[Symbol.dispose]();
    while ((await get(crowded.url)) !== 200) await Bun.sleep(1);
  });
});
