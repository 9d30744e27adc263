import { expect, test } from "bun:test";
import { RedisClient } from "bun";

import { serveRedis } from "../../lib/service.ts";

for (const [options, redisName, name] of [
  [["--eviction", "s3fifo"], "allkeys-lfu", "s3fifo"],
  [["--eviction", "none"], "noeviction", "none"],
  [["--store", "map"], "allkeys-lru", "lru"],
] as const) {
  test(`with ${options.join(" ")} clients see ${redisName}, and INFO has the true policy`, async () => {
    await using service = serveRedis([...options]);
    const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
    const parameters = await client.send("CONFIG", ["GET", "maxmemory-policy"]);
    expect(parameters).toEqual({ "maxmemory-policy": redisName });
    // Symfony reads INFO memory, BullMQ all of INFO.
    for (const section of [["memory"], []]) {
      const info = (await client.send("INFO", section)) as string;
      expect(info).toContain(`\r\nmaxmemory_policy:${redisName}\r\n`);
      expect(info).toContain(`\r\neviction_policy:${name}\r\n`);
    }
    client.close();
  });
}
