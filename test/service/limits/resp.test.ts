// Limits of the Redis port: connections and timeouts.

import { describe, expect, test } from "bun:test";

import { Cache } from "../../../src/cache/cache.ts";
import { serveRedis } from "../../lib/service.ts";
import { commandBytes, connectRaw } from "../resp/raw-client.ts";
import { until } from "../../lib/until.ts";

test("connections beyond --max-connections get an error and close, and there is room after others end", async () => {
  await using service = await serveRedis(["--max-connections", "2"]);
  const { port } = service;
  const first = await connectRaw(port);
  using second = await connectRaw(port);
  for (const client of [first, second]) {
    client.send("PING\r\n");
    expect(await client.until("\r\n")).toBe("+PONG\r\n");
  }
  using third = await connectRaw(port);
  expect(await third.closed).toBe("-ERR max number of clients reached\r\n");
  second.send("PING\r\n");
  expect(await second.until("+PONG\r\n+PONG\r\n")).toBe("+PONG\r\n+PONG\r\n");
  first[Symbol.dispose]();
  for (let reply = ""; reply !== "+PONG\r\n";) {
    using next = await connectRaw(port);
    next.send("PING\r\n");
    reply = await next.until("\r\n");
  }
});

describe("--slow-client-timeout closes a client that keeps the service waiting:", () => {
  const slow = ["--slow-client-timeout", "0.5"];
  const parts: Readonly<Record<string, readonly [first: string, then: string]>> = {
    "for an argument": ["*2\r\n$4\r\nECHO\r\n$1000\r\n", "x"],
    "for a count": ["*", "1"],
    "for the end of a line": ["GET ", "k"],
  };
  for (const [what, [first, then]] of Object.entries(parts)) {
    test(what, async () => {
      await using service = await serveRedis(slow);
      using client = await connectRaw(service.port);
      client.send(first);
      const dripping = setInterval(() => client.send(then), 50);
      expect(await client.closed).toBe("");
      clearInterval(dripping);
    });
  }

  test("to read its replies, including the bytes in the kernel", async () => {
    const cache = Cache.create({ maxValueBytes: 1_000_000 });
    let aheadMs = 0;
    const { clock } = cache;
    const now = clock.now.bind(clock);
    clock.now = () => now() + aheadMs;
    await using service = await serveRedis(["--slow-client-timeout", "60"], cache);
    using client = await connectRaw(service.port);
    client.send(commandBytes("set", "k", "v".repeat(1_000_000)));
    expect(await client.until("\r\n")).toBe("+OK\r\n");
    using reader = await connectRaw(service.port, () => {});
    reader.pause();
    reader.send(Buffer.concat(Array.from({ length: 20 }, () => commandBytes("get", "k"))));
    const clients = async () => {
      using asker = await connectRaw(service.port);
      asker.send(commandBytes("client", "list"));
      return (await asker.until("\n\r\n")).split("\n").filter((line) => line.includes("id="))
        .length;
    };
    // The reader, the client and the connection that asks, until the reader is closed.
    expect(await clients()).toBe(3);
    await until("the reader is closed", async () => {
      aheadMs += 20_000;
      return (await clients()) === 2;
    });
  });

  test("for its token", async () => {
    await using service = await serveRedis([...slow, "--auth-token", "token"]);
    using client = await connectRaw(service.port);
    const pinging = setInterval(() => client.send("x"), 50);
    await client.closed;
    clearInterval(pinging);
    using silent = await connectRaw(service.port);
    expect(await silent.closed).toBe("");
    using refused = await connectRaw(service.port);
    const asking = setInterval(() => refused.send("PING\r\n"), 50);
    expect(await refused.closed).toStartWith("-NOAUTH");
    clearInterval(asking);
  });
});

test("neither a client with steady progress nor an idle client is slow", async () => {
  await using service = await serveRedis(["--slow-client-timeout", "2"]);
  using idle = await connectRaw(service.port);
  using client = await connectRaw(service.port);
  // Each chunk ends with half of the next command.
  client.send("PI");
  const endMs = performance.now() + 2500;
  let replies = 0;
  while (performance.now() < endMs) {
    client.send("NG\r\nPI");
    replies++;
    expect((await client.until("\r\n")).length).toBeGreaterThan(0);
    await Bun.sleep(20);
  }
  expect(await client.until("\r\n")).toStartWith("+PONG\r\n".repeat(replies - 1));
  idle.send("PING\r\n");
  expect(await idle.until("\r\n")).toBe("+PONG\r\n");
});

test("--resp-idle-timeout closes only idle clients", async () => {
  await using service = await serveRedis(["--resp-idle-timeout", "2"]);
  using busy = await connectRaw(service.port);
  const pinging = setInterval(() => busy.send("PING\r\n"), 50);
  using idle = await connectRaw(service.port);
  idle.send("PING\r\n");
  expect(await idle.closed).toBe("+PONG\r\n");
  clearInterval(pinging);
  busy.send("ECHO end\r\n");
  expect(await busy.until("end\r\n")).toEndWith("end\r\n");
});
