import { xxh32 as reference } from "@node-rs/xxhash";
import { expect, test } from "bun:test";

import { xxh32 } from "../src/hash.ts";
import { random } from "./lib/random.ts";

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
