// Integers and floats by the rules of redis. Needs no redis.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import {
  addFloats,
  addIntegers,
  floatText,
  readFloat,
  readInteger,
  readNumber,
} from "../../../../src/resp/protocol/numbers.ts";

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);

/** Texts of integers that redis accepts. Each is the only text of its number. */
const INTEGERS = [
  ...["0", "1", "-1", "9", "10", "-10", "99", "12345678901234"],
  // Around 15 digits, where the reader begins to use bigints, and around 2^53.
  ...["999999999999999", "-999999999999999", "1000000000000000", "-1000000000000000"],
  ...["9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993"],
  ...["1000000000000000000", "9223372036854775806", "9223372036854775807"],
  ...["-9223372036854775807", "-9223372036854775808"],
];

const NO_INTEGERS = [
  ...["", "-", "+", "+1", "-0", "00", "01", "-01", "0x10", "0b1", "1n", "1_000", "1,000"],
  ...[" 1", "1 ", "1\n", "\t1", "1\0", "\x001", "1 2", "--1", "1-", "-1-", "- 1"],
  ...["1.0", "1.", ".5", "1e3", "1E3", "inf", "nan", "abc", "1a", "a1", "/", ":", "1/", "1:"],
  // One beyond 64 bits, and too many digits.
  ...["9223372036854775808", "-9223372036854775809", "9999999999999999999"],
  ...["10000000000000000000", "18446744073709551616", "-99999999999999999999", "1".repeat(400)],
  ...["\xb2", "\u0661"],
];

describe("an integer", () => {
  test.each(INTEGERS)("is read from %p", (text) => {
    expect(BigInt(integer(text) ?? 0.5)).toBe(BigInt(text));
    expect(readNumber(slice(text))).toBe(Number(text));
  });

  test.each(NO_INTEGERS)("is not read from %p", (text) => {
    expect([integer(text), readNumber(slice(text))]).toEqual([undefined, undefined]);
  });

  test("is read only if it has 64 bits", () => {
    const near = fc.bigInt({ min: -10n, max: 10n });
    const edges = fc.constantFrom(0n, 10n ** 15n, 2n ** 53n, MAX, MIN, 10n ** 18n, 10n ** 19n);
    const nearEdges = fc.tuple(edges, near).map(([edge, distance]) => edge + distance);
    const any = fc.bigInt({ min: 4n * MIN, max: 4n * MAX });
    holds(
      fc.property(fc.oneof(nearEdges, any), (value) => {
        const read = integer(`${value}`);
        return isInt64(value) ? read !== undefined && BigInt(read) === value : read === undefined;
      }),
    );
  });

  test("is a number if that is exact, and a bigint otherwise", () => {
    holds(
      fc.property(int64s(), (value) => {
        const read = integer(`${value}`);
        return typeof read === "bigint" || Number.isSafeInteger(read);
      }),
    );
  });

  test("has only one valid text", () => {
    const texts = fc.string({ unit: fc.constantFrom(..."0123456789-+ .e"), maxLength: 21 });
    holds(
      fc.property(texts, (text) => {
        const read = integer(text);
        return read === undefined || `${read}` === text;
      }),
    );
  });

  test("is read only from its range of a buffer", () => {
    const around = fc.string({ unit: fc.constantFrom(..."0123456789-"), maxLength: 4 });
    holds(
      fc.property(int64s(), around, around, (value, before, after) => {
        const read = readInteger(slice(`${value}`, before, after));
        return read !== undefined && BigInt(read) === value;
      }),
    );
  });
});

describe("the sum of two integers", () => {
  const cases: readonly (readonly [bigint, bigint, bigint | undefined])[] = [
    [MAX, 0n, MAX],
    [MAX - 1n, 1n, MAX],
    [MAX, 1n, undefined],
    [1n, MAX, undefined],
    [MIN, -1n, undefined],
    [MIN + 1n, -1n, MIN],
    [MAX, MIN, -1n],
    [MIN, MIN, undefined],
    [MAX, MAX, undefined],
    [2n ** 53n, 1n, 2n ** 53n + 1n],
  ];
  test.each(cases)("of %p and %p is %p", (a, b, sum) => {
    const found = sumOf(a, b);
    expect(found === undefined ? found : BigInt(found)).toBe(sum);
  });

  test("is exact if it has 64 bits, and undefined otherwise", () => {
    holds(
      fc.property(int64s(), int64s(), (a, b) => {
        const sum = sumOf(a, b);
        return isInt64(a + b) ? sum !== undefined && BigInt(sum) === a + b : sum === undefined;
      }),
    );
  });
});

/** An input, and the text that redis writes after it adds the input to 0. */
const FLOATS: readonly (readonly [string, string])[] = [
  ["0", "0"],
  ["-0", "0"],
  ["0.0", "0"],
  ["3", "3"],
  ["+3", "3"],
  ["-3", "-3"],
  ["007", "7"],
  ["10.50", "10.5"],
  ["5.", "5"],
  [".5", "0.5"],
  ["-.5", "-0.5"],
  ["5.0e3", "5000"],
  ["5E3", "5000"],
  ["5e+3", "5000"],
  ["2.0e2", "200"],
  ["1e-3", "0.001"],
  ["1e0", "1"],
  ["100", "100"],
  ["1000000000000000000000", "1000000000000000000000"],
  // 17 digits after the point, the last one rounded.
  ["0.1", "0.1"],
  ["1e-17", "0.00000000000000001"],
  ["1e-18", "0"],
  ["-1e-18", "0"],
  ["6e-18", "0.00000000000000001"],
  ["0.00000000000000001999", "0.00000000000000002"],
  // 64 bits of mantissa: all integers of 64 bits, and 19 digits of others.
  ["9223372036854775807", "9223372036854775807"],
  ["18446744073709551615", "18446744073709551615"],
  ["18446744073709551617", "18446744073709551616"],
  ["18446744073709551619", "18446744073709551620"],
  ["3.14159265358979323846", "3.14159265358979324"],
  // The nearest long double, with 20 bits after the point.
  ["14438134042860.1", "14438134042860.10000038146972656"],
  // Nearly the smallest above 0, and 0 with any exponent.
  ["4e-4951", "0"],
  ["0e-99999999", "0"],
  ["0.0e99999999", "0"],
  ["1e0000001", "10"],
];

const NO_FLOATS = [
  ...["", ".", "-", "+", "e5", ".e5", "1e", "1e+", "1e1.5", "1..2", "1.2.3", "--1", "+-1"],
  ...[" 1", "1 ", "\t1", "1\n", "1\0", "1 2", "1,5", "1_0", "abc", "1a", "nan", "-nan", "infin"],
  // More than a long double holds, and less than its smallest.
  ...[
    "1e4933",
    "-1e4933",
    "2e4932",
    "1e99999",
    "1e99999999",
    "1e-5000",
    "1e-4951",
    "-1e-99999999",
    "1".repeat(4934),
    "1".repeat(6000),
  ],
];

describe("a float", () => {
  test.each(FLOATS)("%p is written as %p", (text, written) => {
    expect(canonical(text)).toBe(written);
  });

  test.each(NO_FLOATS.map((text) => [text.slice(0, 20), text]))(
    "is not read from %p",
    (_, text) => {
      expect(readFloat(text ?? "0")).toBeUndefined();
    },
  );

  test.each(["inf", "-inf", "+inf", "INF", "Infinity", "-infinity"])("%p is infinite", (text) => {
    expect(readFloat(text)).toBe("infinite");
  });

  test("the largest float is read, and twice this value is undefined", () => {
    const largest = float("1.18973149535723176502e4932");
    expect(floatText(largest)).toStartWith("11897314953572317650");
    expect(addFloats(largest, largest)).toBeUndefined();
    expect(floatText(sumOfFloats("-1.18e4932", "1.18e4932"))).toBe("0");
  });

  test("a tenth and two tenths are three tenths", () => {
    expect(floatText(sumOfFloats("0.1", "0.2"))).toBe("0.3");
    expect(floatText(sumOfFloats("3.0", "1.1"))).toBe("4.1");
    expect(floatText(sumOfFloats("1e18", "0.5"))).toBe("1000000000000000000.5");
  });
});

describe("for any floats", () => {
  test("a written number is read as the same number", () => {
    holds(
      fc.property(decimals(), (text) => {
        const once = canonical(text);
        return (
          canonical(once) === once && /^-?(0|[1-9]\d*)(\.\d*[1-9])?$/.test(once) && once !== "-0"
        );
      }),
    );
  });

  // 6 of the 64 bits hold the whole part, the others hold 17 decimal places.
  test("numbers below 64 with at most 17 decimal places are unchanged", () => {
    const wholes = fc.integer({ min: 0, max: 63 });
    const digits = fc.string({ unit: fc.constantFrom(..."0123456789"), maxLength: 17 });
    holds(
      fc.property(wholes, digits, fc.boolean(), (whole, fraction, isNegative) => {
        const trimmed = fraction.replace(/0+$/, "");
        const text = trimmed === "" ? `${whole}` : `${whole}.${trimmed}`;
        const signed = isNegative && text !== "0" ? `-${text}` : text;
        return canonical(signed) === signed;
      }),
    );
  });

  test("a sum does not depend on the order, and the opposite undoes it", () => {
    holds(
      fc.property(decimals(), decimals(), (a, b) => {
        const opposite = a.startsWith("-") ? a.slice(1) : `-${a}`;
        const isSame = floatText(sumOfFloats(a, b)) === floatText(sumOfFloats(b, a));
        return isSame && floatText(sumOfFloats(a, opposite)) === "0";
      }),
    );
  });

  test("sums of whole numbers below 2^63 are exact", () => {
    const whole = fc.bigInt({ min: MIN, max: MAX });
    holds(
      fc.property(whole, whole, (a, b) => floatText(sumOfFloats(`${a}`, `${b}`)) === `${a + b}`),
    );
  });

  test("the same number is read from every way to write it", () => {
    const exponents = fc.integer({ min: -30, max: 30 });
    holds(
      fc.property(
        fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }),
        exponents,
        (units, exponent) => {
          const scaled = `${units}0e${exponent - 1}`;
          return canonical(`${units}e${exponent}`) === canonical(scaled);
        },
      ),
    );
  });
});

function int64s() {
  const small = fc.bigInt({ min: -1000n, max: 1000n });
  return fc.oneof(small, fc.bigInt({ min: MIN, max: MAX }));
}

/** Decimal numbers in all forms. */
function decimals(): fc.Arbitrary<string> {
  const exponent = fc.integer({ min: -40, max: 40 });
  const digits = fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: 1, maxLength: 22 });
  return fc
    .tuple(fc.constantFrom("", "-"), digits, fc.option(digits), fc.option(exponent))
    .map(
      ([sign, whole, fraction, power]) =>
        `${sign}${whole}${fraction === null ? "" : `.${fraction}`}${power === null ? "" : `e${power}`}`,
    );
}

function isInt64(value: bigint): boolean {
  return value >= MIN && value <= MAX;
}

function integer(text: string): number | bigint | undefined {
  return readInteger(slice(text));
}

function sumOf(a: bigint, b: bigint): number | bigint | undefined {
  const [first, second] = [integer(`${a}`), integer(`${b}`)];
  if (first === undefined || second === undefined) throw new Error(`${a} or ${b} is not read`);
  return addIntegers(first, second);
}

function float(text: string) {
  const read = readFloat(text);
  if (read === undefined || read === "infinite") throw new Error(`${text} is not read`);
  return read;
}

function sumOfFloats(a: string, b: string) {
  const sum = addFloats(float(a), float(b));
  if (sum === undefined) throw new Error(`${a} + ${b} is infinite`);
  return sum;
}

function canonical(text: string): string {
  return floatText(float(text));
}

function slice(text: string, before = "", after = "") {
  const bytes = Buffer.from(before + text + after, "latin1");
  return { bytes, start: before.length, end: before.length + text.length };
}

function holds<T>(property: fc.IProperty<T>): void {
  fc.assert(property, { numRuns: 1000 });
}
