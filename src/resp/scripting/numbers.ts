// Numbers of scripts as text.

/** Significant digits of a double that give the same double again. */
const DIGITS = 17;

/** Returns the number as C's printf("%.17g") writes it. */
export function formatDouble(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 10 ** DIGITS)
    return Object.is(value, -0) ? "-0" : String(value);
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const [mantissa = "", exponentText = "0"] = value.toExponential(DIGITS - 1).split("e");
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < DIGITS)
    return withoutZeros(value.toFixed(Math.max(0, DIGITS - 1 - exponent)));
  const sign = exponent < 0 ? "-" : "+";
  return `${withoutZeros(mantissa)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

function withoutZeros(decimal: string): string {
  return decimal.includes(".") ? decimal.replace(/\.?0+$/, "") : decimal;
}

/** Returns the whole part as C's conversion to a 64-bit integer gives it on x86-64. */
export function toInt64(value: number): number | bigint {
  if (Number.isSafeInteger(value)) return value === 0 ? 0 : value;
  const whole = Math.trunc(value);
  if (Number.isSafeInteger(whole)) return whole === 0 ? 0 : whole;
  // Infinity, NaN and numbers that do not fit all give the least integer.
  return whole >= -(2 ** 63) && whole < 2 ** 63 ? BigInt(whole) : -(2n ** 63n);
}

/** The generator drand48, with which Redis replaces that of Lua (src/rand.c): 48 bits of state. */
export class Random48 {
  #state = 0x1234_abcd_330en;

  /** Sets the state from a seed of 32 bits. */
  seed(value: number): void {
    this.#state = (BigInt.asUintN(32, BigInt(Math.trunc(value))) << 16n) | 0x330en;
  }

  /** Returns a number from 0 to less than 1, of 31 bits. */
  next(): number {
    this.#state = BigInt.asUintN(48, this.#state * 0x5_deec_e66dn + 0xbn);
    const bits = Number(this.#state >> 17n);
    const range = 2 ** 31 - 1;
    return (bits % range) / range;
  }
}
