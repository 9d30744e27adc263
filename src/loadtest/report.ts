// A result for people (a table and a bar plot) and for machines (JSON).

import Chartscii from "chartscii";
import Table from "cli-table3";

import type { LoadOptions } from "./options.ts";
import { BAR_BOUNDS_MS, type Latency, type StoreCounter } from "./tally.ts";

/** The result as one JSON document; latencies in milliseconds. */
export function jsonReport(options: LoadOptions, tally: StoreCounter): string {
  return JSON.stringify({
    seed: options.seed,
    seconds: tally.seconds,
    requests: tally.requests,
    requests_per_second: tally.requestsPerSecond,
    get_count: tally.count("get"),
    put_count: tally.count("put"),
    hits: tally.hits,
    misses: tally.misses,
    first_misses: tally.firstMisses,
    error_count: tally.errorCount,
    errors: Object.fromEntries(tally.errors),
    latency_ms: tally.latency(),
    get_latency_ms: tally.latency("get"),
    put_latency_ms: tally.latency("put"),
  });
}

/** Two tables and a plot, at most 80 columns wide. */
export function textReport(options: LoadOptions, tally: StoreCounter): string {
  return [counts(options, tally), latencies(tally), plot(tally)].join("\n");
}

function counts(options: LoadOptions, tally: StoreCounter): string {
  const looked = tally.hits + tally.misses;
  const rate = looked === 0 ? "" : ` (${((tally.hits / looked) * 100).toFixed(2)} %)`;
  const first = options.trace === "" ? "" : `, ${whole(tally.firstMisses)} of them first`;
  const errors = [...tally.errors].map(([kind, count]) => [`  ${kind}`, whole(count)]);
  return tableOf(
    ["", ""],
    [
      ["requests/s", whole(tally.requestsPerSecond)],
      ["requests", `${whole(tally.requests)} in ${tally.seconds.toFixed(2)} s`],
      ["GET, PUT", `${whole(tally.count("get"))}, ${whole(tally.count("put"))}`],
      ["hits", `${whole(tally.hits)}${rate}`],
      ["misses", `${whole(tally.misses)}${first}`],
      ["errors", whole(tally.errorCount)],
      ...errors,
      ["seed", `${options.seed}`],
    ],
  );
}

function latencies(tally: StoreCounter): string {
  const row = (name: string, latency: Latency) => [
    name,
    ...[latency.mean, latency.p50, latency.p90, latency.p99, latency.p999, latency.max].map((ms) =>
      ms.toFixed(3),
    ),
  ];
  return tableOf(
    ["latency, ms", "mean", "p50", "p90", "p99", "p99.9", "max"],
    [
      row("GET", tally.latency("get")),
      row("PUT", tally.latency("put")),
      row("all", tally.latency()),
    ],
  );
}

/** A bar for each range of latencies between the first and the last that has requests. */
function plot(tally: StoreCounter): string {
  const total = tally.bars.reduce((sum, count) => sum + count, 0);
  const used = [...tally.bars.keys()].filter((bar) => (tally.bars[bar] ?? 0) > 0);
  const bars = [];
  for (let bar = used[0] ?? 0; bar <= (used.at(-1) ?? -1); bar++) {
    const count = tally.bars[bar] ?? 0;
    const bound = BAR_BOUNDS_MS[bar];
    const label = bound === undefined ? "   more" : `< ${`${bound}`.padStart(5)} ms`;
    bars.push({ label: `${label} ${percent(count / total).padStart(8)}`, value: count });
  }
  if (bars.length === 0) return "";
  const chart = new Chartscii(bars, { width: 54, barSize: 1, naked: true }).create();
  return `requests by latency\n${Bun.stripANSI(chart)}`;
}

function tableOf(head: string[], rows: string[][]): string {
  const table = new Table({
    head: head.some((cell) => cell !== "") ? head : [],
    colAligns: head.map((_cell, column) => (column === 0 ? "left" : "right")),
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows);
  return table.toString();
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en");
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share > 0 && share < 0.001 ? 3 : 1)} %`;
}
