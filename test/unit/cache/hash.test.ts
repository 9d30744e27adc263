import { xxh32 as reference } from "@node-rs/xxhash";
import { expect, test } from "bun:test";

import {
  keysOfOneDigest,
  keysUnderAnySeed,
  randomKeys,
} from "../../../bench/lib/colliding-keys.ts";
import { keyed, keyedDigest, xxh32, xxh32AndKeyed } from "../../../src/cache/hash.ts";
import { random } from "../../lib/random.ts";

const PRIME = 2654435761;

test("XXH32 gives the digests of the published test vectors", () => {
  const vectors: readonly (readonly [string, number, number])[] = [
    ["", 0, 0x02cc5d05],
    ["", PRIME, 0x36b78ae7],
    ["abc", 0, 0x32d153ff],
    ["Nobody inspects the spammish repetition", 0, 0xe2293b2f],
  ];
  for (const [text, seed, digest] of vectors) {
    const bytes = Buffer.from(text);
    expect(xxh32(bytes, 0, bytes.length, seed)).toBe(digest);
  }
});

test("XXH32 gives the digests of xxhsum's own sanity check", () => {
  const buffer = sanityBuffer(101);
  const vectors: readonly (readonly [number, number, number])[] = [
    [1, 0, 0xb85cbee5],
    [1, PRIME, 0xd5845d64],
    [14, 0, 0xe5aa0ab4],
    [14, PRIME, 0x4481951d],
    [101, 0, 0x1f1aa412],
    [101, PRIME, 0x498ec8e2],
  ];
  for (const [length, seed, digest] of vectors) {
    expect(xxh32(buffer, 0, length, seed)).toBe(digest);
  }
});

test("XXH32 equals @node-rs/xxhash on 100,000 random inputs of 0 to 600 bytes at any offset", () => {
  const { next, below } = random();
  const bytes = Buffer.alloc(700);
  for (let run = 0; run < 100_000; run++) {
    const start = below(100);
    const end = start + below(601);
    for (let at = start; at < end; at += 4) bytes.writeUInt32LE(next(), Math.min(at, 696));
    const seed = next();
    expect(xxh32(bytes, start, end, seed)).toBe(reference(bytes.subarray(start, end), seed));
  }
});

test("both digests at once are the same as each alone, whatever key was used before", () => {
  const { next, below } = random();
  for (let run = 0; run < 10_000; run++) {
    const [bytes = Buffer.alloc(0)] = randomKeys(1, below(100));
    const [first, second] = [next(), next()];
    const exclusively = keyed(bytes, 0, bytes.length, first);
    keyed(bytes, 0, bytes.length, second);
    const both = xxh32AndKeyed(bytes, 0, bytes.length, first);
    expect(both >>> 0).toBe(xxh32(bytes, 0, bytes.length));
    expect(keyedDigest).toBe(exclusively);
  }
});

// A seed does not help against these: the first kind has a handful of digests under any seed, the
// second, of 16,384 keys, a few hundred.
test("keys made to collide in XXH32 have keyed digests as different as other keys", () => {
  const { next } = random();
  const kinds = { one: keysOfOneDigest(2 ** 14), any: keysUnderAnySeed(14) };
  const digests = (keys: readonly Buffer[], of: (key: Buffer) => number) =>
    new Set(keys.map(of)).size;
  expect(digests(kinds.one, (key) => xxh32(key, 0, key.length))).toBe(1);
  const seed = next();
  expect(digests(kinds.any, (key) => xxh32(key, 0, key.length, seed))).toBeLessThan(8192);
  for (let run = 0; run < 5; run++) {
    const key = next();
    for (const keys of Object.values(kinds)) {
      // Of random digests this many would have 0.03 pairs that agree in 32 bits.
      expect(digests(keys, (bytes) => keyed(bytes, 0, bytes.length, key))).toBeGreaterThan(16_380);
    }
  }
});

test("keyed digests are spread evenly over their highest bits", () => {
  const { next } = random();
  const key = next();
  const counts = new Uint32Array(256);
  for (let n = 0; n < 65_536; n++) {
    const bytes = Buffer.from(`user:${n}`);
    const place = keyed(bytes, 0, bytes.length, key) >>> 24;
    counts[place] = (counts[place] ?? 0) + 1;
  }
  // Chi-square of 255 degrees of freedom: above 370 once in a million keys.
  const chiSquare = counts.reduce((sum, count) => sum + (count - 256) ** 2 / 256, 0);
  expect(chiSquare).toBeLessThan(370);
});

/** The buffer that xxhsum fills for its sanity check. */
function sanityBuffer(length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let byteGen = PRIME;
  for (let at = 0; at < length; at++) {
    buffer[at] = byteGen >>> 24;
    byteGen = Math.imul(byteGen, byteGen) >>> 0;
  }
  return buffer;
}
