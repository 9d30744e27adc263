// The lines about the cache: requests, hit ratio, latency, memory, entries, shards and hot keys.

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
import { bar, bytes, counted, graph, milliseconds, percent, short, whole } from "./quantity.ts";

/** Columns of a value that has a curve beside it. */
const VALUE_COLUMNS = 13;
/** Above this fraction of its limit, memory is shown as a warning. */
const FULL_RATIO = 0.95;
const BAR_COLUMNS_MAX = 120;

/** Requests per second, and their curve; the top of the curve is its peak. */
export function requestsLines(stats: LiveStats, curves: Curves, height: number): Line[] {
  const values = curves.requestsPerSecond;
  const peak = Math.max(0, ...values.map((value) => value ?? 0));
  const value = [whole(stats.requestsPerSecond), unit("/s")];
  const scale = { max: peak, text: ` of ${short(peak)}/s`, height };
  return curved("requests", value, values, scale);
}

/** The hit ratio, and its curve; the top of the curve is 100 %. */
export function hitRatioLines({ hitRatio }: LiveStats, curves: Curves, height: number): Line[] {
  const value = hitRatio === null ? [unit("no reads")] : percent(hitRatio, 2);
  return curved("hit ratio", value, curves.hitRatio, { max: 1, text: " of 100 %", height });
}

/** Returns the columns between a value and the scale of its curve. */
export function curveColumns(columns: number): number {
  return Math.max(0, columns - LABEL_COLUMNS - VALUE_COLUMNS - " of 1.23M/s".length);
}

/** Percentiles of the durations of the last second's requests. */
export function latencyLines({ latencyMs: latency }: LiveStats, columns: number): Line[] {
  if (latency === null) return flow("latency", [[unit("no requests")]], columns);
  const item = (name: string, ms: number): Line => [unit(`${name} `), ...milliseconds(ms)];
  const items = [item("p50", latency.p50), item("p99", latency.p99), item("p99.9", latency.p999)];
  return flow("latency", items, columns);
}

/** Memory in use and its limit, as a bar and as numbers. */
export function memoryLine({ memory }: LiveStats, columns: number): Line {
  const { usedBytes, maxBytes } = memory;
  const ratio = maxBytes > 0 ? usedBytes / maxBytes : 0;
  const isFull = ratio >= FULL_RATIO;
  const text: Line = [...bytes(usedBytes), unit(" of "), ...bytes(maxBytes)];
  const used: Line = isFull ? [warning(`${(ratio * 100).toFixed(1)} %`)] : percent(ratio, 1);
  const left = columns - LABEL_COLUMNS - widthOf(text) - widthOf(used) - 4;
  const drawn = bar(ratio, Math.max(0, Math.min(BAR_COLUMNS_MAX, left)));
  const span: Span = isFull ? warning(drawn) : drawn;
  return [labelled("memory"), span, drawn === "" ? "" : "  ", ...used, "  ", ...text];
}

/** The parts of the memory in use. */
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

/** Number of entries, and the rates of evictions and expirations. */
export function entryLines(stats: LiveStats, columns: number): Line[] {
  const items: Line[] = [
    [whole(stats.entries)],
    rate("evictions", stats.evictionsPerSecond),
    rate("expirations", stats.expirationsPerSecond),
  ];
  return flow("entries", items, columns);
}

/** The rates of leases, waits for them, stale values and invalidated tags. */
export function cachingLines({ caching }: LiveStats, columns: number): Line[] {
  const items: Line[] = [
    [whole(caching.leasesPerSecond), unit("/s")],
    rate("waits", caching.waitsPerSecond),
    rate("stale served", caching.stalePerSecond),
    rate("invalidations", caching.invalidationsPerSecond),
  ];
  return flow("leases", items, columns);
}

/** Number of shards, and the distribution of the entries over them. */
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

/** A heading and a line per key; without keys, one line that says so. */
export function hotKeyLines({ hotKeys }: LiveStats, columns: number): Line[] {
  const { keys, sampled, oneIn } = hotKeys;
  const sample = `${whole(sampled)} reads sampled, one in ${whole(oneIn)}`;
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

interface Scale {
  /** The value at the top of the curve, and its text. */
  readonly max: number;
  readonly text: string;
  /** Rows of the curve. */
  readonly height: number;
}

/** A value, its curve and the value at the top of the curve; without samples only the value. */
function curved(label: string, value: Line, values: Curves["hitRatio"], scale: Scale): Line[] {
  if (values.every((sample) => sample === undefined)) return [[labelled(label), ...value]];
  const gap = " ".repeat(Math.max(1, VALUE_COLUMNS - widthOf(value)));
  const [top = "", ...rows] = graph(values, scale.max, scale.height);
  const indent = " ".repeat(LABEL_COLUMNS + widthOf(value) + gap.length);
  return [
    [labelled(label), ...value, gap, top, unit(scale.text)],
    ...rows.map((row) => [indent, row]),
  ];
}

function rate(name: string, perSecond: number): Line {
  return [unit(`${name} `), whole(perSecond), unit("/s")];
}

function widest(texts: readonly string[]): number {
  return Math.max(...texts.map((text) => text.length));
}
