// A worker serves other clients during a long command, and the cost of long commands is linear.

import { RedisClient } from "bun";
import { expect, test } from "bun:test";

import { ByteBuffer, Cache, NEVER } from "../../../src/cache/cache.ts";
import { PATTERN_BYTES_MAX, Pattern } from "../../../src/cache/glob.ts";
import { serveRedis } from "../../lib/service.ts";
import { commandBytes, connectRaw } from "./raw-client.ts";

/** Enough keys that each command below takes several slices. */
const KEYS = 120_000;

function filledCache(): Cache {
  const cache = Cache.create({ shards: 8, virtualNodes: 16 });
  const key = new ByteBuffer();
  for (let n = 0; n < KEYS; n++) {
    key.setText(`key:${n}`);
    cache.put(key, key, NEVER, 0);
  }
  return cache;
}

const manyKeys = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `key:${from + n}`);

test("the worker replies to other clients during a long command", async () => {
  await using service = serveRedis([], filledCache());
  const commands: readonly (readonly [string[], RegExp])[] = [
    [["KEYS", "*1*2*3*4*5*6*7*8*x"], /^\*0\r\n$/],
    [["KEYS", "*"], new RegExp(`^\\*${KEYS}\\r\\n`)],
    [["EXISTS", ...manyKeys(0, KEYS)], new RegExp(`^:${KEYS}\\r\\n$`)],
    [["TOUCH", ...manyKeys(0, KEYS)], new RegExp(`^:${KEYS}\\r\\n$`)],
    [["MGET", ...manyKeys(0, KEYS)], new RegExp(`^\\*${KEYS}\\r\\n\\$5\\r\\nkey:0\\r\\n`)],
    [["MSET", ...manyKeys(0, KEYS / 2).flatMap((key) => [key, "v"])], /^\+OK\r\n$/],
    [["DEL", ...manyKeys(0, KEYS)], new RegExp(`^:${KEYS}\\r\\n$`)],
    [["CONFIG", "GET", ...manyKeys(0, KEYS), "p?rt"], /^\*2\r\n\$4\r\nport\r\n/],
    [["COMMAND", "INFO", ...manyKeys(0, 2 * KEYS)], new RegExp(`^\\*${2 * KEYS}\\r\\n\\$-1\\r\\n`)],
    [["COMMAND", "DOCS", ...Array(20_000).fill("get")], /^\*40000\r\n\$3\r\nget\r\n/],
  ];
  const other = new RedisClient(`redis://127.0.0.1:${service.port}`);
  await other.ping();
  for (const [words, reply] of commands) {
    let isDone = false;
    let text = "";
    using client = await connectRaw(service.port, (chunk) => {
      text += chunk.toString("latin1");
      isDone ||= text.endsWith("+PONG\r\n");
    });
    client.send(Buffer.concat([commandBytes(...words), commandBytes("PING")]));
    let pings = 0;
    while (!isDone) {
      await other.ping();
      pings++;
    }
    expect(text.slice(0, -"+PONG\r\n".length)).toMatch(reply);
    expect([words[0], pings > 3]).toEqual([words[0], true]);
  }
  other.close();
});

test("MSET stores many keys, and MSETNX of many keys returns an error", async () => {
  const cache = Cache.create({ shards: 8, virtualNodes: 16 });
  await using service = serveRedis([], cache);
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  for (const count of [5000, 5001, 12_345]) {
    const pairs = manyKeys(0, count).flatMap((key, n) => [key, `${count} ${n}`]);
    expect(await client.send("MSET", pairs)).toBe("OK");
    expect(await client.send("MGET", manyKeys(0, count))).toEqual(
      manyKeys(0, count).map((_, n) => `${count} ${n}`),
    );
    // The command finds the large value before it stores any key.
    const large = [
      ...manyKeys(count, count).flatMap((key) => [key, "v"]),
      "large",
      "x".repeat(2 ** 21),
    ];
    await expect(client.send("MSET", large)).rejects.toThrow("exceeds maximum allowed size");
    expect(await client.send("EXISTS", manyKeys(count, count))).toBe(0);
  }
  const pairs = manyKeys(50_000, 5001).flatMap((key) => [key, "v"]);
  await expect(client.send("MSETNX", pairs)).rejects.toThrow("at most 5000 keys");
  expect(await client.send("EXISTS", manyKeys(50_000, 5001))).toBe(0);
  expect(await client.send("MSETNX", pairs.slice(2))).toBe(1);
  client.close();
});

test("the last of repeated options counts, or the command returns an error", async () => {
  await using service = serveRedis([], filledCache());
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  const filters = Array.from({ length: 50_000 }, () => ["MATCH", "nope"]).flat();
  const found = await client.send("SCAN", ["0", ...filters, "MATCH", "key:*", "COUNT", "5"]);
  expect(found[1]).not.toBeEmpty();
  const addresses = Array.from({ length: 50_000 }, () => ["ADDR", "127.0.0.1:1"]).flat();
  expect(await client.send("CLIENT", ["KILL", ...addresses])).toBe(0);
  await expect(
    client.send("CONFIG", ["SET", "tcp-keepalive", "1", "tcp-keepalive", "2"]),
  ).rejects.toThrow("duplicate parameter");
  client.close();
});

test("a disconnect ends the client's long command", async () => {
  await using service = serveRedis([], filledCache());
  const client = await connectRaw(service.port);
  client.send(commandBytes("KEYS", "*1*2*3*4*5*6*7*8*x"));
  client[Symbol.dispose]();
  const other = new RedisClient(`redis://127.0.0.1:${service.port}`);
  expect(await other.send("DBSIZE", [])).toBe(KEYS);
  other.close();
  expect(service.events).toEqual([]);
});

test("a pattern matches in linear time, and a very long pattern is an error", async () => {
  const run = (text: string) => {
    const bytes = Buffer.from(text);
    return { bytes, start: 0, end: bytes.length };
  };
  // Backtracking takes at least 10^9 steps, this algorithm 2 million.
  const text = run("a".repeat(64 * 1024));
  expect(new Pattern(run(`*${"a".repeat(PATTERN_BYTES_MAX - 3)}b*`)).matches(text)).toBe(false);
  expect(new Pattern(run(`*${"a*".repeat(500)}b`)).matches(text)).toBe(false);
  expect(new Pattern(run(`${"*".repeat(1_000_000)}a`)).matches(text)).toBe(true);
  await using service = serveRedis();
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  const long = "a".repeat(PATTERN_BYTES_MAX + 1);
  for (const words of [
    ["KEYS", long],
    ["SCAN", "0", "MATCH", `[${long}`],
    ["CONFIG", "GET", long],
  ]) {
    const [name = "", ...rest] = words;
    await expect(client.send(name, rest)).rejects.toThrow("the pattern is too long");
  }
  expect(await client.send("KEYS", ["*".repeat(100_000)])).toEqual([]);
  client.close();
});

test("a command in parts runs even if it takes most of --max-pending-bytes", async () => {
  await using service = serveRedis(["--max-pending-bytes", "4mb"], Cache.create());
  using client = await connectRaw(service.port);
  const pairs = manyKeys(0, 6000).flatMap((key) => [key, "v".repeat(300)]);
  for (let n = 0; n < 3; n++) {
    client.send(commandBytes("MSET", ...pairs));
    expect(await client.until("+OK\r\n".repeat(n + 1))).toBe("+OK\r\n".repeat(n + 1));
  }
});
