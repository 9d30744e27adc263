// A full cache with --eviction none, beside redis-server with noeviction.

import { RedisClient } from "bun";
import { describe, expect, test } from "bun:test";

import { freePort, serveRedis } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";

const KEYS = 200;
const FULL = "OOM command not allowed when used memory > 'maxmemory'.";

/** Fills the cache with values of this length, and returns how many keys it took. */
async function fill(client: RedisClient, length: number): Promise<number> {
  const value = "v".repeat(length);
  for (let first = 0; ; first += 500) {
    const sets = Array.from({ length: 500 }, (_, n) => client.set(`key:${first + n}`, value));
    const results = await Promise.allSettled(sets);
    const refused = results.findIndex(({ status }) => status === "rejected");
    if (refused >= 0) {
      expect(String((results[refused] as PromiseRejectedResult).reason)).toContain(FULL);
      // Another shard may have room still: what is asked of below must be there.
      return first + refused;
    }
  }
}

/** All that redis does not mark denyoom works on each of these keys. */
async function changeKeys(client: RedisClient, count: number, value: string): Promise<void> {
  const ask = (name: string, ...words: string[]): Promise<unknown> => client.send(name, words);
  for (let n = 0; n < count; n++) {
    const key = `key:${n}`;
    expect(await ask("EXPIRE", key, "100")).toBe(1);
    expect(await ask("PERSIST", key)).toBe(1);
    expect(await ask("PEXPIRE", key, "100000", "NX")).toBe(1);
    expect(await ask("GETEX", key, "EX", "50")).toBe(value);
    expect(await ask("GETEX", key, "PERSIST")).toBe(value);
    expect(await ask("EXPIREAT", key, "99999999999")).toBe(1);
    expect(await ask("PEXPIREAT", key, "99999999999000")).toBe(1);
    expect(await ask("RENAME", key, `other:${n}`)).toBe("OK");
    expect(await ask("RENAMENX", `other:${n}`, key)).toBe(1);
    expect(await ask("TTL", key)).toBeGreaterThan(1000);
  }
}

describe("a full cache that does not evict", () => {
  for (const length of [1, 8, 16, 24, 100, 2000]) {
    test(`lets lifetimes be set and keys be renamed, values of ${length} bytes`, async () => {
      await using service = serveRedis(["--memory", "2mb", "--eviction", "none"]);
      const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
      const filled = await fill(client, length);
      expect(filled).toBeGreaterThan(KEYS);
      const before = service.cache.stats();
      await changeKeys(client, KEYS, "v".repeat(length));
      const after = service.cache.stats();
      expect(after.entries).toBe(before.entries);
      expect(after.expiring).toBe(KEYS);
      // A whole cache gets lifetimes, one key after another.
      for (let n = 0; n < filled; n += 500) {
        const some = Array.from({ length: Math.min(500, filled - n) }, (_, m) =>
          client.expire(`key:${n + m}`, 1000),
        );
        expect((await Promise.all(some)).every((answer) => answer === 1)).toBe(true);
      }
      expect(await client.send("GETDEL", ["key:0"])).toBe("v".repeat(length));
      expect(service.cache.stats()).toMatchObject({ entries: before.entries - 1, evicted: 0 });
      client.close();
    });
  }

  test.skipIf(Bun.which("redis-server") === null)("as redis-server does", async () => {
    const port = freePort();
    const options = ["--maxmemory", "2mb", "--maxmemory-policy", "noeviction", "--save", ""];
    const redis = Bun.spawn(["redis-server", "--port", String(port), ...options], {
      stdout: "ignore",
    });
    try {
      const client = new RedisClient(`redis://127.0.0.1:${port}`);
      await until("redis-server answers", () =>
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
