import { expect, test } from "bun:test";

import { formatDouble, Random48, toInt64 } from "../../../../src/resp/scripting/numbers.ts";
import { random } from "../../../lib/random.ts";

test("doubles are written as printf writes them with %.17g", () => {
  const cases: readonly (readonly [number, string])[] = [
    ...([
      [0, "0"],
      [-0, "-0"],
      [1, "1"],
      [-15, "-15"],
      [0.1, "0.10000000000000001"],
    ] as const),
    ...([
      [3.3, "3.2999999999999998"],
      [1e-4, "0.0001"],
      [1e-5, "1.0000000000000001e-05"],
    ] as const),
    ...([
      [2 ** 53, "9007199254740992"],
      [1e16, "10000000000000000"],
      [1e17, "1e+17"],
    ] as const),
    ...([
      [2 ** 60, "1.152921504606847e+18"],
      [1e100, "1e+100"],
      [5e-324, "4.9406564584124654e-324"],
    ] as const),
    ...([
      [Infinity, "inf"],
      [-Infinity, "-inf"],
      [NaN, "nan"],
      [1.5, "1.5"],
    ] as const),
  ];
  for (const [value, text] of cases) expect([value, formatDouble(value)]).toEqual([value, text]);
});

test("the text of a double gives the same double again", () => {
  const { below } = random();
  for (let n = 0; n < 10_000; n++) {
    const value = (below(2 ** 31) - 2 ** 30) * 10 ** (below(60) - 30);
    expect(Number(formatDouble(value))).toBe(value);
  }
});

test("numbers become 64-bit integers as on x86-64", () => {
  const least = -(2n ** 63n);
  expect([3.9, -3.9, -0.5, 2 ** 53].map(toInt64)).toEqual([3, -3, 0, BigInt(2 ** 53)]);
  expect([2 ** 62, 2 ** 63, -(2 ** 63), NaN, Infinity].map(toInt64)).toEqual([
    ...[2n ** 62n, least, least, least, least],
  ]);
});

test("the generator gives the numbers of drand48 for a seed", () => {
  const generator = new Random48();
  generator.seed(1);
  const first = generator.next();
  const second = generator.next();
  generator.seed(1);
  expect([generator.next(), generator.next()]).toEqual([first, second]);
  // lrand48 after srand48(1) gives 89400484 first.
  expect(first).toBeCloseTo(89_400_484 / (2 ** 31 - 1), 12);
});
