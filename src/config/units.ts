// Sizes and times with a unit, as people write them: "64mb", "512MiB", "2g", "5m", "1.5h".

/** 1,024 of each make one of the next. */
const BYTE_UNITS = ["", "kb", "mb", "gb", "tb"];

/** The forms of a size, for messages. */
export const BYTE_FORMS = "bytes, kb, mb, gb or tb";
/** The forms of a time, for messages. */
export const TIME_FORMS = "or with ms, s, m, h or d";

/** "1.5mb", "1.5m" and "1.5MiB" to 1,572,864; NaN for anything that is not a number of bytes. */
export function bytesOf(text: string): number {
  const [, digits, letter = ""] = /^(\d+\.?\d*|\.\d+)(?:b|([kmgt])(?:i?b)?)?$/i.exec(text) ?? [];
  const power = letter === "" ? 0 : " kmgt".indexOf(letter.toLowerCase());
  return digits === undefined ? NaN : Math.floor(Number(digits) * 1024 ** power);
}

/** 1,048,576 to "1mb": in the largest unit that leaves a whole number. */
export function bytesText(bytes: number): string {
  let power = 0;
  while (power + 1 < BYTE_UNITS.length && bytes > 0 && bytes % 1024 ** (power + 1) === 0) power++;
  return `${bytes / 1024 ** power}${BYTE_UNITS[power]}`;
}

/** Units of time in milliseconds. */
const TIME_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** How many milliseconds one is. Only an option that counts one of these takes a unit. */
const COUNTED: Readonly<Record<string, number>> = { milliseconds: 1, seconds: 1000 };

export function isTime(unit: string | undefined): boolean {
  return unit !== undefined && unit in COUNTED;
}

/** "5m" to 300 of the unit "seconds"; undefined for anything that is not a number with a unit of time. */
export function timeOf(text: string, unit: string | undefined): number | undefined {
  const [, digits, given = ""] = /^(\d+\.?\d*|\.\d+)([a-z]+)$/i.exec(text) ?? [];
  const ms = TIME_UNITS[given.toLowerCase()];
  const counted = COUNTED[unit ?? ""];
  if (digits === undefined || ms === undefined || counted === undefined) return undefined;
  // A thousandth of the unit is more than any option tells apart.
  return Math.round(((Number(digits) * ms) / counted) * 1e6) / 1e6;
}
