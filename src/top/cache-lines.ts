// What the screen says of the cache: does it help, is it full, what is hot.

import type { HotKey, LiveStats } from "../live/stats.ts";
import type { Curves } from "./history.ts";
import {
  flow,
  LABEL_COLUMNS,
  labelled,
  type Line,
  type Span,
  unit,
  warning,
  widthOf,
} from "./line.ts";
import { printable } from "./printable.ts";
import { bar, bytes, counted, milliseconds, percent, short, sparkline, whole } from "./quantity.ts";

/** Columns of a figure that has a curve beside it. */
const STAT_COLUMNS = 13;
const FULL_MEMORY = 0.95;
const MAX_BAR_COLUMNS = 60;

/** Requests a second, and their curve, which is as high as its peak. */
export function requestsLine(stats: LiveStats, curves: Curves): Line {
  const values = curves.requestsPerSecond;
  const peak = Math.max(0, ...values.map((value) => value ?? 0));
  const figure = [whole(stats.requestsPerSecond), unit("/s")];
  return curved("requests", figure, values, peak, ` of ${short(peak)}/s`);
}

/** The hit ratio, and its curve, which is as high as all of them. */
export function hitRatioLine({ hitRatio }: LiveStats, curves: Curves): Line {
  const figure = hitRatio === null ? [unit("no reads")] : percent(hitRatio, 2);
  return curved("hit ratio", figure, curves.hitRatio, 1, " of 100 %");
}

/** Columns that are left for a curve between its figure and its scale. */
export function curveColumns(columns: number): number {
  return Math.max(0, columns - LABEL_COLUMNS - STAT_COLUMNS - " of 1.23M/s".length);
}

/** Percentiles of the last second's requests. */
export function latencyLines({ latencyMs: latency }: LiveStats, columns: number): Line[] {
  if (latency === null) return flow("latency", [[unit("no requests")]], columns);
  const item = (name: string, ms: number): Line => [unit(`${name} `), ...milliseconds(ms)];
  const items = [item("p50", latency.p50), item("p99", latency.p99), item("p99.9", latency.p999)];
  return flow("latency", items, columns);
}

/** Memory in use of what there may be, as a bar and in numbers. */
export function memoryLine({ memory }: LiveStats, columns: number): Line {
  const { usedBytes, maxBytes } = memory;
  const share = maxBytes > 0 ? usedBytes / maxBytes : 0;
  const isFull = share >= FULL_MEMORY;
  const text: Line = [...bytes(usedBytes), unit(" of "), ...bytes(maxBytes)];
  const ratio: Line = isFull ? [warning(`${(share * 100).toFixed(1)} %`)] : percent(share, 1);
  const left = columns - LABEL_COLUMNS - widthOf(text) - widthOf(ratio) - 4;
  const drawn = bar(share, Math.max(0, Math.min(MAX_BAR_COLUMNS, left)));
  const span: Span = isFull ? warning(drawn) : drawn;
  return [labelled("memory"), span, drawn === "" ? "" : "  ", ...ratio, "  ", ...text];
}

/** What the memory in use is made of. */
export function memoryPartLines({ memory }: LiveStats, columns: number): Line[] {
  const { usedBytes, liveBytes, deadBytes, expiredBytes } = memory;
  const overheadBytes = Math.max(0, usedBytes - liveBytes - deadBytes - expiredBytes);
  const items = Object.entries({
    live: liveBytes,
    dead: deadBytes,
    expired: expiredBytes,
    overhead: overheadBytes,
  });
  return flow(
    " ",
    items.map(([name, count]) => [unit(`${name} `), ...bytes(count)]),
    columns,
  );
}

/** Entries, and how many of them go. */
export function entryLines(stats: LiveStats, columns: number): Line[] {
  const rate = (name: string, perSecond: number): Line => [
    unit(`${name} `),
    whole(perSecond),
    unit("/s"),
  ];
  const items: Line[] = [
    [whole(stats.entries)],
    rate("evictions", stats.evictionsPerSecond),
    rate("expirations", stats.expirationsPerSecond),
  ];
  return flow("entries", items, columns);
}

/** How evenly the shards are filled. */
export function shardLines({ shards }: LiveStats, columns: number): Line[] {
  const counts = shards.map(({ entries }) => entries);
  const mean = counts.reduce((sum, count) => sum + count, 0) / Math.max(1, counts.length);
  const items: Line[] = [
    counted(counts.length, "shard"),
    [unit("entries, fewest "), whole(counts.length === 0 ? 0 : Math.min(...counts))],
    [unit("mean "), whole(Math.round(mean))],
    [unit("most "), whole(Math.max(0, ...counts))],
  ];
  return flow("shards", items, columns);
}

/** The heading of a table, and a line for each key; no lines without keys. */
export function hotKeyLines({ hotKeys }: LiveStats, columns: number): Line[] {
  const { keys, sampled, oneIn } = hotKeys;
  const sample = `${whole(sampled)} requests sampled, one in ${whole(oneIn)}`;
  if (keys.length === 0) return [[labelled("hot keys"), unit(`none in ${sample}`)]];
  const counts = ["count", ...keys.map(({ count }) => whole(count))];
  const errors = ["error", ...keys.map(({ error }) => whole(error))];
  const [countColumns, errorColumns] = [widest(counts), widest(errors)];
  const head: Line = [
    labelled("hot keys"),
    unit(`${"count".padStart(countColumns)}  ${"error".padStart(errorColumns)}  key`),
  ];
  const gap = columns - widthOf(head) - Bun.stringWidth(sample);
  const row = (key: HotKey): Line => [
    " ".repeat(LABEL_COLUMNS),
    whole(key.count).padStart(countColumns),
    unit(`  ${whole(key.error).padStart(errorColumns)}`),
    "  ",
    ...(key.encoding === "base64" ? [unit("base64 ")] : []),
    printable(key.key),
  ];
  const titled: Line = gap < 2 ? head : [...head, " ".repeat(gap), unit(sample)];
  return [titled, ...keys.map(row)];
}

/** A figure with its curve and what the top of the curve is; alone while there is no curve. */
function curved(
  label: string,
  figure: Line,
  values: Curves["hitRatio"],
  max: number,
  scale: string,
): Line {
  if (values.every((value) => value === undefined)) return [labelled(label), ...figure];
  const gap = " ".repeat(Math.max(1, STAT_COLUMNS - widthOf(figure)));
  return [labelled(label), ...figure, gap, sparkline(values, max), unit(scale)];
}

function widest(texts: readonly string[]): number {
  return Math.max(...texts.map((text) => text.length));
}
