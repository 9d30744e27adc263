// The parts of the dashboard that need no browser.

import { expect, test } from "bun:test";

import * as format from "../../../src/dashboard/format.ts";
import { History, KEPT_SECONDS } from "../../../src/dashboard/history.ts";
import { clipped, visibleLine, visibleLines } from "../../../src/dashboard/visible-text.ts";
import { someFigures } from "../../lib/live-figures.ts";

test("the history keeps five minutes, however often figures come", () => {
  const history = new History();
  for (let n = 0; n < 5000; n++) history.add(someFigures({ timeMs: 1e12 + n * 200 }));
  expect(history.times.length).toBe(KEPT_SECONDS);
  for (let n = 0; n < 1000; n++) history.add(someFigures({ timeMs: 2e12 + n * 1000 }));
  expect(history.times.length).toBe(KEPT_SECONDS);
  expect(history.times).toEqual(history.times.toSorted((a, b) => a - b));
  expect(history.column("requests").length).toBe(KEPT_SECONDS);
});

test("where figures are missing the lines have a gap, and a clock set back starts anew", () => {
  const history = new History();
  history.add(someFigures({ timeMs: 1_000_000, requestsPerSecond: 1 }));
  history.add(someFigures({ timeMs: 1_010_000, requestsPerSecond: 2 }));
  expect(history.column("requests")).toEqual([1, null, 2]);
  history.add(someFigures({ timeMs: 500_000, requestsPerSecond: 3 }));
  expect(history.column("requests")).toEqual([3]);
});

test("numbers have three digits and their unit", () => {
  const shown = (value: number) => [format.count, format.bytes].map((of) => format.text(of(value)));
  expect([0, 999, 999.6, 1234, 999_960, 12_345_678].map(shown)).toEqual([
    ["0", "0\u00a0B"],
    ["999", "999\u00a0B"],
    ["1.00\u00a0k", "1000\u00a0B"],
    ["1.23\u00a0k", "1.21\u00a0kB"],
    ["1.00\u00a0M", "977\u00a0kB"],
    ["12.3\u00a0M", "11.8\u00a0MB"],
  ]);
  expect([0, 0.002, 0.84, 1200].map((ms) => format.text(format.milliseconds(ms)))).toEqual([
    "0\u00a0ms",
    "2.00\u00a0µs",
    "0.84\u00a0ms",
    "1.20\u00a0s",
  ]);
  expect([0, 0.00004, 0.5, 0.99999, 1].map((part) => format.text(format.percent(part)))).toEqual([
    "0\u00a0%",
    "< 0.01\u00a0%",
    "50.0\u00a0%",
    "> 99.9\u00a0%",
    "100\u00a0%",
  ]);
  expect([0, 59, 3660, 259_260].map(format.duration)).toEqual([
    "0 s",
    "59\u00a0s",
    "1\u00a0h 1\u00a0min",
    "3\u00a0d",
  ]);
});

test("what cannot be seen is shown by a sign, and no character is cut in half", () => {
  expect(visibleLine("a\n\0\u202eb👨‍👩‍👧")).toBe("a‹LF›‹NUL›‹U+202E›b👨‍👩‍👧");
  expect(visibleLines("a\nb\t\u001b")).toBe("a\nb\t‹ESC›");
  expect(clipped("a🎉🎉", 2)).toBe("a…");
  expect(clipped("a🎉", 3)).toBe("a🎉");
});
