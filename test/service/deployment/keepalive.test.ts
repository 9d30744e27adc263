// TCP keepalive on both ports, as /proc/net/tcp shows it.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { RedisClient, type Socket } from "bun";

import { freePort, startService } from "../../lib/service.ts";

const KEEPALIVE_TIMER = "02";

async function connectTo(port: number, payload: string): Promise<Socket> {
  const answered = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    ...{ hostname: "127.0.0.1", port },
    socket: { data: () => answered.resolve() },
  });
  socket.write(payload);
  await answered.promise;
  return socket;
}

/** Returns the seconds until the keepalive timer of the service's end of a connection; undefined without one. */
function keepaliveSeconds(servicePort: number, clientPort: number): number | undefined {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, "0");
  const [line = ""] = readFileSync("/proc/net/tcp", "latin1")
    .split("\n")
    .filter((row) => row.includes(`:${hex(servicePort)} 0100007F:${hex(clientPort)} `));
  const [, timer, due = ""] = /^ *\d+: \S+ \S+ \S+ \S+ (\w+):(\w+)/.exec(line) ?? [];
  return timer === KEEPALIVE_TIMER ? parseInt(due, 16) / 100 : undefined;
}

/** Waits for the keepalive timer: the kernel first uses the timer for an unacknowledged response. */
async function whenQuiet(read: () => number | undefined): Promise<number> {
  for (;;) {
    const seconds = read();
    if (seconds !== undefined) return seconds;
    await Bun.sleep(1);
  }
}

test.skipIf(process.platform !== "linux")(
  "the kernel probes silent clients of both ports after --tcp-keepalive",
  async () => {
    const respPort = freePort();
    await using service = await startService([
      ...["--resp-port", `${respPort}`, "--tcp-keepalive", "20000"],
    ]);
    const port = Number(new URL(service.url).port);
    const redis = await connectTo(respPort, "PING\r\n");
    const http = await connectTo(port, "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n");
    for (const [own, socket] of [
      [respPort, redis],
      [port, http],
    ] as const) {
      const seconds = await whenQuiet(() => keepaliveSeconds(own, socket.localPort));
      expect(seconds).toBeGreaterThan(10_000);
      expect(seconds).toBeLessThanOrEqual(20_000);
      socket.terminate();
    }
    using client = Object.assign(new RedisClient(`redis://127.0.0.1:${respPort}`), {
      [Symbol.dispose]: () => client.close(),
    });
    const config = (...words: string[]) => client.send("CONFIG", words);
    expect(await config("GET", "tcp-keepalive")).toEqual({ "tcp-keepalive": "20000" });
    expect(await config("SET", "tcp-keepalive", "1000")).toBe("OK");
    const later = await connectTo(respPort, "PING\r\n");
    expect(await whenQuiet(() => keepaliveSeconds(respPort, later.localPort))).toBeLessThanOrEqual(
      1000,
    );
    later.terminate();
    expect(config("SET", "tcp-keepalive", "32768")).rejects.toThrow("couldn't be parsed");
  },
);

test("the default is the same as that of Redis", async () => {
  const respPort = freePort();
  await using _service = await startService(["--resp-port", `${respPort}`]);
  const client = new RedisClient(`redis://127.0.0.1:${respPort}`);
  expect(await client.send("CONFIG", ["GET", "tcp-keepalive"])).toEqual({ "tcp-keepalive": "300" });
  client.close();
});
