// CLIENT and CONFIG commands whose effects the oracle cannot compare.

import { RedisClient } from "bun";
import { expect, test } from "bun:test";

import { serveRedis } from "../../lib/service.ts";
import { commandBytes, connectRaw } from "./raw-client.ts";

/** The fields of redis-server 7.2, in its order. */
const FIELDS =
  "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver";

test("CLIENT INFO and CLIENT LIST have the fields of Redis", async () => {
  await using service = serveRedis();
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  for (const [command, word] of [["CLIENT", "INFO"] as const, ["CLIENT", "LIST"] as const]) {
    const text = String(await client.send(command, [word]));
    for (const line of text.trimEnd().split("\n")) {
      const names = line.split(" ").map((field) => field.split("=")[0]);
      expect(names.join(" ")).toBe(FIELDS);
    }
  }
  client.close();
});

test("the first command of a connection is in its line of CLIENT LIST", async () => {
  await using service = serveRedis();
  using client = await connectRaw(service.port);
  client.send(commandBytes("CLIENT", "LIST"));
  expect(await client.until("\n\r\n")).toContain(" cmd=client|list ");
});

test("a killed client runs no further command", async () => {
  await using service = serveRedis();
  for (let round = 0; round < 20; round++) {
    using killed = await connectRaw(service.port);
    using other = await connectRaw(service.port);
    killed.send(commandBytes("CLIENT", "ID"));
    const id = /^:(\d+)\r\n$/.exec(await killed.until("\r\n"))?.[1] ?? "";
    other.send(commandBytes("CLIENT", "KILL", "ID", id));
    expect(await other.until("\r\n")).toBe(":1\r\n");
    killed.send(commandBytes("SET", "k", `${round}`));
    await killed.closed;
    other.send(commandBytes("EXISTS", "k"));
    expect(await other.until(":0\r\n")).toEndWith(":0\r\n");
  }
});

test("CONFIG RESETSTAT sets the counts of INFO to 0", async () => {
  await using service = serveRedis();
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  const counts = async (): Promise<string[]> => {
    const info = String(await client.send("INFO", ["stats"]));
    return info.match(/(?:keyspace_hits|keyspace_misses|expired_keys|evicted_keys):\d+/g) ?? [];
  };
  await client.send("SET", ["k", "v"]);
  await client.send("GET", ["k"]);
  await client.send("GET", ["none"]);
  expect(await counts()).toContainValues(["keyspace_hits:1", "keyspace_misses:1"]);
  await client.send("CONFIG", ["RESETSTAT"]);
  expect((await counts()).map((count) => count.split(":")[1])).toEqual(["0", "0", "0", "0"]);
  await client.send("GET", ["k"]);
  expect(await counts()).toContainValues(["keyspace_hits:1", "keyspace_misses:0"]);
  client.close();
});

test("CLIENT PAUSE lets commands wait until its end or CLIENT UNPAUSE", async () => {
  await using service = serveRedis();
  using admin = await connectRaw(service.port);
  using client = await connectRaw(service.port);
  const send = async (words: string, reply: string) => {
    admin.send(commandBytes(...words.split(" ")));
    expect(await admin.until(reply)).toEndWith(reply);
  };
  await send("SET k 1", "+OK\r\n");
  await send("CLIENT PAUSE 1000000 WRITE", "+OK\r\n");
  client.send(Buffer.concat([commandBytes("GET", "k"), commandBytes("INCR", "k")]));
  client.send(commandBytes("GET", "k"));
  expect(await client.until("1\r\n")).toBe("$1\r\n1\r\n");
  await send("GET k", "$1\r\n1\r\n");
  await send("CLIENT UNPAUSE", "+OK\r\n");
  expect(await client.until("2\r\n$1\r\n2\r\n")).toBe("$1\r\n1\r\n:2\r\n$1\r\n2\r\n");
  // A pause ends by itself, and pauses its own client too.
  admin.send(Buffer.concat([commandBytes("CLIENT", "PAUSE", "50"), commandBytes("PING")]));
  expect(await admin.until("+PONG\r\n")).toEndWith("+OK\r\n+PONG\r\n");
});

test("a paused client that leaves runs nothing, and a transaction with a write waits", async () => {
  await using service = serveRedis();
  using admin = await connectRaw(service.port);
  const send = async (words: string, reply: string) => {
    admin.send(commandBytes(...words.split(" ")));
    expect(await admin.until(reply)).toEndWith(reply);
  };
  {
    using writing = await connectRaw(service.port);
    using reading = await connectRaw(service.port);
    writing.send(Buffer.concat([commandBytes("MULTI"), commandBytes("SET", "k", "1")]));
    reading.send(Buffer.concat([commandBytes("MULTI"), commandBytes("GET", "k")]));
    for (const client of [writing, reading]) await client.until("+QUEUED\r\n");
    await send("CLIENT PAUSE 1000000 WRITE", "+OK\r\n");
    writing.send(commandBytes("EXEC"));
    reading.send(commandBytes("EXEC"));
    expect(await reading.until("$-1\r\n")).toEndWith("*1\r\n$-1\r\n");
  }
  await send("CLIENT UNPAUSE", "+OK\r\n");
  await send("EXISTS k", ":0\r\n");
});
