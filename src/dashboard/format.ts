// Numbers as text, in English and with three significant digits. Trailing zeros stay, so that a
// value that changes once a second keeps its width.

import { formatBytes, type Quantity, scaled, threeDigits } from "../live/bytes.ts";

const COUNT_UNITS = ["", "k", "M", "G", "T"];

/** Returns 1234 as "1.23" and "k". */
export function count(value: number): Quantity {
  return scaled(value, 1000, COUNT_UNITS);
}

/** Returns 36_175_872 as "34.5" and "MiB". */
export const bytes = formatBytes;

/** Returns milliseconds as "0.84" and "ms", "2.40" and "s", or "12.0" and "µs". */
export function milliseconds(value: number): Quantity {
  if (value >= 1000) return { number: threeDigits(value / 1000), unit: "s" };
  if (value > 0 && value < 0.01) return { number: threeDigits(value * 1000), unit: "µs" };
  return { number: threeDigits(value), unit: "ms" };
}

/** Returns a ratio, 0 to 1, as a percentage. Only the ratio 1 is "100", and only 0 is "0". */
export function percent(ratio: number): Quantity {
  const inPercent = ratio * 100;
  if (ratio < 1 && inPercent >= 99.95) return { number: "> 99.9", unit: "%" };
  if (ratio > 0 && inPercent < 0.01) return { number: "< 0.01", unit: "%" };
  const isWhole = ratio === 0 || ratio === 1;
  const number = isWhole ? String(inPercent) : inPercent.toFixed(inPercent < 10 ? 2 : 1);
  return { number, unit: "%" };
}

/** Returns a duration in its two largest units: "3 d 4 h", "12 min 5 s". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ] as const;
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return "0 s";
  const shown = parts.slice(first, first + 2).filter(([amount]) => amount > 0);
  return shown.map(([amount, unit]) => `${amount}\u00a0${unit}`).join(" ");
}

/** Removes trailing zeros of the fraction, for labels of an axis and for settings. */
export function rounded({ number, unit }: Quantity): Quantity {
  return { number: number.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ""), unit };
}

/** Returns a quantity as one text with a non-breaking space. */
export function text({ number, unit }: Quantity): string {
  return unit === "" ? number : `${number}\u00a0${unit}`;
}

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** Returns 1234567 as "1,234,567". */
export function exact(value: number): string {
  return WHOLE.format(value);
}

const TIME_OF_DAY = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** Returns a Unix time in milliseconds as the browser's time of day, "03:12:45". */
export function timeOfDay(unixMs: number): string {
  return TIME_OF_DAY.format(unixMs);
}
