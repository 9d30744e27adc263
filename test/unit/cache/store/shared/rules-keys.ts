// Key numbers by step, for the model of the rules of eviction.

import { random } from "../../../../lib/random.ts";

/** Favourites that drift, a loop that is longer than the shard, and new keys. */
export function mixedKeys(): (step: number) => number {
  const { below } = random();
  let loop = 0;
  return (step) => {
    const kind = below(10);
    const drift = Math.floor(step / 40) * 10;
    const favourite = drift + below(1 + below(900));
    return kind < 6 ? favourite : kind < 8 ? loop++ % 1200 : 100_000 + step;
  };
}

/** Each key comes twice: 1 to 200 other keys lie in between. */
export function keysThatReturn(): (step: number) => number {
  const { below } = random();
  const again = new Map<number, number>();
  let next = 0;
  return (step) => {
    const key = again.get(step);
    if (key !== undefined) return key;
    let at = step + 1 + below(400);
    while (again.has(at)) at++;
    again.set(at, next);
    return next++;
  };
}
