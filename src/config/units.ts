// Sizes and times with a unit: "64mb", "512MiB", "2g", "5m", "1.5h".

/** Each unit is 1,024 of the one before. */
const BYTE_UNITS = ["", "kb", "mb", "gb", "tb"];

/** The units of a size, for messages. */
export const BYTE_FORMS = "bytes, kb, mb, gb or tb";
/** The units of a time, for messages. */
export const TIME_FORMS = "or with ms, s, m, h or d";

/** Returns 1,572,864 for "1.5mb", "1.5m" and "1.5MiB"; NaN for a text that is not a size. */
export function parseBytes(text: string): number {
  const [, digits, letter = ""] = /^(\d+\.?\d*|\.\d+)(?:b|([kmgt])(?:i?b)?)?$/i.exec(text) ?? [];
  const power = letter === "" ? 0 : " kmgt".indexOf(letter.toLowerCase());
  return digits === undefined ? NaN : Math.floor(Number(digits) * 1024 ** power);
}

/** Returns "1mb" for 1,048,576: the number in the largest unit in which it is whole. */
export function formatBytes(bytes: number): string {
  let power = 0;
  while (power + 1 < BYTE_UNITS.length && bytes > 0 && bytes % 1024 ** (power + 1) === 0) power++;
  return `${bytes / 1024 ** power}${BYTE_UNITS[power]}`;
}

/** Returns whole megabytes, rounded up: "171mb". */
export function formatMegabytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)}mb`;
}

/** Units of time in milliseconds. */
const TIME_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The units of options that take a time, in milliseconds. */
const OPTION_UNITS: Readonly<Record<string, number>> = { milliseconds: 1, seconds: 1000 };

/** Returns whether an option of this unit takes a time with a unit. */
export function isTime(unit: string | undefined): boolean {
  return unit !== undefined && unit in OPTION_UNITS;
}

/** Returns 300 for "5m" and the unit "seconds"; undefined for a text that is not a time with a unit. */
export function parseTime(text: string, unit: string | undefined): number | undefined {
  const [, digits, name = ""] = /^(\d+\.?\d*|\.\d+)([a-z]+)$/i.exec(text) ?? [];
  const ms = TIME_UNITS[name.toLowerCase()];
  const optionUnitMs = OPTION_UNITS[unit ?? ""];
  if (digits === undefined || ms === undefined || optionUnitMs === undefined) return undefined;
  // Six decimals are finer than any option distinguishes.
  return Math.round(((Number(digits) * ms) / optionUnitMs) * 1e6) / 1e6;
}
