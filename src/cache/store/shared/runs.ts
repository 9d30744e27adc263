// The runs of a shard's log, as the rows of the segment table describe them: read, and searched for one.
// A segment is the unit of allocation, a run is what log.ts allocates and frees.
// Guard of everything here: the shard's lock.

import { type Layout, NO_SEGMENT, type Queue, ROW, ROW_WORDS } from "./layout.ts";

/** Records of at most this fraction of a usual run are short. */
const SHORT_RECORD_RATIO = 1 / 16;
/** Only the latest 16 runs of both queues take new records: older ones are too near to eviction. */
const RECENT_RUNS_MAX = 16;
const OPEN = ["smallOpen", "mainOpen"] as const;

/** The runs in use, in the order of their addresses. */
export function* runs(layout: Layout): Generator<number> {
  for (let index = 0; index < layout.field("everUsed"); index += spanAt(layout, index)) {
    if (layout.segment(index, "span") > 0) yield index;
  }
}

/** Segments to the next run or free segment. */
export function spanAt(layout: Layout, segment: number): number {
  return Math.max(1, layout.segment(segment, "span"));
}

/** Offset behind the run's last record; its first is at `layout.segmentStart(run)`. */
export function endOf(layout: Layout, run: number): number {
  return layout.segmentStart(run) + layout.segment(run, "used");
}

export function roomIn(layout: Layout, run: number): number {
  const capacity = layout.segment(run, "span") * layout.segmentBytes;
  return capacity - layout.segment(run, "used");
}

export function isShort(layout: Layout, recordBytes: number): boolean {
  return recordBytes <= layout.runSegments * layout.segmentBytes * SHORT_RECORD_RATIO;
}

/** The open run of the queue, which takes its new records, or NO_SEGMENT. */
export function openOf(layout: Layout, queue: Queue): number {
  return layout.field(OPEN[queue]);
}

export function isOpen(layout: Layout, run: number): boolean {
  return run === layout.field("smallOpen") || run === layout.field("mainOpen");
}

/** Neither written to nor being reclaimed. */
export function isClosed(layout: Layout, run: number): boolean {
  return !isOpen(layout, run) && run !== layout.field("victim") && run !== layout.field("fresh");
}

/** Runs that were queued after this one. */
export function age(layout: Layout, run: number): number {
  return runsSince(layout.field("stamp") << 1, layout.segment(run, "stamp"));
}

/** Stamps wrap, but their distance from the newest stamp stays right. */
function runsSince(newest: number, stamped: number): number {
  return (newest - (stamped & ~1)) >>> 1;
}

// The searches read the words of the rows themselves, and are loops of their own: puts of 2,000 bytes at the
// limit take 1.33 x the CPU time where `oldest` and `recentWithRoom` read the rows by layout.segment.

/** The oldest closed run of the queue, or NO_SEGMENT. O(segments). */
export function oldest(layout: Layout, queue: Queue): number {
  const { words, tableWord } = layout;
  const newest = layout.field("stamp") << 1;
  const end = tableWord + layout.field("everUsed") * ROW_WORDS;
  let found = NO_SEGMENT;
  let most = -1;
  for (let row = tableWord; row < end; row += ROW_WORDS) {
    if ((words[row + ROW.span] as number) <= 0) continue;
    const stamped = words[row + ROW.stamp] as number;
    const runs = runsSince(newest, stamped);
    if ((stamped & 1) !== queue || runs <= most) continue;
    const run = (row - tableWord) / ROW_WORDS;
    if (!isClosed(layout, run)) continue;
    most = runs;
    found = run;
  }
  return found;
}

/** The closed run with the largest ratio of dead bytes, at least `minRatio`, or NO_SEGMENT. O(segments). */
export function deadest(layout: Layout, minRatio: number): number {
  const { words, tableWord } = layout;
  const end = tableWord + layout.field("everUsed") * ROW_WORDS;
  let found = NO_SEGMENT;
  let most = 0;
  for (let row = tableWord; row < end; row += ROW_WORDS) {
    if ((words[row + ROW.span] as number) <= 0) continue;
    const dead = (words[row + ROW.dead] as number) / (words[row + ROW.used] as number);
    if (dead < minRatio || dead <= most) continue;
    const run = (row - tableWord) / ROW_WORDS;
    if (!isClosed(layout, run)) continue;
    most = dead;
    found = run;
  }
  return found;
}

/** A recently closed run of the queue that has room for a record of medium length, the tightest, or NO_SEGMENT. */
export function recentWithRoom(layout: Layout, queue: Queue, recordBytes: number): number {
  // A run that was closed has less room than a segment.
  if (isShort(layout, recordBytes) || recordBytes > layout.segmentBytes) return NO_SEGMENT;
  const { words, tableWord, segmentBytes } = layout;
  const newest = layout.field("stamp") << 1;
  const segments = Math.min(layout.field("everUsed"), layout.field("logSegments"));
  const end = tableWord + segments * ROW_WORDS;
  let found = NO_SEGMENT;
  let least = segmentBytes + 1;
  for (let row = tableWord; row < end; row += ROW_WORDS) {
    const span = words[row + ROW.span] as number;
    if (span <= 0) continue;
    const stamped = words[row + ROW.stamp] as number;
    if ((stamped & 1) !== queue || runsSince(newest, stamped) >= RECENT_RUNS_MAX) continue;
    const room = span * segmentBytes - (words[row + ROW.used] as number);
    if (room < recordBytes || room >= least) continue;
    const run = (row - tableWord) / ROW_WORDS;
    if (run + span > layout.field("logSegments") || !isClosed(layout, run)) continue;
    least = room;
    found = run;
  }
  return found;
}
