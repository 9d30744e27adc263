// What to ask for next, and what the answer must be.
//
// A key's value is a function of the seed and the key, so that any connection
// can check any answer without remembering what was put. Keys begin with letters
// of the seed: an earlier run on the same service has other keys.

import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

import type { LoadOptions } from "./options.ts";

/** One request, or a get with the put that follows if it misses. */
export interface Step {
  readonly kind: "get" | "put" | "get, put on a miss";
  readonly key: string;
}

export interface Workload {
  /** How many steps there are in all. */
  readonly steps: number;
  /** The next step, or undefined at the end. */
  next(): Step | undefined;
  /** The value that belongs to a key. */
  valueOf(key: string): string;
  /** Told of every put that the service has acknowledged. */
  stored(key: string): void;
  /** Whether a key's put has been acknowledged in this run. */
  wasStored(key: string): boolean;
}

type Random = () => number;

/** GETs and PUTs in the ratio asked for. A GET asks for a key that has been put before. */
export function randomMix(options: LoadOptions): Workload {
  const random = randomOf(options.seed);
  const { keyOf, valueOf } = texts(options, random);
  const storedKeys: string[] = [];
  let taken = 0;
  return {
    steps: options.requests,
    next() {
      if (taken === options.requests) return undefined;
      const n = taken++;
      const known = storedKeys[Math.floor(random() * storedKeys.length)];
      const wantsGet = random() * 100 < options.getPercent;
      if (wantsGet && known !== undefined) return { kind: "get", key: known };
      return { kind: "put", key: keyOf(n) };
    },
    valueOf,
    stored: (key) => void storedKeys.push(key),
    // A GET is given no other key.
    wasStored: () => true,
  };
}

/** The keys of a trace in its order: get, and put on a miss. */
export function traceReplay(options: LoadOptions, ids: Uint32Array): Workload {
  const { valueOf } = texts(options, randomOf(options.seed));
  const prefix = `${seedLetters(options.seed)}:`;
  const storedKeys = new Set<string>();
  let taken = 0;
  return {
    steps: ids.length,
    next() {
      const id = ids[taken++];
      return id === undefined ? undefined : { kind: "get, put on a miss", key: prefix + id };
    },
    valueOf,
    stored: (key) => void storedKeys.add(key),
    wasStored: (key) => storedKeys.has(key),
  };
}

/** Reads a trace: gzip of little-endian 32-bit key numbers. Throws if it is not one. */
export async function readTrace(file: string): Promise<Uint32Array> {
  const bytes = Bun.gunzipSync(await Bun.file(file).bytes());
  if (bytes.length % 4 !== 0) throw new Error(`${bytes.length} bytes are not whole 32-bit numbers`);
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

/** Keys and values are windows into one random text; a window costs the same at any length. */
function texts(options: LoadOptions, random: Random) {
  const { keyLength, valueLength, randomLength, seed } = options;
  const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  const letter = () => alphabet[Math.floor(random() * alphabet.length)];
  const text = Array.from({ length: 2 ** 17 }, letter).join("");
  // Cut once: cut from the whole text for each key it copied that text whenever it was
  // longer than the seed's letters, 118 µs a put.
  const prefix = (seedLetters(seed) + text.slice(0, keyLength)).slice(0, keyLength);
  const digits = (options.requests - 1).toString(36).length;
  return {
    /** The n-th key: its number last, with leading zeros, so that keys of one length differ if they can. */
    keyOf(n: number): string {
      const length = randomLength ? 1 + Math.floor(random() * keyLength) : keyLength;
      const number = n.toString(36).padStart(digits, "0");
      if (length <= digits) return number.slice(-length);
      return prefix.slice(0, length - digits) + number;
    },
    valueOf(key: string): string {
      const hash = Bun.hash.xxHash32(key, seed);
      const varies = randomLength && valueLength > 0;
      const length = varies ? 1 + (hash % valueLength) : valueLength;
      const start = (hash >>> 8) % (text.length - length);
      return text.slice(start, start + length);
    },
  };
}

function seedLetters(seed: number): string {
  return seed.toString(36);
}

function randomOf(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  return () => (generator.next() >>> 0) / 2 ** 32;
}
