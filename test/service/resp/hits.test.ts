// Which commands count hits and misses: the same as in Redis.

import { expect, test } from "bun:test";
import { RedisClient } from "bun";

import { serveRedis } from "../../lib/service.ts";

const COMMANDS: readonly (readonly [command: string, hits: number, misses: number])[] = [
  ["GET present", 1, 0],
  ["GET missing", 0, 1],
  ["MGET present missing", 1, 1],
  ["GETEX present", 1, 0],
  ["GETEX present EX 100", 1, 0],
  ["GETEX present PERSIST", 1, 0],
  ["GETEX missing EX 100", 0, 1],
  ["GETSET present 1", 1, 0],
  ["SET present 1 GET", 1, 0],
  ["SET present 1", 0, 0],
  ["SET present 1 XX", 0, 0],
  ["GETDEL missing", 0, 1],
  ["RENAME present present", 0, 0],
  ["MSETNX present 1 other 1", 0, 0],
  ["GETDEL present", 1, 0],
];

test("commands that reply with a value count hits and misses, other commands do not", async () => {
  await using service = await serveRedis();
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  for (const [command, hits, misses] of COMMANDS) {
    if (command !== "GETDEL present") await client.send("SET", ["present", "value"]);
    const before = service.cache.maintenance.stats();
    const [name = "", ...words] = command.split(" ");
    await client.send(name, words);
    const after = service.cache.maintenance.stats();
    expect([command, after.hit - before.hit, after.miss - before.miss]).toEqual([
      command,
      hits,
      misses,
    ]);
  }
  client.close();
});
