// What a shard's memory is used for: by entries of any length, and by those that were asked for.

import { describe, expect, test } from "bun:test";

import { Cache } from "../../../../src/cache/cache.ts";
import { ByteBuffer, type Bytes, MISS } from "../../../../src/cache/bytes.ts";
import { SequenceLock } from "../../../../src/cache/store/shared/lock.ts";
import { MapShard } from "../../../../src/cache/store/map-shard.ts";
import { NEVER, SCAN_END } from "../../../../src/cache/store/shard.ts";
import { SharedShard } from "../../../../src/cache/store/shared/shared-shard.ts";
import { random } from "../../../lib/random.ts";
import { describeSpace } from "./space.contract.ts";

const MEBIBYTE = 2 ** 20;

function shardOf(bytes: number, evicts = true): SharedShard {
  return new SharedShard(SharedShard.allocate(bytes, evicts), new SequenceLock(0));
}

describeSpace("SharedShard", shardOf, (bytes) => SharedShard.largestValue(bytes, 8));
describeSpace(
  "MapShard",
  (bytes) => new MapShard(bytes),
  (bytes) => bytes / 8,
);

for (const [mebibytes, longShare] of [
  [1, 0.7],
  [4, 0.7],
  [32, 0.82],
  [64, 0.98],
  [256, 0.9],
  [1024, 0.82],
] as const) {
  test(`a cache of ${mebibytes} MiB has each value that was just put`, () => {
    const { below } = random();
    const cache = Cache.create({ memoryBytes: mebibytes * MEBIBYTE, maxValueBytes: MEBIBYTE });
    // Few keys, whose values are long or short by turns.
    const lengths = [0, 5, 100, Math.floor(cache.maxValueBytes * longShare)];
    const value = { bytes: Buffer.alloc(MEBIBYTE, "v"), start: 0, end: 0 };
    const into = new ByteBuffer(MEBIBYTE);
    let gone = 0;
    for (let n = 0; n < 6000; n++) {
      const key = run(`k:${below(4189)}`);
      value.end = lengths[below(lengths.length)] ?? 0;
      cache.put(key, value, NEVER, 0);
      into.clear();
      if (cache.get(key, 0, into) !== value.end) gone++;
    }
    expect(gone).toBe(0);
  }, 60_000);
}

test("restored entries are there at once, with their hits, whatever their lengths", () => {
  const { below } = random();
  const shard = shardOf(MEBIBYTE);
  const largest = SharedShard.largestValue(MEBIBYTE, 8);
  for (let n = 0; n < 3000; n++) {
    const length = below(3) === 0 ? below(largest) : below(300);
    const hits = below(4);
    const isMain = below(2) === 0;
    const key = run(`k:${below(300)}`);
    shard.restore(
      { key, value: valueOf(length), expiresAtMs: NEVER, isMain, hits, rounds: below(4) },
      0,
    );
    const seen: [number, number][] = [];
    shard.update(key, 0, (entry) => {
      if (entry !== undefined) seen.push([entry.value.end - entry.value.start, entry.hits]);
      return "keep";
    });
    expect(seen).toEqual([[length, hits]]);
  }
  shard.check();
}, 60_000);

describe("keys and values fill", () => {
  for (const [share, lengths] of [
    [0.95, [1000, 4000]],
    [0.88, [10_000, 17_000, 20_000, 24_000, 30_000, 33_000, 36_000, 40_000, 45_000, 60_000]],
    [0.85, [65_536, 70_000, 100_000, 135_000, 300_000, 524_288, 700_000, MEBIBYTE]],
  ] as const) {
    for (const length of lengths) {
      test(`${share * 100} % of a full shard if values have ${length} bytes`, () => {
        const bytes = SharedShard.bytesFor(1024, MEBIBYTE);
        const shard = shardOf(bytes);
        const value = valueOf(length);
        for (let n = 0; n * length < 2 * bytes; n++) shard.put(run(`key ${n}`), value, NEVER, 0);
        expect(shard.stats().bytes / bytes).toBeGreaterThan(share);
        shard.check();
      }, 60_000);
    }
  }

  for (const [least, most, share] of [
    [20_000, 65_536, 0.8],
    [65_536, MEBIBYTE, 0.75],
  ] as const) {
    test(`${share * 100} % on average if values have ${least} to ${most} bytes and some are asked for`, () => {
      const { below } = random();
      const bytes = SharedShard.bytesFor(1024, MEBIBYTE);
      const shard = shardOf(bytes);
      const keys = Math.ceil((4 * bytes) / (least + most));
      const into = new ByteBuffer(most);
      let sum = 0;
      let looks = 0;
      for (let n = 0; looks < 500; n++) {
        const number = below(keys);
        into.clear();
        if (shard.get(run(`k${number}`), 0, into) !== MISS) continue;
        const length = least + ((Math.imul(number + 1, 0x9e37_79b1) >>> 0) % (most - least));
        shard.put(run(`k${number}`), valueOf(length), NEVER, 0);
        if (n < 3 * keys) continue;
        sum += shard.stats().bytes / bytes;
        looks++;
      }
      expect(sum / looks).toBeGreaterThan(share);
      shard.check();
    }, 60_000);
  }
});

// A write looked through one run at most, and where all in it had been hit it evicted by force.
describe("an entry that was hit stays while there are others", () => {
  for (const [records, bytes, length] of [
    ["one record", MEBIBYTE, 4000],
    ["two records", MEBIBYTE, 2000],
    ["many records", 2 ** 17, 20],
    ["a long record", MEBIBYTE, 20_000],
  ] as const) {
    test(`with ${records} in a run`, () => {
      const { below } = random();
      const shard = shardOf(bytes);
      const value = valueOf(length);
      const capacity = Math.floor(bytes / SharedShard.entryBytes(6, length, false, true));
      let evicted = 0;
      let evictedHit = 0;
      const ask = () => {
        // Most of a third of the keys, as in real traces, so that nearly all of a run were hit.
        const name = `k${below(2) === 0 ? below(3 * capacity) : below(Math.ceil(capacity / 2))}`;
        if (shard.get(run(name), 0, new ByteBuffer(length)) !== MISS) return undefined;
        return name;
      };
      for (let n = 0; n < 20 * capacity; n++) {
        const name = ask();
        if (name !== undefined) shard.put(run(name), value, NEVER, 0);
      }
      for (let looks = 0; looks < 200;) {
        const name = ask();
        if (name === undefined) continue;
        const before = hitsOf(shard);
        shard.put(run(name), value, NEVER, 0);
        const after = hitsOf(shard);
        looks++;
        for (const [key, hits] of before) {
          if (after.has(key)) continue;
          evicted++;
          if (hits > 0) evictedHit++;
        }
      }
      expect(evicted).toBeGreaterThan(150);
      expect(evictedHit).toBe(0);
      shard.check();
    }, 60_000);
  }
});

test("values of 2,000 bytes have the hit ratio of 100 bytes at the same number of entries", () => {
  const requests = 75_000;
  const capacity = 3200;
  const { next, below } = random();
  // Many keys that are asked for once or twice, and some that are asked for again and again.
  const keys = Array.from({ length: requests }, () => {
    const part = next() / 2 ** 32;
    return below(3) === 0 ? 100_000 + below(requests / 2) : Math.floor(10_000 * part ** 3);
  });
  const replay = (valueBytes: number, memoryBytes: number) => {
    const cache = Cache.create({ memoryBytes, maxKeyBytes: 8, maxValueBytes: 2000, shards: 8 });
    const value = valueOf(valueBytes);
    const into = new ByteBuffer(valueBytes);
    let hits = 0;
    for (const key of keys) {
      into.clear();
      if (cache.get(run(`${key}`), 0, into) !== MISS) hits++;
      else cache.put(run(`${key}`), value, NEVER, 0);
    }
    return { percent: (100 * hits) / requests, entries: cache.maintenance.stats().entries };
  };
  const percentOf = (valueBytes: number) => {
    let memoryBytes = capacity * SharedShard.entryBytes(6, valueBytes, false, true);
    for (let step = 0; ; step++) {
      const { percent, entries } = replay(valueBytes, memoryBytes);
      if (Math.abs(entries - capacity) < capacity / 200 || step === 8) return percent;
      memoryBytes = Math.floor((memoryBytes * capacity) / entries);
    }
  };
  expect(Math.abs(percentOf(2000) - percentOf(100))).toBeLessThan(0.5);
}, 60_000);

test("without eviction long values fill the shard, and nothing is lost", () => {
  const bytes = 2 ** 23;
  for (const lengths of [[36_000], [100_000], [36_000, 500_000, 100]]) {
    const shard = shardOf(bytes, false);
    let stored = 0;
    const lengthAt = (n: number) => lengths[n % lengths.length] ?? 0;
    while (shard.put(run(`key ${stored}`), valueOf(lengthAt(stored)), NEVER, 0)) stored++;
    expect(shard.stats().bytes / bytes).toBeGreaterThan(0.85);
    for (let n = 0; n < stored; n++) {
      expect(shard.get(run(`key ${n}`), 0, new ByteBuffer())).toBe(lengthAt(n));
    }
    expect(shard.stats().evicted).toBe(0);
    // What is deleted makes room, however it is scattered.
    for (let n = 0; n < stored; n += 2) shard.delete(run(`key ${n}`), 0);
    const free = bytes - shard.stats().bytes;
    expect(shard.put(run("large"), valueOf(Math.min(MEBIBYTE - 1024, free / 2)), NEVER, 0)).toBe(
      true,
    );
    shard.check();
  }
}, 60_000);

function hitsOf(shard: SharedShard): Map<string, number> {
  const hits = new Map<string, number>();
  for (let position = 0; position < SCAN_END;) {
    position = shard.scan(0, position, 1000, (key, entry) => {
      hits.set(key.bytes.toString("latin1", key.start, key.end), entry.hits);
    });
  }
  return hits;
}

function valueOf(length: number): Bytes {
  return { bytes: Buffer.alloc(length, "v"), start: 0, end: length };
}

function run(text: string): Bytes {
  return ByteBuffer.ofText(text);
}
