// The charts over time: their lines, colours and units.

import type { Column } from "./history.ts";
import { byId } from "./elements.ts";
import { bytes, count, milliseconds, percent, rounded, text } from "./format.ts";
import type { History } from "./history.ts";
import { type Colour, onSchemeChange } from "./theme.ts";
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

interface RateLine {
  readonly name: string;
  readonly column: Column;
  readonly colour: Colour;
}

/** Returns the plan of a chart of rates or counts, which begin at zero. */
function ratePlan(title: string, unit: string, lines: readonly RateLine[]): ChartPlan {
  const worded = lines.map((line) => ({ ...line, words: countText }));
  return { title, unit, lines: worded, left: rates, isLow: true };
}

const ratios: Axis = {
  words: (value) => text(rounded(percent(value))),
  range: () => [0, 1.04],
  steps: [0.25, 0.5],
};

const traffic: Axis = {
  words: (value) => text(rounded(bytes(value))),
  range: (_, greatest) => [0, greatest > 0 ? greatest * 1.15 : 1024],
  steps: BYTE_STEPS,
};

const UPSTREAM_PLANS: readonly ChartPlan[] = [
  {
    title: "Near reads",
    unit: "per second",
    lines: [
      { name: "hits", column: "nearHits", colour: "blue", fill: "blue-area", words: countText },
      { name: "misses", column: "nearMisses", colour: "grey", words: countText },
      {
        ...{ name: "hit ratio", column: "nearHitRatio", colour: "orange", onRight: true },
        words: percentText,
      },
    ],
    left: rates,
    right: ratios,
    isLow: true,
  },
  ratePlan("Near values", "per second", [
    { name: "fills", column: "fills", colour: "blue" },
    { name: "drops", column: "drops", colour: "orange" },
    { name: "invalidations", column: "invalidations", colour: "grey" },
    { name: "errors", column: "upstreamErrors", colour: "pink" },
  ]),
];

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
    right: ratios,
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
      { name: "live", column: "liveBytes", colour: "blue", fill: "blue-area", words: bytesText },
      {
        name: "dead",
        column: "toDead",
        above: "liveBytes",
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
        column: "usedBytes",
        above: "toExpired",
        colour: "grey",
        fill: "grey-area",
        words: bytesText,
      },
      {
        name: "limit",
        column: "nearLimit",
        legend: "maxBytes",
        colour: "ink-2",
        dash: [3, 4],
        words: (value) => text(rounded(bytes(value))),
      },
    ],
    left: {
      words: (value) => text(rounded(bytes(value))),
      range: (_, greatest) => [0, greatest > 0 ? greatest * 1.15 : 1],
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
  ratePlan("Errors and rejections", "per second", [
    { name: "errors", column: "errors", colour: "pink" },
    { name: "rejected", column: "rejections", colour: "orange" },
  ]),
  {
    title: "Network",
    unit: "per second",
    lines: [
      { name: "Redis port in", column: "respReceived", colour: "blue", words: bytesText },
      { name: "out", column: "respSent", colour: "orange", words: bytesText },
      { name: "interfaces in", column: "received", colour: "grey", words: bytesText },
      { name: "out", column: "sent", colour: "pink", words: bytesText },
    ],
    left: traffic,
    isLow: true,
  },
  ratePlan("Clients", "connections", [
    { name: "HTTP", column: "httpClients", colour: "blue" },
    { name: "Redis", column: "respClients", colour: "orange" },
  ]),
  ratePlan("Leases and stale reads", "per second", [
    { name: "leases", column: "leases", colour: "blue" },
    { name: "waits", column: "waits", colour: "orange" },
    { name: "stale reads", column: "stale", colour: "pink" },
  ]),
];

/** Adds the charts of the cache to the page; returns a function that draws the current history. */
export function makeCharts(history: History): () => void {
  return chartsIn("charts", PLANS, history);
}

/** As makeCharts, for the charts of the upstream. */
export function makeUpstreamCharts(history: History): () => void {
  return chartsIn("upstream-charts", UPSTREAM_PLANS, history);
}

function chartsIn(id: string, plans: readonly ChartPlan[], history: History): () => void {
  const host = byId(id, HTMLElement);
  const charts = plans.map((plan) => new TimeChart(host, plan, history));
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
