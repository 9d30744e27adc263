// What counts as a hit or a miss, as redis counts it.

import { expect, test } from "bun:test";
import { RedisClient } from "bun";

import { serveRedis } from "../../lib/service.ts";

const CALLS: readonly (readonly [command: string, hits: number, misses: number])[] = [
  ["GET there", 1, 0],
  ["GET nobody", 0, 1],
  ["MGET there nobody", 1, 1],
  ["GETEX there", 1, 0],
  ["GETEX there EX 100", 1, 0],
  ["GETEX there PERSIST", 1, 0],
  ["GETEX nobody EX 100", 0, 1],
  ["GETSET there 1", 1, 0],
  ["SET there 1 GET", 1, 0],
  ["SET there 1", 0, 0],
  ["SET there 1 XX", 0, 0],
  ["GETDEL nobody", 0, 1],
  ["RENAME there there", 0, 0],
  ["MSETNX there 1 other 1", 0, 0],
  ["GETDEL there", 1, 0],
];

test("reads count, whatever else they do, and writes do not", async () => {
  await using service = await serveRedis();
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  for (const [command, hits, misses] of CALLS) {
    if (command !== "GETDEL there") await client.send("SET", ["there", "value"]);
    const before = service.cache.stats();
    const [name = "", ...words] = command.split(" ");
    await client.send(name, words);
    const after = service.cache.stats();
    expect([command, after.hit - before.hit, after.miss - before.miss]).toEqual([
      command,
      hits,
      misses,
    ]);
  }
  client.close();
});
