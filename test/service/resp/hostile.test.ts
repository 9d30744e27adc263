// Input of hostile clients: it must neither take much memory nor produce unreadable replies.

import { expect, test } from "bun:test";
import { RedisClient } from "bun";

import { ByteBuffer, Cache } from "../../../src/cache/cache.ts";
import { serveRedis } from "../../lib/service.ts";
import { commandBytes, connectRaw } from "./raw-client.ts";

const urlOf = (port: number) => `redis://127.0.0.1:${port}`;

test("an error repeats only the beginning of a long argument", async () => {
  await using service = await serveRedis();
  using client = await connectRaw(service.port);
  client.send(commandBytes("client", "setinfo", "x".repeat(1_000_000), "y"));
  const reply = await client.until("\r\n");
  expect(reply).toStartWith("-ERR Unrecognized option 'xxx");
  expect(reply.length).toBeLessThan(1000);
});

test("COMMAND LIST rejects filters named like members of every object", async () => {
  await using service = await serveRedis();
  using client = await connectRaw(service.port);
  for (const name of ["__proto__", "constructor", "toString"]) {
    client.send(commandBytes("command", "list", "filterby", name, "x"));
  }
  const syntaxError = "-ERR syntax error\r\n";
  expect(await client.until(syntaxError.repeat(3))).toBe(syntaxError.repeat(3));
});

test("INCRBYFLOAT rejects numbers of 5,120 characters, and accepts shorter ones", async () => {
  await using service = await serveRedis();
  const client = new RedisClient(urlOf(service.port));
  const decimals = (count: number) => `0.${"1".repeat(count)}`;
  for (const count of [4900, 5100]) {
    await client.send("SET", ["sum", "0"]);
    const sum = await client.send("INCRBYFLOAT", ["sum", decimals(count)]);
    expect([count, String(sum)]).toEqual([count, "0.11111111111111111"]);
  }
  for (const text of [decimals(5119), "1".repeat(900_000)]) {
    await expect(client.send("INCRBYFLOAT", ["sum", text])).rejects.toThrow(
      "value is not a valid float",
    );
  }
  client.close();
});

test("lifetimes of any length are safe integers for clients", async () => {
  const cache = Cache.create();
  await using service = await serveRedis([], cache);
  const client = new RedisClient(urlOf(service.port));
  const key = ByteBuffer.ofText("k");
  for (const ttlMs of [1e15, 1e23, 1e300]) {
    const nowMs = cache.clock.now();
    cache.put(key, key, cache.expiresAtMs(ttlMs, nowMs), nowMs);
    for (const name of ["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"]) {
      const reply = Number(await client.send(name, ["k"]));
      expect([ttlMs, name, Number.isSafeInteger(reply), reply > 0]).toEqual([
        ...[ttlMs, name],
        ...[true, true],
      ]);
    }
  }
  client.close();
});

test("empty arguments count towards --resp-query-limit", async () => {
  await using service = await serveRedis(["--resp-query-limit", "1mb"]);
  using client = await connectRaw(service.port);
  client.send(`*1000000\r\n${"$0\r\n\r\n".repeat(20_000)}`);
  await client.closed;
  expect(service.events).toEqual(["over --resp-query-limit"]);
});
