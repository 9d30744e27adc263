// Keys that an attacker would choose. XXH32 is public: an attacker can write any number of keys with
// one digest, and some keys whose digests agree under every seed.

import { xxh32 } from "../../src/cache/hash.ts";

const PRIME_2 = 0x85ebca77 | 0;
const PRIME_3 = 0xc2b2ae3d | 0;
const PRIME_4 = 0x27d4eb2f | 0;
const PRIME_5 = 0x165667b1 | 0;
const TOP_BIT = 0x80000000 | 0;

/** Keys of 12 bytes, all of one XXH32 digest with the seed 0: the last word undoes the others. */
export function keysOfOneDigest(count: number): Buffer[] {
  const wanted = 0x12345678;
  return Array.from({ length: count }, (_, n) => {
    const key = Buffer.alloc(12);
    key.writeUInt32LE(n, 0);
    key.writeUInt32LE(Math.imul(n, 0x9e3779b1) >>> 0, 4);
    let state = (PRIME_5 + key.length) | 0;
    for (const at of [0, 4]) state = afterWord(state, key.readInt32LE(at));
    // After the third word the state is to be `wanted`.
    const before = rotate(Math.imul(wanted, inverse(PRIME_4)), 15);
    key.writeInt32LE(Math.imul((before - state) | 0, inverse(PRIME_3)), 8);
    return key;
  });
}

/**
 * 2^`blocks` keys of which, under any seed, about 2^(blocks/2) have digests of their own. A block
 * is two words in a lane of XXH32; to flip the top bit of the first changes the lane by one of
 * two numbers, whatever the lane holds, and the second word takes one of them back: so each
 * block makes no difference half of the time.
 */
export function keysUnderAnySeed(blocks: number): Buffer[] {
  const back = Math.imul(Math.imul(1 << 12, 0x9e3779b1 | 0), inverse(PRIME_2));
  return Array.from({ length: 2 ** blocks }, (_, bits) => {
    const key = Buffer.alloc(blocks * 32);
    for (let block = 0; block < blocks; block++) {
      const isFlipped = (bits & (1 << block)) !== 0;
      key.writeInt32LE((0x61616161 ^ (isFlipped ? TOP_BIT : 0)) | 0, block * 32);
      key.writeInt32LE((0x62626262 + (isFlipped ? back : 0)) | 0, block * 32 + 16);
    }
    return key;
  });
}

/** Keys as long, at random. */
export function randomKeys(count: number, bytes: number): Buffer[] {
  return Array.from({ length: count }, () =>
    Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))),
  );
}

/** Digests that differ, of all the keys. */
export function digestsOf(keys: readonly Buffer[], seed: number): number {
  return new Set(keys.map((key) => xxh32(key, 0, key.length, seed))).size;
}

function afterWord(state: number, word: number): number {
  return Math.imul(rotate((state + Math.imul(word, PRIME_3)) | 0, 17), PRIME_4);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** Returns the inverse of an odd number modulo 2^32, by Newton's method. */
function inverse(odd: number): number {
  let found = odd;
  for (let step = 0; step < 5; step++) found = Math.imul(found, 2 - Math.imul(odd, found));
  return found;
}
