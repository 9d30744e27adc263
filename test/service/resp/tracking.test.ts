// CLIENT TRACKING: which clients are told of which changes, with one worker and with two.

import { describe, expect, test } from "bun:test";

import { ByteBuffer, NEVER } from "../../../src/cache/cache.ts";
import { freePort, serveRedis, startService } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";
import { bulk, confirmed, PushClient, pushClients } from "./push-client.ts";

const MANY = 16;
const OK = "+OK\r\n";

/** The frame that tells a client of version 3 that these keys have changed. */
const invalid = (...keys: readonly string[]) =>
  `>2\r\n${bulk("invalidate")}*${keys.length}\r\n${keys.map(bulk).join("")}`;
const ALL_INVALID = `>2\r\n${bulk("invalidate")}_\r\n`;

/** Connects a client of version 3. */
async function connect3(port: number): Promise<PushClient> {
  const client = await PushClient.connect(port);
  client.send("hello", "3");
  await until("the reply to HELLO has arrived", () => client.text.endsWith("*0\r\n"));
  await client.gets(client.text);
  return client;
}

async function idOf(client: PushClient): Promise<string> {
  const before = client.text.length;
  client.send("client", "id");
  await until(
    "the number has arrived",
    () => client.text.length > before && client.text.endsWith("\r\n"),
  );
  const reply = client.text.slice(before);
  await client.gets(reply);
  return reply.slice(1, -2);
}

describe.each([1, 2])("with %d workers", (workers) => {
  const start = async () => {
    const port = freePort();
    const service = await startService(["--workers", `${workers}`, "--resp-port", `${port}`]);
    return { port, service };
  };

  test("each client is told of the keys that it has read, once, by a write of any client", async () => {
    const { port, service } = await start();
    await using _ = service;
    const writer = await PushClient.connect(port);
    const readers = await Promise.all(Array.from({ length: MANY }, () => connect3(port)));
    for (const reader of readers) {
      await reader.ask(["client", "tracking", "on"], OK);
      await reader.ask(["mget", "a", "b"], "*2\r\n_\r\n_\r\n");
    }
    await writer.ask(["set", "a", "1"], OK);
    await writer.ask(["set", "a", "2"], OK);
    for (const reader of readers) {
      await reader.gets(invalid("a"));
      await reader.ask(["get", "a"], bulk("2"));
    }
    await writer.ask(["del", "a"], ":1\r\n");
    for (const reader of readers) await reader.gets(invalid("a"));
    await writer.ask(["flushall"], OK);
    for (const reader of readers) {
      await reader.gets(ALL_INVALID);
      await reader.ask(["ping"], "+PONG\r\n");
    }
    for (const one of [writer, ...readers]) one[Symbol.dispose]();
  });

  test("a client of version 2 redirects to another client, of any worker", async () => {
    const { port, service } = await start();
    await using _ = service;
    const all = await pushClients(port, MANY);
    const [writer, target, ...readers] = all as [PushClient, PushClient, ...PushClient[]];
    const id = await idOf(target);
    await target.ask(
      ["subscribe", "__redis__:invalidate"],
      confirmed("*", "subscribe", "__redis__:invalidate", 1),
    );
    for (const [n, reader] of readers.entries()) {
      await reader.ask(["client", "tracking", "on", "redirect", id], OK);
      await reader.ask(["get", `key${n}`], "$-1\r\n");
    }
    for (const n of readers.keys()) {
      await writer.ask(["set", `key${n}`, "1"], OK);
      const keys = `*1\r\n${bulk(`key${n}`)}`;
      await target.gets(`*3\r\n${bulk("message")}${bulk("__redis__:invalidate")}${keys}`);
    }
    for (const one of all) one[Symbol.dispose]();
  });

  test("no client keeps an old copy, however reads and writes overlap", async () => {
    const { port, service } = await start();
    await using _ = service;
    const writer = await PushClient.connect(port);
    const readers = await Promise.all(Array.from({ length: 6 }, () => connect3(port)));
    for (const reader of readers) await reader.ask(["client", "tracking", "on"], OK);
    const rounds = 300;
    for (let round = 1; round <= rounds; round++) {
      const written = writer.ask(["set", "k", `${round}`], OK);
      for (const reader of readers) reader.send("get", "k");
      await written;
    }
    for (const reader of readers) {
      await until("the copy is current or invalid", () => {
        const copy = copyOf(reader.text);
        return copy === undefined || copy === `${rounds}`;
      });
      expect(reader.text).toContain(invalid("k"));
    }
    for (const one of [writer, ...readers]) one[Symbol.dispose]();
  });
});

/** The copy of a value of digits that a client has after these replies and invalidations. */
function copyOf(text: string): string | undefined {
  let copy: string | undefined;
  for (const [, value] of text.matchAll(/\$\d+\r\n(\d+)\r\n|invalidate/g)) copy = value;
  return copy;
}

test("keys are told without their database, after a change in any", async () => {
  await using service = serveRedis();
  using reader = await connect3(service.port);
  using writer = await PushClient.connect(service.port);
  await reader.ask(["client", "tracking", "on"], OK);
  await reader.ask(["get", "k"], "_\r\n");
  await writer.ask(["select", "3"], OK);
  await writer.ask(["set", "k", "1"], OK);
  await reader.gets(invalid("k"));
});

test("the own change comes after the reply, and not at all with NOLOOP", async () => {
  await using service = serveRedis();
  using client = await connect3(service.port);
  using other = await PushClient.connect(service.port);
  await client.ask(["client", "tracking", "on"], OK);
  await client.ask(["get", "k"], "_\r\n");
  await client.ask(["set", "k", "1"], OK + invalid("k"));
  await client.ask(["client", "tracking", "on", "noloop"], OK);
  await client.ask(["get", "k"], bulk("1"));
  await client.ask(["set", "k", "2"], OK);
  await client.ask(["multi"], OK);
  await client.ask(["set", "k", "3"], "+QUEUED\r\n");
  await client.ask(["get", "k"], "+QUEUED\r\n");
  await client.ask(["exec"], `*2\r\n${OK}${bulk("3")}`);
  await other.ask(["set", "k", "4"], OK);
  await client.gets(invalid("k"));
});

test("broadcast tells of all keys with a prefix, together, and of no others", async () => {
  await using service = serveRedis();
  using client = await connect3(service.port);
  using other = await PushClient.connect(service.port);
  await client.ask(
    ["client", "tracking", "on", "bcast", "prefix", "a", "prefix", "b", "noloop"],
    OK,
  );
  await client.ask(["set", "a0", "1"], OK);
  await other.ask(["mset", "a1", "1", "a2", "2", "b1", "3", "c", "4"], OK);
  await client.gets(invalid("a1", "a2") + invalid("b1"));
  await client.ask(
    ["client", "tracking", "on", "bcast", "prefix", "ab"],
    "-ERR Prefix 'ab' overlaps with an existing prefix 'a'. Prefixes for a single client must not overlap.\r\n",
  );
  await client.ask(["client", "tracking", "off"], OK);
  await client.ask(["client", "tracking", "on", "bcast"], OK);
  await other.ask(["set", "any", "1"], OK);
  await client.gets(invalid("any"));
});

test("OPTIN tracks after CLIENT CACHING YES only, OPTOUT not after CLIENT CACHING NO", async () => {
  await using service = serveRedis();
  using client = await connect3(service.port);
  using other = await PushClient.connect(service.port);
  await client.ask(["client", "tracking", "on", "optin"], OK);
  await client.ask(["get", "a"], "_\r\n");
  await client.ask(["client", "caching", "yes"], OK);
  await client.ask(["get", "b"], "_\r\n");
  await client.ask(["get", "c"], "_\r\n");
  await other.ask(["mset", "a", "1", "b", "1", "c", "1"], OK);
  await client.gets(invalid("b"));
  await client.ask(["client", "tracking", "off"], OK);
  await client.ask(["client", "tracking", "on", "optout"], OK);
  await client.ask(["client", "caching", "no"], OK);
  await client.ask(["get", "a"], bulk("1"));
  await client.ask(["get", "b"], bulk("1"));
  await other.ask(["mset", "a", "2", "b", "2"], OK);
  await client.gets(invalid("b"));
});

test("entries that expire and that are evicted are told, also with NOLOOP", async () => {
  await using service = serveRedis(["--memory", "1mb", "--max-value-bytes", "1kb"]);
  using client = await connect3(service.port);
  await client.ask(
    ["client", "tracking", "on", "bcast", "prefix", "short", "prefix", "old", "noloop"],
    OK,
  );
  await client.ask(["set", "short", "x", "px", "1"], OK);
  await client.ask(["set", "old", "x"], OK);
  service.cache.maintenance.sweep(service.cache.clock.now() + 10, 100_000);
  await client.gets(invalid("short"));
  const value = ByteBuffer.ofText("x".repeat(1000));
  let n = 0;
  await until("the eviction is told", () => {
    for (let more = 100; more > 0; more--) {
      service.cache.put(ByteBuffer.ofText(`key${n++}`), value, NEVER, service.cache.clock.now());
    }
    return client.text.includes(invalid("old"));
  });
});

test("the oldest keys are forgotten, and told, at tracking-table-max-keys and at the limit in bytes", async () => {
  await using service = serveRedis(["--max-subscription-bytes", "256kb"]);
  using client = await connect3(service.port);
  await client.ask(["client", "tracking", "on"], OK);
  await client.ask(["mget", "a", "b", "c"], "*3\r\n_\r\n_\r\n_\r\n");
  await client.ask(
    ["config", "set", "tracking-table-max-keys", "1"],
    OK + invalid("a") + invalid("b"),
  );
  await client.ask(["config", "set", "tracking-table-max-keys", "0"], OK);
  // The command runs in slices. What is forgotten meanwhile is told after its reply: all keys.
  const many = Array.from({ length: 20_000 }, (_, n) => `many${n}`);
  await client.ask(["mget", ...many], `*20000\r\n${"_\r\n".repeat(20_000)}${ALL_INVALID}`);
  const keys = Array.from({ length: 900 }, (_, n) => `key${n}`);
  await client.ask(["mget", ...keys], `*900\r\n${"_\r\n".repeat(900)}`);
  const told = () => client.text.match(/many\d+/g)?.length ?? 0;
  await until("older keys are forgotten", () => told() > 100);
  expect(client.text).not.toContain(bulk("key0"));
});

test("a client whose redirection is gone is told, and a client that has ended is forgotten", async () => {
  await using service = serveRedis();
  using client = await connect3(service.port);
  using other = await PushClient.connect(service.port);
  const target = await connect3(service.port);
  const id = await idOf(target);
  await client.ask(["client", "tracking", "on", "redirect", id], OK);
  await client.ask(["client", "getredir"], `:${id}\r\n`);
  await client.ask(["get", "k"], "_\r\n");
  // No other client finds it once it has its reply.
  await target.ask(["quit"], OK);
  await other.ask(["client", "list", "id", id], "$0\r\n\r\n");
  await other.ask(["set", "k", "1"], OK);
  await client.gets(`>2\r\n${bulk("tracking-redir-broken")}:${id}\r\n`);
  client.send("client", "tracking", "on", "redirect", "99999");
  await client.gets("-ERR The client ID you want redirect to does not exist\r\n");
  client[Symbol.dispose]();
  await until("no client tracks", async () => {
    const probe = await PushClient.connect(service.port);
    probe.send("info", "clients");
    await until("the reply has arrived", () => probe.text.endsWith("\r\n\r\n"));
    probe[Symbol.dispose]();
    return probe.text.includes("tracking_clients:0");
  });
  expect(Atomics.load(service.cache.changes.words, 0)).toBe(0);
});
