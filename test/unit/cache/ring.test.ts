import { expect, test } from "bun:test";

import { xxh32 } from "../../../src/cache/hash.ts";
import { HashRing } from "../../../src/cache/ring.ts";
import { random } from "../../lib/random.ts";
import placement from "./ring.placement.json";

const SHARDS = 64;
const VIRTUAL_NODES = 1024;
const ring = new HashRing(SHARDS, VIRTUAL_NODES);

test("with the defaults the fullest shard holds at most 1.10 x the mean over a million keys", () => {
  const keys = 1_000_000;
  const held = new Uint32Array(SHARDS);
  for (const hash of hashesOfKeys(keys)) count(held, ring.shardOf(hash));
  expect((Math.max(...held) / keys) * SHARDS).toBeLessThanOrEqual(1.1);
});

test("a 65th shard takes at most 1.15 / 65 of the keys, and keys move to it only", () => {
  const wider = new HashRing(SHARDS + 1, VIRTUAL_NODES);
  const keys = 1_000_000;
  let moved = 0;
  for (const hash of hashesOfKeys(keys)) {
    const before = ring.shardOf(hash);
    const after = wider.shardOf(hash);
    if (before === after) continue;
    moved++;
    if (after !== SHARDS) throw new Error(`a key moved from shard ${before} to ${after}`);
  }
  expect((moved / keys) * (SHARDS + 1)).toBeLessThanOrEqual(1.15);
  expect((moved / keys) * (SHARDS + 1)).toBeGreaterThanOrEqual(0.85);
});

test("removing the 65th shard moves the keys of that shard only", () => {
  const wider = new HashRing(SHARDS + 1, VIRTUAL_NODES);
  for (const hash of hashesOfKeys(200_000)) {
    const before = wider.shardOf(hash);
    if (before !== SHARDS) expect(ring.shardOf(hash)).toBe(before);
  }
});

test("the placement of a hundred fixed keys is what it has always been", () => {
  for (const [key, shard] of Object.entries(placement)) {
    expect([key, ring.shardOf(hashOf(key))]).toEqual([key, shard]);
  }
  expect(Object.keys(placement)).toHaveLength(100);
});

test("a key belongs to the first point at or after its hash, wrapping round", () => {
  const { next } = random();
  for (const [shards, virtualNodes] of [
    [1, 1],
    [2, 3],
    [7, 5],
    [64, 16],
  ] as const) {
    const small = new HashRing(shards, virtualNodes);
    const points = pointsOf(shards, virtualNodes);
    const hashes = [0, 2 ** 32 - 1, ...points.flatMap(({ at }) => [at - 1, at, at + 1])];
    for (let n = 0; n < 1000; n++) hashes.push(next());
    for (const hash of hashes) {
      if (hash < 0 || hash >= 2 ** 32) continue;
      const owner = (points.find(({ at }) => at >= hash) ?? points[0])?.shard;
      expect(small.shardOf(hash)).toBe(owner as number);
    }
  }
});

test("the shares of the shards are what they get of many keys, and add up to 1", () => {
  const shares = ring.shares();
  expect(shares.reduce((sum, share) => sum + share)).toBeCloseTo(1, 9);
  const keys = 1_000_000;
  const held = new Uint32Array(SHARDS);
  for (const hash of hashesOfKeys(keys)) count(held, ring.shardOf(hash));
  for (const [shard, share] of shares.entries()) {
    expect(Math.abs((held[shard] ?? 0) / keys / share - 1)).toBeLessThan(0.05);
  }
});

function hashOf(key: string): number {
  const bytes = Buffer.from(key);
  return xxh32(bytes, 0, bytes.length);
}

function* hashesOfKeys(count: number): Generator<number> {
  const bytes = Buffer.alloc(16);
  for (let n = 0; n < count; n++) yield xxh32(bytes, 0, bytes.write(`key:${n}`));
}

/** The ring written out: every point with its shard, in order. */
function pointsOf(shards: number, virtualNodes: number): { at: number; shard: number }[] {
  const points = [];
  for (let shard = 0; shard < shards; shard++) {
    for (let node = 0; node < virtualNodes; node++) {
      points.push({ at: hashOf(`${shard}:${node}`), shard });
    }
  }
  return points.sort((a, b) => a.at - b.at || a.shard - b.shard);
}

function count(held: Uint32Array, shard: number): void {
  held[shard] = (held[shard] ?? 0) + 1;
}

test("a hash belongs to the first point at or after it, whatever the number of points", () => {
  const { next } = random();
  for (const [shards, virtualNodes] of [
    [1, 1],
    [1, 2048],
    [2, 1],
    [3, 7],
    [64, 1],
    [64, 1024],
    [1000, 3],
    [65_535, 1],
  ] as const) {
    const points: [position: number, shard: number][] = [];
    for (let shard = 0; shard < shards; shard++) {
      for (let node = 0; node < virtualNodes; node++) {
        const label = Buffer.from(`${shard}:${node}`);
        points.push([xxh32(label, 0, label.length), shard]);
      }
    }
    points.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const rings = new HashRing(shards, virtualNodes);
    const ends = [0, 2 ** 32 - 1, ...points.slice(0, 50).flatMap(([at]) => [at, at + 1])];
    for (const hash of [...ends, ...Array.from({ length: 300 }, next)]) {
      const [, owner] = points.find(([at]) => at >= hash % 2 ** 32) ?? points[0] ?? [];
      expect([shards, hash, rings.shardOf(hash % 2 ** 32)]).toEqual([shards, hash, owner ?? -1]);
    }
  }
});
