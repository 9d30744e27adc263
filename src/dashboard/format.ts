// Numbers as people read them, in English and with three significant digits. Zeros at the end stay,
// so that a figure that changes once a second does not change its width.

const COUNT_UNITS = ["", "k", "M", "G", "T"];
// Powers of 1024, as the options of the service count them.
const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB"];

/** A number and its unit, which tiles set in different sizes. */
export interface Quantity {
  readonly number: string;
  readonly unit: string;
}

/** 1234 to 1.23 and "k". */
export function count(value: number): Quantity {
  return scaled(value, 1000, COUNT_UNITS);
}

/** Bytes: 36_175_872 to 34.5 and "MB". */
export function bytes(value: number): Quantity {
  return scaled(value, 1024, BYTE_UNITS);
}

/** Milliseconds: 0.84 and "ms", 2.4 and "s", 12 and "µs". */
export function milliseconds(value: number): Quantity {
  if (value >= 1000) return { number: digits(value / 1000), unit: "s" };
  if (value > 0 && value < 0.01) return { number: digits(value * 1000), unit: "µs" };
  return { number: digits(value), unit: "ms" };
}

/** 0 to 1 as per cent; 100 only if it is all, 0 only if it is nothing. */
export function percent(ratio: number): Quantity {
  const inPercent = ratio * 100;
  if (ratio < 1 && inPercent >= 99.95) return { number: "> 99.9", unit: "%" };
  if (ratio > 0 && inPercent < 0.01) return { number: "< 0.01", unit: "%" };
  const isWhole = ratio === 0 || ratio === 1;
  const number = isWhole ? String(inPercent) : inPercent.toFixed(inPercent < 10 ? 2 : 1);
  return { number, unit: "%" };
}

/** Seconds, in its two largest units: "3 d 4 h", "12 min 5 s". */
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

/** The same without zeros at the end of a fraction, for the labels of an axis and for settings. */
export function rounded({ number, unit }: Quantity): Quantity {
  return { number: number.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ""), unit };
}

/** A quantity in one piece; the space does not break. */
export function text({ number, unit }: Quantity): string {
  return unit === "" ? number : `${number}\u00a0${unit}`;
}

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 1234567 to "1,234,567". */
export function exact(value: number): string {
  return WHOLE.format(value);
}

const TIME_OF_DAY = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** Unix time in milliseconds to the browser's time of day, "03:12:45". */
export function timeOfDay(unixMs: number): string {
  return TIME_OF_DAY.format(unixMs);
}

function scaled(value: number, base: number, units: readonly string[]): Quantity {
  let power = 0;
  let rest = value;
  // What would be rounded up to a whole base belongs to the next unit.
  while (rest >= base - 0.5 && power + 1 < units.length) {
    rest /= base;
    power++;
  }
  const isWhole = power === 0 && Number.isInteger(value);
  return { number: isWhole ? String(value) : digits(rest), unit: units[power] ?? "" };
}

function digits(value: number): string {
  if (value === 0) return "0";
  if (value >= 99.95) return value.toFixed(0);
  return value.toFixed(value >= 9.995 ? 1 : 2);
}
