// Each way in which a key changes reports it to a consumer, once the consumer listens.

import { describe, expect, test } from "bun:test";

import {
  ByteBuffer,
  type Bytes,
  Cache,
  type CacheOptions,
  type ChangeKind,
  DELETED,
  EVICTED,
  EXPIRED,
  fitOptions,
  NEVER,
  WRITTEN,
} from "../../../src/cache/cache.ts";
import { SINGLE_THREAD_DEFAULTS } from "../../../src/cache/options.ts";

const KINDS: Readonly<Record<ChangeKind, string>> = {
  [WRITTEN]: "written",
  [DELETED]: "deleted",
  [EXPIRED]: "expired",
  [EVICTED]: "evicted",
};
const SMALL_CACHE = { shards: 4, virtualNodes: 16, memoryBytes: 2 ** 20 };

/** Records what a cache reports. */
class Recorder {
  readonly seen: string[] = [];
  emptied = 0;
  readonly cache: Cache;

  constructor(cache: Cache) {
    this.cache = cache;
    cache.changes.attach("feed", {
      changed: (shard, _hash, { bytes, start, end }, kind) => {
        const stats = cache.maintenance.shardStats()[shard];
        if (stats === undefined) throw new Error(`no shard ${shard}`);
        this.seen.push(`${bytes.toString("utf8", start, end)} ${KINDS[kind]}`);
      },
      emptied: () => void this.emptied++,
    });
    cache.changes.listen("feed", 1);
  }

  /** Returns what was reported since the last call. */
  take(): string[] {
    return this.seen.splice(0);
  }
}

const key = ByteBuffer.ofText("k");
const value = ByteBuffer.ofText("value");
const longValue = ByteBuffer.ofText("v".repeat(2000));

for (const store of ["shared", "map"] as const) {
  describe(store, () => {
    const create = (options: Partial<CacheOptions> = {}) =>
      new Recorder(Cache.create({ ...SMALL_CACHE, store, ...options }));

    test("writes of all kinds", () => {
      const recorder = create();
      const { cache } = recorder;
      const update = (change: Parameters<Cache["update"]>[2]) => {
        cache.update(key, 0, change);
        return recorder.take();
      };
      cache.put(key, value, NEVER, 0);
      expect(recorder.take()).toEqual(["k written"]);
      cache.put(key, longValue, NEVER, 0);
      expect(recorder.take()).toEqual(["k written"]);
      expect(update(() => "keep")).toEqual([]);
      expect(update(() => ({ value, expiresAtMs: NEVER }))).toEqual(["k written"]);
      expect(update(() => ({ part: value, at: 2, expiresAtMs: NEVER }))).toEqual(["k written"]);
      expect(update(() => ({ part: value, at: 900, expiresAtMs: NEVER }))).toEqual(["k written"]);
      expect(update(() => ({ expiresAtMs: 100 }))).toEqual(["k written"]);
      expect(update(() => ({ expiresAtMs: 200 }))).toEqual(["k written"]);
      expect(update(() => "delete")).toEqual(["k deleted"]);
      expect(update(() => "delete")).toEqual([]);
      expect(update(() => ({ part: value, at: 0, expiresAtMs: NEVER }))).toEqual(["k written"]);
      cache.get(key, 0, new ByteBuffer());
      cache.look(key, 0);
      expect(recorder.take()).toEqual([]);
      expect(cache.delete(key, 0)).toBe(true);
      expect(recorder.take()).toEqual(["k deleted"]);
      cache.delete(key, 0);
      expect(recorder.take()).toEqual([]);
    });

    test("the end of a lifetime: swept, deleted, or overwritten", () => {
      const recorder = create();
      const { cache } = recorder;
      const putDue = () => {
        cache.put(key, value, 10, 0);
        recorder.take();
      };
      putDue();
      for (let n = 0; n < 8; n++) cache.maintenance.sweep(20, 1000);
      expect(recorder.take()).toEqual(["k expired"]);
      putDue();
      expect(cache.delete(key, 20)).toBe(false);
      expect(recorder.take()).toEqual(["k expired"]);
      putDue();
      cache.put(key, value, NEVER, 20);
      expect(recorder.take().at(-1)).toBe("k written");
      putDue();
      cache.update(key, 20, () => ({ value, expiresAtMs: NEVER }));
      expect(recorder.take().at(-1)).toBe("k written");
    });

    test("eviction: each key that is gone was reported, and no other key as evicted", () => {
      const recorder = create({ memoryBytes: 2 ** 18, shards: 1 });
      const { cache } = recorder;
      const names = Array.from({ length: 2000 }, (_, n) => `key${n}`);
      for (const name of names) cache.put(ByteBuffer.ofText(name), longValue, NEVER, 0);
      const evicted = recorder.take().filter((line) => line.endsWith("evicted"));
      const gone = names.filter((name) => cache.look(ByteBuffer.ofText(name), 0) === undefined);
      expect(evicted.sort()).toEqual(gone.map((name) => `${name} evicted`).sort());
      expect(gone.length).toBeGreaterThan(1000);
      expect(cache.maintenance.stats().evicted).toBe(gone.length);
    });

    test("clear empties each shard", () => {
      const recorder = create();
      recorder.cache.put(key, value, NEVER, 0);
      recorder.cache.clear();
      expect(recorder.emptied).toBe(recorder.cache.maintenance.shardStats().length);
    });

    test("a rejected put of a full cache changes nothing", () => {
      const recorder = create({ evicts: false, memoryBytes: 2 ** 18, shards: 1 });
      const { cache } = recorder;
      let stored = 0;
      while (cache.put(ByteBuffer.ofText(`key${stored}`), longValue, NEVER, 0)) stored++;
      expect(recorder.take()).toHaveLength(stored);
    });

    test("without a listener nothing is reported", () => {
      const recorder = create();
      recorder.cache.changes.listen("feed", -1);
      recorder.cache.changes.listen("watch", 1);
      recorder.cache.put(key, value, NEVER, 0);
      recorder.cache.clear();
      expect(recorder.take()).toEqual([]);
      expect(recorder.emptied).toBe(0);
    });
  });
}

test("entries of a snapshot are reported, and a shard that a failed write leaves empty", () => {
  const options = fitOptions({ ...SINGLE_THREAD_DEFAULTS, ...SMALL_CACHE });
  const memory = Cache.allocate(options, 2);
  const cache = new Cache(options, memory, 0);
  const recorder = new Recorder(cache);
  cache.restore({ key, value, expiresAtMs: NEVER, isMain: true, hits: 1, rounds: 0 }, 0);
  cache.restore({ key, value, expiresAtMs: NEVER, isMain: true, hits: 1, rounds: 0 }, 0);
  expect(recorder.take()).toEqual(["k written", "k written"]);
  const dying = new Recorder(new Cache(options, memory, 1));
  const failing: Bytes = {
    get bytes(): Buffer {
      throw new Error("the value cannot be read");
    },
    start: 0,
    end: 5,
  };
  expect(() => dying.cache.put(key, failing, NEVER, 0)).toThrow("cannot be read");
  expect(dying.emptied).toBe(1);
  cache.changes.listen("feed", -1);
  cache.put(key, value, NEVER, 0);
  // The listener of the other thread counts until the supervisor removes it.
  expect(recorder.take()).toEqual(["k written"]);
  cache.maintenance.recoverThread(1);
  cache.put(key, value, NEVER, 0);
  expect(recorder.take()).toEqual([]);
});
