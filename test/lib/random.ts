// Reproducible random numbers: the seed is printed, and the variable SEED replays it.

import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

export interface Random {
  readonly seed: number;
  /** Returns an unsigned 32-bit number. */
  next(): number;
  /** Returns a whole number from 0 to `limit - 1`. */
  below(limit: number): number;
}

/** Returns a generator with SEED, or with a fresh seed. Prints the seed. */
export function random(): Random {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`SEED=${seed}`);
  return randomFrom(seed);
}

/** Returns a generator with this seed. */
export function randomFrom(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  const next = () => generator.next() >>> 0;
  return { seed, next, below: (limit) => Math.floor((next() / 2 ** 32) * limit) };
}
