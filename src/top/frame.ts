// The whole screen for a moment: what matters most is there on any screen, and
// the rest comes with more rows.

import type { LiveStats } from "../live/stats.ts";
import {
  curveColumns,
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
  /** The last ones; undefined if there were none yet. */
  readonly stats: LiveStats | undefined;
  /** When they came, by the clock of `history`. */
  readonly statsMs: number;
  readonly history: History;
  readonly nowMs: number;
  /** Why there is no answer at present. */
  readonly trouble?: string | undefined;
  /** What a person may press, if the screen stays. */
  readonly hint: string;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Lines that stay together, or are left out together. */
interface Block {
  readonly lines: readonly Line[];
  /** Blocks get their rows in this order, lowest first, until one does not fit. */
  readonly rank: number;
}

/** Hot keys that come before the screen gets its blank lines. */
const FIRST_HOT_KEYS = 3;
/** Of all rows, so many at most show workers one by one: an eighth. */
const WORKER_ROWS = 1 / 8;
const BLANK_RANK = 50;

/** The lines of the screen, none wider and not more of them than fit. */
export function frame(view: View, size: Size, hasColour: boolean): string[] {
  const { columns, rows } = size;
  const curves = view.history.curves(curveColumns(columns), view.nowMs);
  const blocks = [
    headBlock(view, columns),
    statusBlock(view, columns, curves.seconds),
    ...(view.stats === undefined ? [] : statBlocks(view.stats, curves, size)),
  ];
  const lines = fitting(blocks, rows).flatMap((block) => block.lines);
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

/** What there is to say about the figures: that they are old, or what the curves are. */
function statusBlock(view: View, columns: number, curveSeconds: number): Block {
  const { stats, trouble, hint } = view;
  if (trouble === undefined && stats !== undefined) {
    const text = hint === "" ? "" : `curves of ${age(curveSeconds)}  ${hint}`;
    return { lines: [[unit(text.padStart(columns))]], rank: BLANK_RANK };
  }
  const items: Line[] = [];
  if (trouble === undefined) items.push(["connecting"]);
  else {
    items.push([warning(`no answer from ${addressOf(view.service)}: trying again`)]);
    items.push([unit(`(${trouble})`)]);
  }
  if (stats !== undefined) {
    items.push([warning(`figures are ${age((view.nowMs - view.statsMs) / 1000)} old`)]);
  }
  return { lines: flow("", [...items, [unit(hint)]], columns), rank: 1 };
}

function statBlocks(stats: LiveStats, curves: Curves, { columns, rows }: Size): Block[] {
  const workers = workerLines(stats, columns, Math.max(1, Math.floor(rows * WORKER_ROWS)));
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

/** The blocks that there are rows for, in the order of the screen. */
function fitting(blocks: readonly Block[], rows: number): Block[] {
  let left = rows;
  const chosen = new Set<Block>();
  for (const block of blocks.toSorted((a, b) => a.rank - b.rank)) {
    left -= block.lines.length;
    if (left < 0) break;
    chosen.add(block);
  }
  return blocks.filter((block) => chosen.has(block));
}
