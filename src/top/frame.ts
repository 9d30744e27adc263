// One frame: all lines of the screen at one moment. The most important lines are on every screen;
// a screen with more rows has more lines.

import type { LiveStats } from "../live/stats.ts";
import {
  curveColumns,
  cachingLines,
  entryLines,
  hitRatioLine,
  hotKeyLines,
  latencyLines,
  memoryLine,
  memoryPartLines,
  requestsLine,
  shardLines,
} from "./cache-lines.ts";
import type { Curves, History } from "./history.ts";
import { flow, heading, type Line, paint, unit, warning } from "./line.ts";
import { addressOf } from "./options.ts";
import { age } from "./quantity.ts";
import { processLines, snapshotLines, titleLines, workerLines } from "./service-lines.ts";

export interface View {
  readonly service: URL;
  /** The last stats; undefined before the first. */
  readonly stats: LiveStats | undefined;
  /** Time at which the stats arrived, on the clock of `history`. */
  readonly statsMs: number;
  readonly history: History;
  readonly nowMs: number;
  /** The reason, while the service does not respond. */
  readonly trouble?: string | undefined;
  /** The keys that a user may press; "" for a single frame. */
  readonly hint: string;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Lines that are shown together, or left out together. */
interface Block {
  readonly lines: readonly Line[];
  /** Blocks get their rows by rank, lowest first, until one does not fit. */
  readonly rank: number;
}

/** Hot keys that are shown before the screen gets blank lines. */
const FIRST_HOT_KEYS = 3;
/** Workers are shown one by one in at most this fraction of all rows. */
const WORKER_ROWS_RATIO = 1 / 8;
const BLANK_RANK = 50;

/** Returns the lines of the screen; they fit its rows and columns. */
export function frame(view: View, size: Size, hasColour: boolean): string[] {
  const { columns, rows } = size;
  const curves = view.history.curves(curveColumns(columns), view.nowMs);
  const blocks = [
    headBlock(view, columns),
    statusBlock(view, columns, curves.seconds),
    ...(view.stats === undefined ? [] : statBlocks(view.stats, curves, size)),
  ];
  const lines = selectBlocks(blocks, rows).flatMap((block) => block.lines);
  return lines.map((line) => paint(line, columns, hasColour));
}

function headBlock({ service, stats, trouble }: View, columns: number): Block {
  const address = addressOf(service);
  const lines =
    stats === undefined
      ? flow("", [[heading("ringcache")], [address]], columns)
      : titleLines(stats, address, trouble === undefined, columns);
  return { lines, rank: 0 };
}

/**
 * Whether the stats are current: their age and the reason if not, else the period of the curves.
 */
function statusBlock(view: View, columns: number, curveSeconds: number): Block {
  const { stats, trouble, hint } = view;
  if (trouble === undefined && stats !== undefined) {
    const text = hint === "" ? "" : `curves of ${age(curveSeconds)}  ${hint}`;
    return { lines: [[unit(text.padStart(columns))]], rank: BLANK_RANK };
  }
  const items: Line[] = [];
  if (trouble === undefined) items.push(["connecting"]);
  else {
    items.push([warning(`no stats from ${addressOf(view.service)}: retrying`)]);
    items.push([unit(`(${trouble})`)]);
  }
  if (stats !== undefined) {
    items.push([warning(`stats are ${age((view.nowMs - view.statsMs) / 1000)} old`)]);
  }
  return { lines: flow("", [...items, [unit(hint)]], columns), rank: 1 };
}

function statBlocks(stats: LiveStats, curves: Curves, { columns, rows }: Size): Block[] {
  const workers = workerLines(stats, columns, Math.max(1, Math.floor(rows * WORKER_ROWS_RATIO)));
  const hotKeys = hotKeyLines(stats, columns);
  const [first, more] = [hotKeys.slice(0, FIRST_HOT_KEYS + 1), hotKeys.slice(FIRST_HOT_KEYS + 1)];
  const blank = (): Block => ({ lines: [[]], rank: BLANK_RANK });
  return [
    { lines: [requestsLine(stats, curves)], rank: 2 },
    { lines: [hitRatioLine(stats, curves)], rank: 3 },
    { lines: latencyLines(stats, columns), rank: 6 },
    blank(),
    { lines: [memoryLine(stats, columns)], rank: 4 },
    { lines: memoryPartLines(stats, columns), rank: 10 },
    { lines: entryLines(stats, columns), rank: 5 },
    { lines: cachingLines(stats, columns), rank: 13 },
    blank(),
    { lines: processLines(stats, columns), rank: 11 },
    { lines: snapshotLines(stats, columns), rank: stats.snapshot.hasFailed ? 1 : 8 },
    { lines: workers, rank: 9 },
    { lines: shardLines(stats, columns), rank: 12 },
    blank(),
    { lines: first, rank: 7 },
    ...more.map((line, index) => ({ lines: [line], rank: BLANK_RANK + 1 + index })),
  ];
}

/** Returns the blocks that fit the rows, in the order of the screen. */
function selectBlocks(blocks: readonly Block[], rows: number): Block[] {
  let left = rows;
  const chosen = new Set<Block>();
  for (const block of blocks.toSorted((a, b) => a.rank - b.rank)) {
    left -= block.lines.length;
    if (left < 0) break;
    chosen.add(block);
  }
  return blocks.filter((block) => chosen.has(block));
}
