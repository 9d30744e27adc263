import { expect, test } from "bun:test";
import fc from "fast-check";

import { ByteBuffer, Cache, MISS, NEVER } from "../../../src/cache/cache.ts";

test("what is put comes back, from whatever shard the ring gives it", () => {
  const cache = Cache.create({ shards: 64, virtualNodes: 16 });
  for (let n = 0; n < 10_000; n++) put(cache, `key${n}`, `value${n}`);
  for (let n = 0; n < 10_000; n++) expect(get(cache, `key${n}`)).toBe(`value${n}`);
  const held = cache.maintenance.shardStats().filter(({ entries }) => entries > 0);
  expect(held).toHaveLength(64);
  expect(cache.maintenance.stats()).toMatchObject({
    entries: 10_000,
    inserted: 10_000,
    hit: 10_000,
    miss: 0,
  });
  cache.maintenance.verify();
});

test("any text is a key and a value, and comes back as it was", () => {
  const cache = Cache.create({ shards: 8, virtualNodes: 16 });
  const anyText = fc.string({ unit: "binary", minLength: 1, maxLength: 256 });
  fc.assert(
    fc.property(anyText, anyText, (key, value) => {
      put(cache, key, value);
      expect(get(cache, key)).toBe(value);
    }),
    { numRuns: 2000 },
  );
});

test("hits, misses, puts and deletes are counted, and entries add up", () => {
  const cache = Cache.create({ shards: 4, virtualNodes: 16 });
  put(cache, "a", "1");
  put(cache, "b", "2", 100);
  expect(get(cache, "a")).toBe("1");
  expect(get(cache, "b", 100)).toBeUndefined();
  expect(get(cache, "c")).toBeUndefined();
  expect(cache.delete(ByteBuffer.ofText("a"), 0)).toBe(true);
  expect(cache.delete(ByteBuffer.ofText("a"), 0)).toBe(false);
  cache.maintenance.sweep(100, 10);
  expect(cache.maintenance.stats()).toMatchObject({
    entries: 0,
    bytes: 0,
    hit: 1,
    miss: 2,
    inserted: 2,
    overwritten: 0,
    deleted: 1,
    expired: 1,
    evicted: 0,
    emptied: 0,
    lostThreads: 0,
  });
});

test("update runs once with the entry of that key", () => {
  const cache = Cache.create({ shards: 4, virtualNodes: 16 });
  put(cache, "n", "41");
  cache.update(ByteBuffer.ofText("n"), 0, (entry) => {
    const { bytes, start, end } = entry?.value ?? ByteBuffer.ofText("");
    const next = Number(bytes.toString("utf8", start, end)) + 1;
    return { value: ByteBuffer.ofText(`${next}`), expiresAtMs: NEVER };
  });
  expect(get(cache, "n")).toBe("42");
});

test("scan shows the live entries of all shards once", () => {
  const cache = Cache.create({ shards: 16, virtualNodes: 16 });
  for (let n = 0; n < 1000; n++) put(cache, `key${n}`, "v", n < 500 ? 10 : NEVER);
  const seen: string[] = [];
  let position = 0;
  do {
    position = cache.scan(10, position, 7, ({ bytes, start, end }) => {
      seen.push(bytes.toString("utf8", start, end));
    });
  } while (position !== 0);
  expect(seen).toHaveLength(500);
  expect(new Set(seen)).toEqual(new Set(Array.from({ length: 500 }, (_, n) => `key${n + 500}`)));
});

test("sweeps of bounded size free all that has expired, shard after shard", () => {
  const cache = Cache.create({ shards: 16, virtualNodes: 16 });
  for (let n = 0; n < 1000; n++) put(cache, `key${n}`, "v", n % 4 === 0 ? NEVER : 10);
  for (let n = 0; n < 60; n++) cache.maintenance.sweep(10, 50);
  expect(cache.maintenance.stats()).toMatchObject({ entries: 250, expired: 750 });
});

function put(cache: Cache, key: string, value: string, expiresAtMs = NEVER): void {
  cache.put(ByteBuffer.ofText(key), ByteBuffer.ofText(value), expiresAtMs, 0);
}

function get(cache: Cache, key: string, nowMs = 0): string | undefined {
  const value = new ByteBuffer();
  const length = cache.get(ByteBuffer.ofText(key), nowMs, value);
  return length === MISS ? undefined : value.toText();
}

test("inside a step only its keys may be used, and steps inside it just run", () => {
  for (const store of ["shared", "map"] as const) {
    const cache = Cache.create({ shards: 64, virtualNodes: 16, store });
    const keys = Array.from({ length: 50 }, (_, n) => ByteBuffer.ofText(`key${n}`));
    const [first, second] = keys as [ByteBuffer, ByteBuffer];
    for (const key of keys) cache.put(key, key, NEVER, 0);
    const into = new ByteBuffer();
    const inside: readonly (() => unknown)[] = [
      () => cache.exclusively(() => {}),
      () => keys.map((key) => cache.put(key, key, NEVER, 0)),
      () => keys.map((key) => cache.get(key, 0, into)),
      () => keys.map((key) => cache.look(key, 0)),
      () => cache.scan(0, 0, 100, () => {}),
      () => cache.clear(),
    ];
    for (const call of inside) {
      expect(() => cache.atomically([first], call)).toThrow("atomically");
      expect(() => cache.update(first, 0, () => (call(), "keep"))).toThrow("called the cache");
    }
    // An entry that is shown stays as it is, also in atomically.
    const nested = () => {
      cache.update(first, 0, () => {
        cache.update(second, 0, () => "keep");
        return "keep";
      });
    };
    expect(() => cache.atomically([first, second], nested)).toThrow("called the cache");
    cache.atomically([first, second], () => {
      expect(cache.isInStep).toBe(true);
      expect(cache.atomically([second], () => get(cache, "key1"))).toBe("key1");
      cache.consistently([second], () => expect(get(cache, "key1")).toBe("key1"));
      expect(() => cache.clear()).toThrow("atomically");
      expect(get(cache, "key0")).toBe("key0");
      expect(() => cache.update(first, 0, () => cache.atomically([first], () => "keep"))).toThrow();
    });
    expect(cache.isInStep).toBe(false);
    cache.exclusively(() => {
      cache.exclusively(() => expect(get(cache, "key7")).toBe("key7"));
      expect(get(cache, "key7")).toBe("key7");
      cache.consistently(keys, () => expect(get(cache, "key8")).toBe("key8"));
      cache.clear();
    });
    expect(cache.maintenance.stats().entries).toBe(0);
    put(cache, "after", "all");
    expect(get(cache, "after")).toBe("all");
    cache.maintenance.verify();
  }
});
