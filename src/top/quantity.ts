// Numbers as text, as bars and as sparklines.

import { formatBytes } from "../live/bytes.ts";
import { type Line, unit } from "./line.ts";

const SPARKS = "▁▂▃▄▅▆▇█";

/** Returns 1234.5 as "1,235"; a number below ten has one decimal. */
export function whole(value: number): string {
  const digits = Math.abs(value) < 10 && !Number.isInteger(value) ? 1 : 0;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

/** Returns a number in at most five characters: "999", "12.3k", "1.23M". */
export function short(value: number): string {
  return value
    .toLocaleString("en", {
      notation: "compact",
      maximumSignificantDigits: 3,
    })
    .replace("K", "k");
}

/** Returns a ratio, 0 to 1, as a percentage. */
export function percent(ratio: number, digits: number): Line {
  return [(ratio * 100).toFixed(digits), unit(" %")];
}

/** Returns a size as "34.5 MiB". */
export function bytes(count: number): Line {
  const size = formatBytes(count);
  return [size.number, unit(` ${size.unit}`)];
}

export function milliseconds(value: number): Line {
  const digits = value < 10 ? 3 : value < 1000 ? 1 : 0;
  const text = value.toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return [text, unit(" ms")];
}

/** Returns a time in at most two units: "12 s", "3 min 20 s", "5 h 2 min", "12 d 4 h". */
export function age(seconds: number): string {
  const { days, hours, minutes, rest } = clock(seconds);
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${rest} s` : `${rest} s`;
}

/** Returns "03:20:07" or "12 d 03:20:07": the width stays the same from second to second. */
export function uptime(seconds: number): string {
  const { days, hours, minutes, rest } = clock(seconds);
  const time = [hours, minutes, rest].map((part) => `${part}`.padStart(2, "0")).join(":");
  return days > 0 ? `${days} d ${time}` : time;
}

function clock(seconds: number) {
  const total = Math.max(0, Math.floor(seconds));
  return {
    days: Math.floor(total / 86_400),
    hours: Math.floor(total / 3600) % 24,
    minutes: Math.floor(total / 60) % 60,
    rest: total % 60,
  };
}

/** Returns a ratio, 0 to 1, as a bar. */
export function bar(ratio: number, columns: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, ratio)) * columns);
  return "█".repeat(filled) + "░".repeat(columns - filled);
}

/** Returns one column per value, 0 to `max`; undefined is a blank column. */
export function sparkline(values: readonly (number | undefined)[], max: number): string {
  const columns = values.map((value) => {
    if (value === undefined) return " ";
    const level = max > 0 ? Math.floor((value / max) * SPARKS.length) : 0;
    return SPARKS[Math.min(SPARKS.length - 1, Math.max(0, level))];
  });
  return columns.join("");
}

/**
 * Returns a curve of `height` rows, the highest first: one column per value, 0 to `max`; undefined is a
 * blank column. One row is a sparkline.
 */
export function graph(
  values: readonly (number | undefined)[],
  max: number,
  height: number,
): string[] {
  if (height <= 1) return [sparkline(values, max)];
  const levels = values.map((value) => {
    if (value === undefined) return undefined;
    const ratio = max > 0 ? Math.min(1, Math.max(0, value / max)) : 0;
    // The lowest level is visible, as in a sparkline.
    return Math.max(1, Math.round(ratio * height * SPARKS.length));
  });
  return Array.from({ length: height }, (_, row) => {
    const below = (height - 1 - row) * SPARKS.length;
    const cells = levels.map((level = 0) => {
      const part = Math.min(SPARKS.length, level - below);
      return part < 1 ? " " : SPARKS[part - 1];
    });
    return cells.join("");
  });
}

/** Returns "1 worker" or "4 workers". */
export function counted(count: number, noun: string): Line {
  return [whole(count), unit(` ${noun}${count === 1 ? "" : "s"}`)];
}
