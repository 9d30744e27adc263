// Lengths of values as production systems have them, drawn by a seed.
//
// Source: B. Atikoglu, Y. Xu, E. Frachtenberg, S. Jiang, M. Paleczny, "Workload Analysis of a Large-Scale
// Key-Value Store", SIGMETRICS 2012, section 5: the pool ETC of Facebook. Values of 0 to 14 bytes have the
// probabilities of its table; longer ones follow a generalised Pareto distribution.

import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

const SHORT_PROBABILITIES = [
  0.00536, 0.00047, 0.1782, 0.09239, 0.00018, 0.0274, 0.00065, 0.00606, 0.00023, 0.00837, 0.00837,
  0.08989, 0.00092, 0.00326, 0.0198,
] as const;
const PARETO = { location: 15, scale: 214.476, shape: 0.348238 } as const;

/** Lengths in bytes for `keys` keys, at most `longest` each. */
export function etcLengths(seed: number, keys: number, longest: number): Uint32Array {
  const generator = xoroshiro128plus(seed);
  const uniform = () => (generator.next() >>> 0) / 2 ** 32;
  return Uint32Array.from({ length: keys }, () => Math.min(longest, etcLength(uniform)));
}

function etcLength(uniform: () => number): number {
  let rest = uniform();
  for (const [length, probability] of SHORT_PROBABILITIES.entries()) {
    if (rest < probability) return length;
    rest -= probability;
  }
  const { location, scale, shape } = PARETO;
  return Math.floor(location + (scale / shape) * ((1 - uniform()) ** -shape - 1));
}
