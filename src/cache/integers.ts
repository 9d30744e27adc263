// Values that are whole numbers: 64-bit integers in decimal, by the rules of redis.

import type { Bytes } from "./bytes.ts";

const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);
const ZERO = 48;
const MINUS = 45;
/** Number of decimal digits that a double always holds exactly. */
const SAFE_DIGITS = 15;

/** Parses a 64-bit integer in the form of redis's string2ll, or returns undefined. O(length). */
export function readInteger({ bytes, start, end }: Bytes): number | bigint | undefined {
  const isNegative = bytes[start] === MINUS;
  const first = isNegative ? start + 1 : start;
  const digits = end - first;
  if (digits < 1 || digits > 19) return undefined;
  if (bytes[first] === ZERO && (digits > 1 || isNegative)) return undefined;
  let value = 0;
  for (let offset = first; offset < end; offset++) {
    const digit = (bytes[offset] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  if (digits <= SAFE_DIGITS) return isNegative ? -value : value;
  const exact = BigInt(bytes.toString("latin1", start, end));
  return isInt64(exact) ? exact : undefined;
}

/** Parses an integer like `readInteger`, as a double, which is exact up to 2^53. */
export function readNumber(run: Bytes): number | undefined {
  const value = readInteger(run);
  return value === undefined ? undefined : Number(value);
}

/** Returns the sum, or undefined if it does not fit in 64 bits. */
export function addIntegers(a: number | bigint, b: number | bigint): number | bigint | undefined {
  if (typeof a === "number" && typeof b === "number") return a + b;
  const sum = BigInt(a) + BigInt(b);
  return isInt64(sum) ? sum : undefined;
}

function isInt64(value: bigint): boolean {
  return value >= MIN_INT64 && value <= MAX_INT64;
}
