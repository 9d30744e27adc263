// Sizes in bytes as the dashboard and `bun run top` show them: three digits and a binary unit, as
// in docs/operations.md (1 MiB is 1,048,576 bytes).

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** A number and its unit, which may be shown in different styles. */
export interface Quantity {
  readonly number: string;
  readonly unit: string;
}

/** Returns 36,175,872 as "34.5" and "MiB". The number never has four digits before the point. */
export function formatBytes(bytes: number): Quantity {
  return scaled(bytes, 1024, UNITS);
}

/**
 * Divides a value by `base` until it is less than 1,000, and returns it with the unit of that
 * power.
 */
export function scaled(value: number, base: number, units: readonly string[]): Quantity {
  let power = 0;
  let rest = value;
  // A value that would be rounded up to 1,000 belongs to the next unit.
  while (Math.abs(rest) >= 999.5 && power + 1 < units.length) {
    rest /= base;
    power++;
  }
  const isWhole = power === 0 && Number.isInteger(value);
  return { number: isWhole ? String(value) : threeDigits(rest), unit: units[power] ?? "" };
}

/** Returns 1.234 as "1.23", 12.34 as "12.3" and 123.4 as "123". Trailing zeros stay. */
export function threeDigits(value: number): string {
  if (value === 0) return "0";
  if (value >= 99.95) return value.toFixed(0);
  return value.toFixed(value >= 9.995 ? 1 : 2);
}
