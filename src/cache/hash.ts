// XXH32 over bytes: the hash that places keys on the ring.
//
// Same digest as every other XXH32 (the tests hold it to @node-rs/xxhash and to
// the published vectors), in any process and version: placement depends on it.
// Written here because crossing into native code costs more than the hash:
// 14-byte key, one run: @node-rs/xxhash 220 ns, this 13 ns.
//
// Typed arrays: indexes are in range by construction.
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
  return avalanche(hash) >>> 0;
}

/**
 * FNV-1a of `bytes[start, end)` as an unsigned 32-bit number: a second digest that shares nothing with
 * XXH32. O(end - start). Source: G. Fowler, L. C. Noll, K.-P. Vo, "FNV hash", isthe.com/chongo/tech/comp/fnv.
 */
export function fnv1a(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ octet(bytes, at), 0x01000193);
  return hash >>> 0;
}

/** The keyed digest of the last `xxh32AndKeyed`, signed. */
export let keyedDigest = 0;

/** The key in use, and the constants that it gives the keyed digest in place of XXH32's. */
let key = 0;
let multiplier1 = PRIME_1;
let multiplier2 = PRIME_2;
let multiplier3 = PRIME_3;
let multiplier4 = PRIME_4;
let multiplier5 = PRIME_5;
let start1 = 0;
let start2 = 0;
let start3 = 0;
let start4 = 0;

function useKey(wanted: number): void {
  let state = (key = wanted);
  // SplitMix (G. Steele et al., "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014,
  // section 5), with the finalizer of MurmurHash3 for 32 bits.
  const next = (): number => {
    state = (state + PRIME_1) | 0;
    const once = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
    return twice ^ (twice >>> 16);
  };
  [multiplier1, multiplier2, multiplier3] = [next() | 1, next() | 1, next() | 1];
  [multiplier4, multiplier5] = [next() | 1, next() | 1];
  [start1, start2, start3, start4] = [next(), next(), next(), next()];
}
useKey(0);

/**
 * A digest of `bytes[start, end)` under a secret key of 32 bits, signed: XXH32 with multipliers
 * that only this process knows. A seed is not enough: keys that collide under one seed of XXH32
 * collide under nearly all others, since a seed is only added. O(end - start), allocates nothing.
 */
export function keyed(bytes: Uint8Array, start: number, end: number, withKey: number): number {
  xxh32AndKeyed(bytes, start, end, withKey);
  return keyedDigest;
}

/**
 * Returns XXH32 of `bytes[start, end)` and leaves the keyed digest in `keyedDigest`, both signed: half of
 * all unsigned digests are floats to the compiler. The words are read once and the two computations overlap.
 */
export function xxh32AndKeyed(
  bytes: Uint8Array,
  start: number,
  end: number,
  withKey: number,
): number {
  if (withKey !== key) useKey(withKey);
  const length = end - start;
  let at = start;
  let digest: number;
  let secret: number;
  if (length >= 16) {
    digest = stripes(bytes, start, end);
    secret = secretOfStripes;
    at += length & -16;
  } else {
    digest = PRIME_5;
    secret = start1;
  }
  digest = (digest + length) | 0;
  secret = (secret + length) | 0;
  for (; at + 4 <= end; at += 4) {
    const next = word(bytes, at);
    digest = Math.imul(rotate((digest + Math.imul(next, PRIME_3)) | 0, 17), PRIME_4);
    secret = Math.imul(rotate((secret + Math.imul(next, multiplier3)) | 0, 17), multiplier4);
  }
  for (; at < end; at++) {
    const next = octet(bytes, at);
    digest = Math.imul(rotate((digest + Math.imul(next, PRIME_5)) | 0, 11), PRIME_1);
    secret = Math.imul(rotate((secret + Math.imul(next, multiplier5)) | 0, 11), multiplier1);
  }
  keyedDigest = avalanche(secret);
  return avalanche(digest);
}

/** The secret of the last `stripes`. */
let secretOfStripes = 0;

/** Mixes the whole stripes of 16 bytes from `start` on, for both digests. */
function stripes(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  let lane1 = (PRIME_1 + PRIME_2) | 0;
  let lane2 = PRIME_2;
  let lane3 = 0;
  let lane4 = -PRIME_1 | 0;
  let secret1 = start1;
  let secret2 = start2;
  let secret3 = start3;
  let secret4 = start4;
  // Written out: the compiler does not inline 32 calls. A GET in pipelines of 16 takes 0.93 x the time,
  // together with the lean loops of prefetch.ts.
  let mixed = 0;
  for (const stripesEnd = end - 16; at <= stripesEnd; at += 16) {
    const word1 =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    const word2 =
      bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
    const word3 =
      bytes[at + 8]! | (bytes[at + 9]! << 8) | (bytes[at + 10]! << 16) | (bytes[at + 11]! << 24);
    const word4 =
      bytes[at + 12]! | (bytes[at + 13]! << 8) | (bytes[at + 14]! << 16) | (bytes[at + 15]! << 24);
    mixed = (lane1 + Math.imul(word1, PRIME_2)) | 0;
    lane1 = Math.imul((mixed << 13) | (mixed >>> 19), PRIME_1);
    mixed = (lane2 + Math.imul(word2, PRIME_2)) | 0;
    lane2 = Math.imul((mixed << 13) | (mixed >>> 19), PRIME_1);
    mixed = (lane3 + Math.imul(word3, PRIME_2)) | 0;
    lane3 = Math.imul((mixed << 13) | (mixed >>> 19), PRIME_1);
    mixed = (lane4 + Math.imul(word4, PRIME_2)) | 0;
    lane4 = Math.imul((mixed << 13) | (mixed >>> 19), PRIME_1);
    mixed = (secret1 + Math.imul(word1, multiplier2)) | 0;
    secret1 = Math.imul((mixed << 13) | (mixed >>> 19), multiplier1);
    mixed = (secret2 + Math.imul(word2, multiplier2)) | 0;
    secret2 = Math.imul((mixed << 13) | (mixed >>> 19), multiplier1);
    mixed = (secret3 + Math.imul(word3, multiplier2)) | 0;
    secret3 = Math.imul((mixed << 13) | (mixed >>> 19), multiplier1);
    mixed = (secret4 + Math.imul(word4, multiplier2)) | 0;
    secret4 = Math.imul((mixed << 13) | (mixed >>> 19), multiplier1);
  }
  secretOfStripes =
    (rotate(secret1, 1) + rotate(secret2, 7) + rotate(secret3, 12) + rotate(secret4, 18)) | 0;
  return (rotate(lane1, 1) + rotate(lane2, 7) + rotate(lane3, 12) + rotate(lane4, 18)) | 0;
}

function avalanche(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  const twice = Math.imul(once ^ (once >>> 13), PRIME_3);
  return twice ^ (twice >>> 16);
}

function round(lane: number, input: number): number {
  return Math.imul(rotate((lane + Math.imul(input, PRIME_2)) | 0, 13), PRIME_1);
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

/** A secret key for `keyed`: keys that were made to collide on the ring, whose hash is public, do not collide under it. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Int32Array(1))[0] as number;
}

// Keys of all short lengths, before the first of a client. JSC compiles no branch that it has not seen: the
// first key of another length made it compile the prefetch again, with all that is inlined there (70 to 90 ms).
const SAMPLE = Buffer.alloc(48);
for (let length = 0; length <= SAMPLE.length; length++) keyed(SAMPLE, 0, length, 0);
