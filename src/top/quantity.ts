// Numbers as people read them, and as small drawings.

import { type Line, unit } from "./line.ts";

const BINARY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const SPARKS = "▁▂▃▄▅▆▇█";

/** 1234.5 as "1,235"; less than ten with a decimal. */
export function whole(value: number): string {
  const digits = Math.abs(value) < 10 && !Number.isInteger(value) ? 1 : 0;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

/** At most five characters: "999", "12.3k", "1.23M". */
export function short(value: number): string {
  return value
    .toLocaleString("en", {
      notation: "compact",
      maximumSignificantDigits: 3,
    })
    .replace("K", "k");
}

/** A part of the whole, 0 to 1, as per cent. */
export function percent(share: number, digits: number): Line {
  return [(share * 100).toFixed(digits), unit(" %")];
}

export function bytes(count: number): Line {
  let power = 0;
  while (power + 1 < BINARY_UNITS.length && Math.abs(count) >= 1000 * 1024 ** power) power++;
  const scaled = count / 1024 ** power;
  const digits = power === 0 || scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2;
  return [scaled.toFixed(digits), unit(` ${BINARY_UNITS[power] ?? ""}`)];
}

export function milliseconds(value: number): Line {
  const digits = value < 10 ? 3 : value < 1000 ? 1 : 0;
  const text = value.toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return [text, unit(" ms")];
}

/** "12 s", "3 min 20 s", "5 h 2 min", "12 d 4 h": two units at most. */
export function age(seconds: number): string {
  const { days, hours, minutes, rest } = clock(seconds);
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${rest} s` : `${rest} s`;
}

/** "03:20:07", "12 d 03:20:07": as wide from one second to the next. */
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

/** A part of the whole, 0 to 1, as a bar. */
export function bar(share: number, columns: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * columns);
  return "█".repeat(filled) + "░".repeat(columns - filled);
}

/** A column for each value from 0 to `max`, blank where there is none. */
export function sparkline(values: readonly (number | undefined)[], max: number): string {
  const columns = values.map((value) => {
    if (value === undefined) return " ";
    const level = max > 0 ? Math.floor((value / max) * SPARKS.length) : 0;
    return SPARKS[Math.min(SPARKS.length - 1, Math.max(0, level))];
  });
  return columns.join("");
}

/** "1 worker", "4 workers". */
export function counted(count: number, noun: string): Line {
  return [whole(count), unit(` ${noun}${count === 1 ? "" : "s"}`)];
}
