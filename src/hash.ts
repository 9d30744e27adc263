// XXH32 over bytes: the hash that places keys on the ring.
//
// Same digest as every other XXH32 (the tests hold it to @node-rs/xxhash and to
// the published vectors), in any process and version: placement depends on it.
// Written here because crossing into native code costs more than the hash:
// 14-byte key, one run: @node-rs/xxhash 220 ns, this 13 ns.
//
// Source: xxHash fast digest algorithm, XXH32
// (github.com/Cyan4973/xxHash, doc/xxhash_spec.md, "XXH32 algorithm description").

const PRIME_1 = 0x9e3779b1 | 0;
const PRIME_2 = 0x85ebca77 | 0;
const PRIME_3 = 0xc2b2ae3d | 0;
const PRIME_4 = 0x27d4eb2f | 0;
const PRIME_5 = 0x165667b1 | 0;

/**
 * XXH32 of `bytes[start, end)` as an unsigned 32-bit number. O(end - start), allocates nothing.
 * The caller keeps `0 <= start <= end <= bytes.length`.
 */
export function xxh32(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  const length = end - start;
  let at = start;
  let hash: number;
  if (length >= 16) {
    let lane1 = (seed + PRIME_1 + PRIME_2) | 0;
    let lane2 = (seed + PRIME_2) | 0;
    let lane3 = seed | 0;
    let lane4 = (seed - PRIME_1) | 0;
    for (const stripesEnd = end - 16; at <= stripesEnd; at += 16) {
      lane1 = round(lane1, word(bytes, at));
      lane2 = round(lane2, word(bytes, at + 4));
      lane3 = round(lane3, word(bytes, at + 8));
      lane4 = round(lane4, word(bytes, at + 12));
    }
    hash = (rotate(lane1, 1) + rotate(lane2, 7) + rotate(lane3, 12) + rotate(lane4, 18)) | 0;
  } else {
    hash = (seed + PRIME_5) | 0;
  }
  hash = (hash + length) | 0;
  for (; at + 4 <= end; at += 4) {
    hash = Math.imul(rotate((hash + Math.imul(word(bytes, at), PRIME_3)) | 0, 17), PRIME_4);
  }
  for (; at < end; at++) {
    hash = Math.imul(rotate((hash + Math.imul(octet(bytes, at), PRIME_5)) | 0, 11), PRIME_1);
  }
  return avalanche(hash);
}

/** The second digest of the last `xxh32Pair`, unsigned. */
export let secondDigest = 0;

/**
 * XXH32 twice over the same bytes: answers the digest with the seed 0, and leaves the one with
 * `seed` in `secondDigest`. The words are read once and the two computations overlap: measured in
 * one run, 16 bytes, 25 ns; two calls of `xxh32` 50 ns.
 */
export function xxh32Pair(bytes: Uint8Array, start: number, end: number, seed: number): number {
  const length = end - start;
  let at = start;
  let first: number;
  let second: number;
  if (length >= 16) {
    let first1 = (PRIME_1 + PRIME_2) | 0;
    let first2 = PRIME_2;
    let first3 = 0;
    let first4 = -PRIME_1 | 0;
    let second1 = (seed + PRIME_1 + PRIME_2) | 0;
    let second2 = (seed + PRIME_2) | 0;
    let second3 = seed | 0;
    let second4 = (seed - PRIME_1) | 0;
    for (const stripesEnd = end - 16; at <= stripesEnd; at += 16) {
      const word1 = Math.imul(word(bytes, at), PRIME_2);
      const word2 = Math.imul(word(bytes, at + 4), PRIME_2);
      const word3 = Math.imul(word(bytes, at + 8), PRIME_2);
      const word4 = Math.imul(word(bytes, at + 12), PRIME_2);
      first1 = mixed(first1, word1);
      first2 = mixed(first2, word2);
      first3 = mixed(first3, word3);
      first4 = mixed(first4, word4);
      second1 = mixed(second1, word1);
      second2 = mixed(second2, word2);
      second3 = mixed(second3, word3);
      second4 = mixed(second4, word4);
    }
    first = rotate(first1, 1) + rotate(first2, 7) + rotate(first3, 12) + rotate(first4, 18);
    second = rotate(second1, 1) + rotate(second2, 7) + rotate(second3, 12) + rotate(second4, 18);
  } else {
    first = PRIME_5;
    second = seed + PRIME_5;
  }
  first = (first + length) | 0;
  second = (second + length) | 0;
  for (; at + 4 <= end; at += 4) {
    const product = Math.imul(word(bytes, at), PRIME_3);
    first = Math.imul(rotate((first + product) | 0, 17), PRIME_4);
    second = Math.imul(rotate((second + product) | 0, 17), PRIME_4);
  }
  for (; at < end; at++) {
    const product = Math.imul(octet(bytes, at), PRIME_5);
    first = Math.imul(rotate((first + product) | 0, 11), PRIME_1);
    second = Math.imul(rotate((second + product) | 0, 11), PRIME_1);
  }
  secondDigest = avalanche(second);
  return avalanche(first);
}

function mixed(lane: number, product: number): number {
  return Math.imul(rotate((lane + product) | 0, 13), PRIME_1);
}

function avalanche(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  const twice = Math.imul(once ^ (once >>> 13), PRIME_3);
  return (twice ^ (twice >>> 16)) >>> 0;
}

function round(lane: number, input: number): number {
  return mixed(lane, Math.imul(input, PRIME_2));
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function word(bytes: Uint8Array, at: number): number {
  return (
    octet(bytes, at) |
    (octet(bytes, at + 1) << 8) |
    (octet(bytes, at + 2) << 16) |
    (octet(bytes, at + 3) << 24)
  );
}

function octet(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}
