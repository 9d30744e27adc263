// The laws of leases, stale values and tags, on both stores.

import { describe, expect, test } from "bun:test";

import { ByteBuffer, Cache, MISS, NEVER } from "../../../src/cache/cache.ts";
import {
  type Found,
  type GetOptions,
  hashTags,
  type NewEntry,
  type PutOutcome,
} from "../../../src/cache/leases.ts";
import { random } from "../../lib/random.ts";

const LEASE_MS = 10_000;

describe.each(["shared", "map"] as const)("the store %s", (store) => {
  test("gives one lease of a missing key, and a put with it ends it", () => {
    const cache = new Keys(store);
    const { lease = "" } = cache.lease("k", 0);
    expect(lease).toMatch(/^[\w-]{22}$/);
    expect(cache.lease("k", 1)).toMatchObject({ lease: undefined, leaseEndsAtMs: LEASE_MS });
    expect(cache.put("k", "v", { lease }, 2)).toBe("created");
    expect(cache.lease("k", 3)).toMatchObject({ value: "v", lease: undefined, leaseEndsAtMs: 0 });
    expect(cache.put("k", "again", { lease }, 4)).toBe("written");
    expect(cache.get("k", 5)).toBe("v");
  });

  test("an open lease is no entry", () => {
    const cache = new Keys(store);
    cache.lease("k", 0);
    expect(cache.get("k", 1)).toBeUndefined();
    expect(cache.stats).toEqual({ entries: 0, unaccounted: 0 });
    expect(cache.scanned(1)).toEqual([]);
    cache.put("k", "v", {}, 2);
    expect(cache.stats).toEqual({ entries: 1, unaccounted: 0 });
    cache.check();
  });

  test("a lease that is over is free for the next caller, and counts until there is one", () => {
    const cache = new Keys(store);
    const first = cache.lease("k", 0).lease ?? "";
    const second = cache.lease("k", LEASE_MS).lease ?? "";
    expect(second).not.toBe("");
    expect(cache.put("k", "old", { lease: first }, LEASE_MS)).toBe("newer lease");
    expect(cache.put("k", "new", { lease: second }, 2 * LEASE_MS + 1)).toBe("created");
  });

  const ENDINGS: Readonly<Record<string, [(cache: Keys) => void, PutOutcome]>> = {
    "a put": [(cache) => cache.put("k", "other", {}, 1), "written"],
    "a plain put": [(cache) => cache.plainPut("k", "other"), "written"],
    "a delete": [(cache) => void cache.delete("k", 1), "gone"],
    "an update": [(cache) => cache.update("k", "7"), "written"],
    "a clear": [(cache) => cache.cache.clear(), "gone"],
    "a release": [(cache) => void cache.release("k", cache.token, 1), "gone"],
    "an invalidation of a tag": [(cache) => cache.invalidate("t"), "invalidated"],
  };
  for (const [name, [end, reason]] of Object.entries(ENDINGS)) {
    test(`${name} voids an open lease`, () => {
      const cache = new Keys(store);
      cache.token = cache.lease("k", 0).lease ?? "";
      end(cache);
      const before = cache.get("k", 2);
      const outcome = cache.put("k", "late", { lease: cache.token, tags: ["t"] }, 2);
      expect(outcome).toBe(reason);
      expect(cache.get("k", 3)).toBe(before);
      cache.check();
    });
  }

  test("a stale value is served only to a caller that wants one, and is gone after its time", () => {
    const cache = new Keys(store);
    cache.put("k", "v", { expiresAtMs: 100, staleMs: 50 }, 0);
    expect(cache.get("k", 99)).toBe("v");
    expect(cache.get("k", 100)).toBeUndefined();
    expect(cache.read("k", 100, { servesStale: true })).toMatchObject({
      value: "v",
      isStale: true,
    });
    cache.sweep(149);
    expect(cache.stats).toEqual({ entries: 0, unaccounted: 0 });
    expect(cache.read("k", 149, { servesStale: true }).value).toBe("v");
    expect(cache.read("k", 150, { servesStale: true }).value).toBeUndefined();
    cache.sweep(150);
    expect(cache.read("k", 149, { servesStale: true }).value).toBeUndefined();
    expect(cache.stats).toEqual({ entries: 0, unaccounted: 0 });
    cache.check();
  });

  test("the first caller of a stale value gets a lease beside it, the others the value", () => {
    const cache = new Keys(store);
    cache.put("k", "v", { expiresAtMs: 100, staleMs: 50, contentType: "text/plain" }, 0);
    const first = cache.lease("k", 120);
    expect(first).toMatchObject({ value: "v", isStale: true });
    expect(first.lease).toBeDefined();
    expect(cache.lease("k", 121)).toMatchObject({ value: "v", isStale: true, lease: undefined });
    // The stale time does not end later because of the lease, and the lease not earlier because of it.
    expect(cache.lease("k", 151)).toMatchObject({ value: undefined, lease: undefined });
    expect(cache.release("k", first.lease ?? "", 122)).toBeUndefined();
    const second = cache.lease("k", 123);
    expect(second.value).toBe("v");
    expect(second.meta?.contentType).toBe("text/plain");
    expect(cache.put("k", "w", { lease: second.lease }, 124)).toBe("created");
    expect(cache.get("k", 125)).toBe("w");
    cache.check();
  });

  test("a delete of a stale value removes it, and finds no entry", () => {
    const cache = new Keys(store);
    cache.put("k", "v", { expiresAtMs: 100, staleMs: 50 }, 0);
    expect(cache.delete("k", 120)).toBe(false);
    expect(cache.read("k", 120, { servesStale: true }).value).toBeUndefined();
  });

  test("an invalidated entry is never served again, fresh or stale", () => {
    const cache = new Keys(store);
    cache.put("a", "1", { tags: ["x", "y"] }, 0);
    cache.put("b", "2", { tags: ["y"] }, 0);
    cache.put("c", "3", { tags: ["z"], expiresAtMs: 5, staleMs: 100 }, 0);
    cache.put("d", "4", {}, 0);
    cache.invalidate("x", "z");
    expect(["a", "b", "c", "d"].map((key) => cache.get(key, 1))).toEqual([
      undefined,
      "2",
      undefined,
      "4",
    ]);
    expect(cache.read("c", 50, { servesStale: true }).value).toBeUndefined();
    expect(cache.scanned(1).toSorted()).toEqual(["b", "d"]);
    expect(cache.delete("a", 1)).toBe(false);
    cache.put("a", "5", { tags: ["x"] }, 1);
    expect(cache.get("a", 1)).toBe("5");
    cache.sweep(1);
    cache.check();
    expect(cache.stats.unaccounted).toBe(0);
  });

  test("a change of a part or of the expiry keeps tags, type and stale time; a new value does not", () => {
    const cache = new Keys(store);
    const all = { tags: ["t"], contentType: "a/b", expiresAtMs: 100, staleMs: 50 };
    for (const key of ["part", "expiry", "count", "new"]) cache.put(key, "12", all, 0);
    cache.cache.update(ByteBuffer.ofText("part"), 0, () => ({
      ...{ part: ByteBuffer.ofText("345"), at: 2, expiresAtMs: 100 },
    }));
    cache.cache.update(ByteBuffer.ofText("expiry"), 0, () => ({ expiresAtMs: 300 }));
    const value = ByteBuffer.ofText("13");
    cache.cache.update(ByteBuffer.ofText("count"), 0, () => {
      return { value, expiresAtMs: 100, keepsMeta: true };
    });
    cache.update("new", "7");
    expect(cache.get("part", 1)).toBe("12345");
    expect(cache.read("expiry", 320, { servesStale: true })).toMatchObject({ value: "12" });
    expect(cache.read("expiry", 349, { servesStale: true }).meta?.contentType).toBe("a/b");
    expect(cache.get("count", 1)).toBe("13");
    cache.check();
    cache.invalidate("t");
    expect(["part", "expiry", "count", "new"].map((key) => cache.get(key, 2))).toEqual([
      ...[undefined, undefined, undefined],
      "7",
    ]);
  });

  test("values and types of all lengths come back byte for byte", () => {
    const cache = new Keys(store);
    for (let length = 0; length < 40; length++) {
      const value = "v".repeat(length * 7);
      const contentType = "t".repeat((length * 13) % 256);
      const tags = Array.from({ length: length % 17 }, (_, n) => `tag${n}`);
      cache.put(`key${length}`.repeat(1 + (length % 3)), value, { tags, contentType }, 0);
      const found = cache.read(`key${length}`.repeat(1 + (length % 3)), 1, {});
      expect(found.value).toBe(value);
      expect(found.meta?.contentType ?? "").toBe(contentType);
      expect(found.meta?.tags ?? []).toEqual(hashTags(tags.map((tag) => ByteBuffer.ofText(tag))));
    }
    cache.check();
  });

  test("of a thousand tokens no two are alike", () => {
    const cache = new Keys(store);
    const tokens = new Set<string>();
    for (let n = 0; n < 1000; n++) tokens.add(cache.lease(`k${n}`, 0).lease ?? "");
    expect(tokens.size).toBe(1000);
  });
});

test("both stores do the same, in a long random sequence", () => {
  const draw = random();
  const caches = [new Keys("shared"), new Keys("map")];
  const leases = new Map<string, string[][]>();
  let nowMs = 0;
  for (let step = 0; step < 20_000; step++) {
    nowMs += draw.below(40);
    const key = `key${draw.below(12)}`;
    const tags = Array.from({ length: draw.below(4) }, () => `tag${draw.below(5)}`);
    const ttl = draw.below(3) === 0 ? NEVER : nowMs + draw.below(400);
    const staleMs = draw.below(2) === 0 ? undefined : draw.below(500);
    const kind = draw.below(12);
    const length = draw.below(draw.below(50) === 0 ? 5000 : 60);
    const given = leases.get(key) ?? [];
    const pair = given[draw.below(given.length + 1)];
    const results = caches.map((cache, n) => {
      const value = String(step).repeat(1 + length / 5);
      const entry = { expiresAtMs: ttl, staleMs, tags, contentType: tags[0] ?? "" };
      switch (kind) {
        case 0:
          return cache.put(key, value, entry, nowMs);
        case 1:
          return cache.plainPut(key, value);
        case 2:
          return cache.delete(key, nowMs);
        case 3:
          return draw.below(1) === 0 && step % 7 === 0 ? cache.invalidate(...tags) : undefined;
        case 4:
          return pair === undefined ? 0 : cache.release(key, pair[n] ?? "", nowMs);
        case 5:
        case 6:
          return pair && cache.put(key, value, { ...entry, lease: pair[n] }, nowMs);
        case 7:
          return cache.cache.update(ByteBuffer.ofText(key), nowMs, (shown) =>
            shown === undefined ? "keep" : { expiresAtMs: nowMs + 50 },
          );
        case 8:
          return cache.sweep(nowMs);
        case 9:
          return cache.read(key, nowMs, { servesStale: true });
        case 10:
          return cache.get(key, nowMs);
        default:
          return cache.lease(key, nowMs);
      }
    });
    const tokens = results.map((result) => (result as Shown | undefined)?.lease ?? "");
    if (kind === 11 && tokens[0] !== "") leases.set(key, [...given.slice(-2), tokens]);
    const plain = results.map((result) => withoutToken(result));
    expect(plain[0]).toEqual(plain[1]);
    if (step % 500 === 0) for (const cache of caches) cache.check();
  }
  for (const cache of caches) {
    cache.check();
    expect(cache.stats.unaccounted).toBe(0);
  }
});

test("open leases of many missing keys stay within the memory, and the last of them are valid", () => {
  const cache = Cache.create({
    memoryBytes: 2 ** 20,
    shards: 2,
    maxValueBytes: 1000,
    store: "shared",
  });
  const into = new ByteBuffer();
  const value = ByteBuffer.ofText("v");
  let last = { key: ByteBuffer.ofText(""), lease: "" };
  for (let n = 0; n < 10_000; n++) {
    const key = ByteBuffer.ofText(`key ${n}`);
    last = { key, lease: cache.leases.get(key, 0, into, { leaseMs: LEASE_MS }).lease ?? "" };
  }
  const { used, memory, entries } = cache.maintenance.stats();
  expect(used).toBeLessThanOrEqual(memory);
  expect(entries).toBe(0);
  const entry: NewEntry = { value, expiresAtMs: NEVER, lease: last.lease };
  expect(cache.leases.put(last.key, entry, 1)).toBe("created");
  // The record of the first one was evicted.
  const first = ByteBuffer.ofText("key 0");
  expect(cache.leases.put(first, { ...entry, lease: last.lease }, 1)).toBe("gone");
});

test("under eviction, leases and tagged entries keep the laws of the shard", () => {
  const draw = random();
  const cache = new Keys("shared", 2 ** 19, 2);
  for (let step = 0; step < 12_000; step++) {
    const key = `key${draw.below(20_000)}`;
    // So slowly that leases and entries stay until they are evicted.
    const nowMs = step / 10;
    const { lease } = cache.lease(key, nowMs);
    const tags = [`tag${draw.below(100)}`];
    if (lease !== undefined && draw.below(3) > 0) {
      cache.put(key, "v".repeat(draw.below(300)), { lease, tags, staleMs: 100 }, nowMs);
    }
    if (step % 500 === 0) cache.invalidate(`tag${draw.below(100)}`);
    if (step % 500 === 0) cache.sweep(nowMs);
    if (step % 2000 === 0) cache.check();
  }
  cache.check();
  expect(cache.stats.unaccounted).toBe(0);
  expect(cache.cache.maintenance.stats().evicted).toBeGreaterThan(100);
});

function withoutToken(result: unknown): unknown {
  // A MapShard frees an invalidated record at the next call on its key, and then knows less of it.
  if (result === "invalidated" || result === "newer lease") return "gone";
  if (typeof result !== "object" || result === null) return result;
  const { lease, meta, ...rest } = result as Shown;
  const { stamp: _stamp, lease: open, ...facts } = meta ?? {};
  return { ...rest, hasLease: lease !== undefined, facts, isOpen: open !== undefined };
}

interface Shown extends Omit<Found, "length"> {
  readonly value: string | undefined;
}

type Entry = Omit<Partial<NewEntry>, "value" | "tags"> & { readonly tags?: readonly string[] };

/** A cache whose keys, values and tags are text. */
class Keys {
  readonly cache: Cache;
  token = "";
  readonly #into = new ByteBuffer();

  constructor(store: "shared" | "map", memoryBytes = 2 ** 24, shards = 4) {
    this.cache = Cache.create({ store, shards, memoryBytes, maxValueBytes: 2 ** 13 });
  }

  get(key: string, nowMs: number): string | undefined {
    this.#into.clear();
    const length = this.cache.get(ByteBuffer.ofText(key), nowMs, this.#into);
    return length === MISS ? undefined : this.#into.toText();
  }

  read(key: string, nowMs: number, options: GetOptions): Shown {
    this.#into.clear();
    const found = this.cache.leases.get(ByteBuffer.ofText(key), nowMs, this.#into, options);
    const { length, ...rest } = found;
    expect(this.#into.end).toBe(Math.max(0, length));
    return { ...rest, value: length === MISS ? undefined : this.#into.toText() };
  }

  lease(key: string, nowMs: number): Shown {
    return this.read(key, nowMs, { leaseMs: LEASE_MS });
  }

  put(key: string, value: string, entry: Entry, nowMs: number): PutOutcome {
    const { expiresAtMs = NEVER, tags = [], ...rest } = entry;
    const whole = {
      ...rest,
      ...{ value: ByteBuffer.ofText(value), expiresAtMs },
      tags: hashTags(tags.map((tag) => ByteBuffer.ofText(tag))),
    };
    return this.cache.leases.put(ByteBuffer.ofText(key), whole, nowMs);
  }

  plainPut(key: string, value: string): boolean {
    return this.cache.put(ByteBuffer.ofText(key), ByteBuffer.ofText(value), NEVER, 1);
  }

  update(key: string, value: string): void {
    const change = { value: ByteBuffer.ofText(value), expiresAtMs: NEVER };
    this.cache.update(ByteBuffer.ofText(key), 1, () => change);
  }

  delete(key: string, nowMs: number): boolean {
    return this.cache.delete(ByteBuffer.ofText(key), nowMs);
  }

  release(key: string, token: string, nowMs: number) {
    return this.cache.leases.release(ByteBuffer.ofText(key), token, nowMs);
  }

  invalidate(...tags: string[]): void {
    this.cache.leases.invalidate(hashTags(tags.map((tag) => ByteBuffer.ofText(tag))));
  }

  sweep(nowMs: number): void {
    for (let round = 0; round < 8; round++) this.cache.maintenance.sweep(nowMs, 100_000);
  }

  scanned(nowMs: number): string[] {
    const keys: string[] = [];
    let position = 0;
    do {
      position = this.cache.scan(nowMs, position, 100, ({ bytes, start, end }) => {
        keys.push(bytes.toString("utf8", start, end));
      });
    } while (position !== 0);
    return keys;
  }

  check(): void {
    this.cache.maintenance.verify();
  }

  get stats(): { entries: number; unaccounted: number } {
    const stats = this.cache.maintenance.stats();
    const { entries, inserted, loaded, overwritten, deleted, expired, evicted } = stats;
    const gone = overwritten + deleted + expired + evicted;
    return { entries, unaccounted: inserted + loaded - entries - gone };
  }
}
