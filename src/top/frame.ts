// One frame: all lines of the screen at one moment. The most important lines are on every screen;
// a screen with more rows has more lines.

import type { LiveStats } from "../live/stats.ts";
import {
  curveColumns,
  cachingLines,
  entryLines,
  hitRatioLines,
  hotKeyLines,
  latencyLines,
  memoryLine,
  memoryPartLines,
  requestsLines,
  shardLines,
} from "./cache-lines.ts";
import type { Curves, History } from "./history.ts";
import { besides, flow, heading, type Line, paint, unit, warning } from "./line.ts";
import { addressOf } from "./options.ts";
import { age } from "./quantity.ts";
import {
  commandLines,
  errorLines,
  networkLines,
  processLines,
  snapshotLines,
  titleLines,
  upstreamLines,
  workerLines,
} from "./service-lines.ts";

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
  /** Whether the help is shown instead of the stats. */
  readonly isHelp?: boolean;
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
/** Rows of a curve on a screen with room. */
const CURVE_ROWS_MAX = 12;
/** From this width on, two tables are side by side. */
const WIDE_COLUMNS = 120;
const HELP_COLUMNS = 16;

/** Returns the lines of the screen; they fit its rows and columns. */
export function frame(view: View, size: Size, hasColour: boolean): string[] {
  const { columns, rows } = size;
  const lines = view.isHelp === true ? helpLines() : statLines(view, size);
  return lines.slice(0, rows).map((line) => paint(line, columns, hasColour));
}

function statLines(view: View, size: Size): Line[] {
  const { columns, rows } = size;
  const curves = view.history.curves(curveColumns(columns), view.nowMs);
  const blocksOf = (height: number): Block[] => [
    headBlock(view, columns),
    statusBlock(view, columns, curves.seconds),
    ...(view.stats === undefined ? [] : statBlocks(view.stats, curves, size, height)),
  ];
  const blocks = selectBlocks(blocksOf(1), rows);
  // The two curves share the rows that are left, once all blocks are on the screen.
  const left = rows - blocks.reduce((sum, block) => sum + block.lines.length, 0);
  const height = Math.min(CURVE_ROWS_MAX, 1 + Math.floor(left / 2));
  const chosen = height < 2 || rows === Infinity ? blocks : selectBlocks(blocksOf(height), rows);
  return chosen.flatMap((block) => block.lines);
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

function statBlocks(
  stats: LiveStats,
  curves: Curves,
  { columns, rows }: Size,
  height: number,
): Block[] {
  const workers = workerLines(stats, columns, Math.max(1, Math.floor(rows * WORKER_ROWS_RATIO)));
  const blank = (): Block => ({ lines: [[]], rank: BLANK_RANK });
  const upstream = upstreamLines(stats, columns);
  return [
    { lines: requestsLines(stats, curves, height), rank: 2 },
    { lines: hitRatioLines(stats, curves, height), rank: 3 },
    { lines: latencyLines(stats, columns), rank: 6 },
    { lines: errorLines(stats, columns), rank: 13 },
    blank(),
    { lines: [memoryLine(stats, columns)], rank: 4 },
    { lines: memoryPartLines(stats, columns), rank: 10 },
    { lines: entryLines(stats, columns), rank: 5 },
    { lines: cachingLines(stats, columns), rank: 14 },
    ...(upstream.length === 0 ? [] : [blank(), { lines: upstream, rank: 6.5 }]),
    blank(),
    { lines: processLines(stats, columns), rank: 11 },
    { lines: networkLines(stats, columns), rank: 15 },
    { lines: snapshotLines(stats, columns), rank: stats.snapshot.hasFailed ? 1 : 8 },
    { lines: workers, rank: 9 },
    { lines: shardLines(stats, columns), rank: 12 },
    blank(),
    ...tableBlocks(stats, columns),
  ];
}

/** Hot keys and commands: side by side on a wide screen, else one after the other. */
function tableBlocks(stats: LiveStats, columns: number): Block[] {
  const isWide = columns >= WIDE_COLUMNS;
  const half = Math.floor(columns / 2);
  const hotKeys = hotKeyLines(stats, isWide ? half - 2 : columns);
  const commands = commandLines(stats);
  const lines = isWide ? besides(hotKeys, commands, half) : hotKeys;
  const [first, more] = [lines.slice(0, FIRST_HOT_KEYS + 1), lines.slice(FIRST_HOT_KEYS + 1)];
  const last = BLANK_RANK + 1 + more.length;
  return [
    { lines: first, rank: 7 },
    ...more.map((line, index) => ({ lines: [line], rank: BLANK_RANK + 1 + index })),
    ...(isWide ? [] : [{ lines: [[], ...commands], rank: last }]),
  ];
}

/** The keys, and what the colours and curves mean. */
function helpLines(): Line[] {
  const rows: readonly (readonly [string, string])[] = [
    ["q, Ctrl-C", "quit"],
    ["?, h", "show or hide this help"],
    ["any other key", "back to the stats"],
    ["", ""],
    ["curves", "the last minutes, oldest at the left; at the right, the top"],
    ["yellow", "not serving, memory from 95 %, restarts, rejections, trouble"],
    ["errors", "responses that report an error; a miss is none"],
    ["count, error", "sampled reads of a hot key, and by how much that may be too high"],
    ["", ""],
    ["options", "`ringcache top --help` lists them"],
  ];
  return [
    [heading("ringcache top")],
    [],
    ...rows.map(([name, text]): Line => [heading(name.padEnd(HELP_COLUMNS)), text]),
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
