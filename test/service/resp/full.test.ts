// A full cache with --eviction none, compared with redis-server under noeviction.

import { RedisClient } from "bun";
import { describe, expect, test } from "bun:test";

import { freePort, serveRedis } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";

const KEYS = 200;
const FULL = "OOM command not allowed when used memory > 'maxmemory'.";

/** Fills the cache with values of this length. Returns the number of the first key that had no room. */
async function fill(client: RedisClient, length: number): Promise<number> {
  const value = "v".repeat(length);
  for (let first = 0; ; first += 500) {
    const sets = Array.from({ length: 500 }, (_, n) => client.set(`key:${first + n}`, value));
    const results = await Promise.allSettled(sets);
    const firstFailed = results.findIndex(({ status }) => status === "rejected");
    if (firstFailed >= 0) {
      expect(String((results[firstFailed] as PromiseRejectedResult).reason)).toContain(FULL);
      // Other shards may have room left, so later keys may exist too: use only the keys before.
      return first + firstFailed;
    }
  }
}

/** Runs commands that Redis does not mark denyoom: all of them work in a full cache. */
async function changeKeys(client: RedisClient, count: number, value: string): Promise<void> {
  const send = (name: string, ...words: string[]): Promise<unknown> => client.send(name, words);
  for (let n = 0; n < count; n++) {
    const key = `key:${n}`;
    expect(await send("EXPIRE", key, "100")).toBe(1);
    expect(await send("PERSIST", key)).toBe(1);
    expect(await send("PEXPIRE", key, "100000", "NX")).toBe(1);
    expect(await send("GETEX", key, "EX", "50")).toBe(value);
    expect(await send("GETEX", key, "PERSIST")).toBe(value);
    expect(await send("EXPIREAT", key, "99999999999")).toBe(1);
    expect(await send("PEXPIREAT", key, "99999999999000")).toBe(1);
    expect(await send("RENAME", key, `other:${n}`)).toBe("OK");
    expect(await send("RENAMENX", `other:${n}`, key)).toBe(1);
    expect(await send("TTL", key)).toBeGreaterThan(1000);
  }
}

describe("a full cache that does not evict", () => {
  for (const length of [1, 8, 16, 24, 100, 2000]) {
    test(`sets lifetimes and renames keys with values of ${length} bytes`, async () => {
      await using service = serveRedis(["--memory", "2mb", "--eviction", "none"]);
      const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
      const filled = await fill(client, length);
      expect(filled).toBeGreaterThan(KEYS);
      const before = service.cache.maintenance.stats();
      await changeKeys(client, KEYS, "v".repeat(length));
      const after = service.cache.maintenance.stats();
      expect(after.entries).toBe(before.entries);
      expect(after.expiring).toBe(KEYS);
      // Every entry of the cache can get a lifetime.
      for (let n = 0; n < filled; n += 500) {
        const some = Array.from({ length: Math.min(500, filled - n) }, (_, m) =>
          client.expire(`key:${n + m}`, 1000),
        );
        expect((await Promise.all(some)).every((reply) => reply === 1)).toBe(true);
      }
      expect(await client.send("GETDEL", ["key:0"])).toBe("v".repeat(length));
      expect(service.cache.maintenance.stats()).toMatchObject({
        entries: before.entries - 1,
        evicted: 0,
      });
      client.close();
    });
  }

  test.skipIf(Bun.which("redis-server") === null)("behaves as redis-server does", async () => {
    const port = freePort();
    const options = ["--maxmemory", "2mb", "--maxmemory-policy", "noeviction", "--save", ""];
    const redis = Bun.spawn(["redis-server", "--port", String(port), ...options], {
      stdout: "ignore",
    });
    try {
      const client = new RedisClient(`redis://127.0.0.1:${port}`);
      await until("redis-server responds", () =>
        client.ping().then(
          () => true,
          () => false,
        ),
      );
      await fill(client, 100);
      await changeKeys(client, 50, "v".repeat(100));
      client.close();
    } finally {
      redis.kill();
      await redis.exited;
    }
  });
});
