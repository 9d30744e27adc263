// The charts over time: their lines, colours and units.

import { byId } from "./elements.ts";
import { bytes, count, milliseconds, percent, rounded, text } from "./format.ts";
import type { History } from "./history.ts";
import { onSchemeChange } from "./theme.ts";
import { type Axis, type ChartPlan, TimeChart } from "./time-chart.ts";

const countText = (value: number): string => text(count(Math.round(value * 10) / 10));
const bytesText = (value: number): string => text(bytes(Math.round(value)));
const percentText = (value: number): string => text(percent(value));
const millisecondsText = (value: number): string => text(milliseconds(value));

const rates: Axis = {
  words: (value) => text(rounded(count(value))),
  range: (_, greatest) => [0, greatest > 0 ? greatest * 1.15 : 10],
};

/** Powers of two, so that the labels of the axis are round numbers of bytes. */
const BYTE_STEPS = Array.from({ length: 50 }, (_, power) => 2 ** power);

const PLANS: readonly ChartPlan[] = [
  {
    title: "Requests and hit ratio",
    lines: [
      {
        name: "requests/s",
        column: "requests",
        colour: "blue",
        fill: "blue-area",
        words: countText,
      },
      {
        name: "hit ratio",
        column: "hitRatio",
        colour: "orange",
        onRight: true,
        words: percentText,
      },
    ],
    left: rates,
    right: {
      words: (value) => text(rounded(percent(value))),
      range: () => [0, 1.04],
      steps: [0.25, 0.5],
    },
  },
  {
    title: "Latency",
    unit: "log scale",
    lines: [
      { name: "p50", column: "p50", colour: "grey", words: millisecondsText },
      { name: "p99", column: "p99", colour: "blue", words: millisecondsText },
      { name: "p99.9", column: "p999", colour: "orange", words: millisecondsText },
    ],
    left: {
      words: (value) => text(rounded(milliseconds(value))),
      range: decades,
      isLogarithmic: true,
    },
  },
  {
    title: "Memory",
    isStack: true,
    lines: [
      { name: "live", column: "toLive", colour: "blue", fill: "blue-area", words: bytesText },
      {
        name: "dead",
        column: "toDead",
        above: "toLive",
        colour: "orange",
        fill: "orange-area",
        words: bytesText,
      },
      {
        name: "expired",
        column: "toExpired",
        above: "toDead",
        colour: "pink",
        fill: "pink-area",
        words: bytesText,
      },
      {
        name: "overhead",
        column: "used",
        above: "toExpired",
        colour: "grey",
        fill: "grey-area",
        words: bytesText,
      },
      {
        name: "limit",
        column: "limit",
        colour: "ink-2",
        dash: [3, 4],
        words: (value) => text(rounded(bytes(value))),
      },
    ],
    left: {
      words: (value) => text(rounded(bytes(value))),
      range: (_, greatest) => [0, greatest > 0 ? greatest * 1.06 : 1],
      steps: BYTE_STEPS,
    },
  },
  {
    title: "Evictions and expirations",
    unit: "entries/s",
    lines: [
      { name: "evicted", column: "evictions", colour: "orange", words: countText },
      { name: "expired", column: "expirations", colour: "pink", words: countText },
    ],
    left: rates,
  },
];

/** Adds the charts to the page; returns a function that draws the current history. */
export function makeCharts(history: History): () => void {
  const host = byId("charts", HTMLElement);
  const charts = PLANS.map((plan) => new TimeChart(host, plan, history));
  onSchemeChange(() => charts.forEach((chart) => chart.redraw()));
  return () => charts.forEach((chart) => chart.draw());
}

/** Returns powers of ten below and above the values; the lowest is one microsecond. */
function decades(least: number, greatest: number): [number, number] {
  if (!(greatest > 0)) return [0.1, 10];
  const low = Math.floor(Math.log10(Math.max(least, 0.001)));
  const high = Math.ceil(Math.log10(Math.max(greatest, 0.001)));
  return [10 ** low, 10 ** Math.max(high, low + 1)];
}
