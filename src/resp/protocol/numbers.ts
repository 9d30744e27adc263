// Reads and writes numbers by the rules of redis: 64-bit integers, and the 80-bit floats of
// INCRBYFLOAT, which JavaScript does not have.

export { addIntegers, readInteger, readNumber } from "../../cache/integers.ts";

// x87's extended precision: 64 bits of mantissa, exponents of 15 bits.
const MANTISSA_BITS = 64n;
const MAX_EXPONENT = 16_384n;
const MIN_EXPONENT = -16_445n;

/** The number mantissa × 2^exponent. The mantissa has at most 64 bits. */
interface LongDouble {
  readonly mantissa: bigint;
  readonly exponent: bigint;
}

/** Maximum length of a float, as in redis (src/util.h, MAX_LONG_DOUBLE_CHARS). */
export const LONGEST_FLOAT = 5 * 1024;
const DECIMAL = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d+))?$/;
const HEXADECIMAL =
  /^([+-]?)0[xX](?:([\da-fA-F]+)(?:\.([\da-fA-F]*))?|\.([\da-fA-F]+))(?:[pP]([+-]?\d+))?$/;

/**
 * Parses a decimal or hexadecimal number by the rules of strtold. Returns undefined for other texts, and for
 * numbers that are too large or too close to 0 for a long double. Redis parses infinity too, and then rejects
 * it. O(length + exponent).
 */
export function readFloat(text: string): LongDouble | "infinite" | undefined {
  if (text.length >= LONGEST_FLOAT) return undefined;
  if (/^[+-]?inf(inity)?$/i.test(text)) return "infinite";
  const parts = DECIMAL.exec(text);
  if (parts === null) return readHexadecimal(text);
  const [, sign, whole = "", decimals = "", onlyDecimals = "", exponentText = "0"] = parts;
  const fraction = decimals || onlyDecimals;
  const digits = BigInt(`${whole}${fraction}`);
  const exponent = Number(exponentText) - fraction.length;
  if (digits === 0n) return { mantissa: 0n, exponent: 0n };
  // The number is less than 10^magnitude, and at least a tenth of that.
  const magnitude = exponent + digits.toString().length;
  if (magnitude > 4933 || magnitude < -5000) return undefined;
  const signed = sign === "-" ? -digits : digits;
  const power = 10n ** BigInt(Math.abs(exponent));
  const value = exponent >= 0 ? round(signed * power, 1n) : round(signed, power);
  return value?.mantissa === 0n ? undefined : value;
}

/** Parses a number such as 0x1.8p3: hexadecimal digits times a power of two. */
function readHexadecimal(text: string): LongDouble | undefined {
  const parts = HEXADECIMAL.exec(text);
  if (parts === null) return undefined;
  const [, sign, whole = "", decimals = "", onlyDecimals = "", exponentText = "0"] = parts;
  const fraction = decimals || onlyDecimals;
  const digits = BigInt(`0x${whole}${fraction}`);
  if (digits === 0n) return { mantissa: 0n, exponent: 0n };
  const exponent = Number(exponentText) - 4 * fraction.length;
  // The number is less than 2^magnitude, and at least half of that.
  const magnitude = exponent + digits.toString(2).length;
  if (magnitude > Number(MAX_EXPONENT) || magnitude < Number(MIN_EXPONENT)) return undefined;
  const signed = sign === "-" ? -digits : digits;
  const power = 1n << BigInt(Math.abs(exponent));
  const value = exponent >= 0 ? round(signed * power, 1n) : round(signed, power);
  return value?.mantissa === 0n ? undefined : value;
}

/** Returns the sum in redis's long double arithmetic, or undefined if it is infinite. */
export function addFloats(a: LongDouble, b: LongDouble): LongDouble | undefined {
  const least = a.exponent < b.exponent ? a.exponent : b.exponent;
  const sum = (a.mantissa << (a.exponent - least)) + (b.mantissa << (b.exponent - least));
  return least >= 0n ? round(sum << least, 1n) : round(sum, 1n << -least);
}

/** Returns the text of printf("%.17Lf") without trailing zeros. */
export function floatText({ mantissa, exponent }: LongDouble): string {
  const isNegative = mantissa < 0n;
  const scaled = (isNegative ? -mantissa : mantissa) * 10n ** 17n;
  const units = exponent >= 0n ? scaled << exponent : divideToEven(scaled, 1n << -exponent);
  const digits = units.toString().padStart(18, "0");
  const text = `${digits.slice(0, -17)}.${digits.slice(-17)}`.replace(/\.?0+$/, "");
  return isNegative && units !== 0n ? `-${text}` : text;
}

/** Returns the long double nearest to numerator / denominator, or undefined if it is infinite. */
function round(numerator: bigint, denominator: bigint): LongDouble | undefined {
  const isNegative = numerator < 0n;
  const size = isNegative ? -numerator : numerator;
  if (size === 0n) return { mantissa: 0n, exponent: 0n };
  let exponent = countBits(size) - countBits(denominator) - MANTISSA_BITS;
  if (exponent < MIN_EXPONENT) exponent = MIN_EXPONENT;
  const scaled = (shift: bigint) =>
    shift >= 0n
      ? divideToEven(size, denominator << shift)
      : divideToEven(size << -shift, denominator);
  let mantissa = scaled(exponent);
  if (countBits(mantissa) > MANTISSA_BITS) mantissa = scaled(++exponent);
  if (exponent + countBits(mantissa) > MAX_EXPONENT) return undefined;
  return { mantissa: isNegative ? -mantissa : mantissa, exponent };
}

function divideToEven(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  const twice = (numerator % denominator) * 2n;
  const roundsUp = twice > denominator || (twice === denominator && quotient % 2n === 1n);
  return roundsUp ? quotient + 1n : quotient;
}

function countBits(value: bigint): bigint {
  return BigInt(value.toString(2).length);
}
