// The runs of a shard's log, as the rows of the segment table describe them: read, and searched for one.
// A segment is the unit of allocation, a run is what log.ts allocates and frees.
// Guard of everything here: the shard's lock.

import { type Layout, NO_SEGMENT, type Queue } from "./layout.ts";

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

/**
 * The oldest closed run of the queue, or NO_SEGMENT. O(segments). A loop of its own: puts of 2,000 bytes
 * at the limit take 18 % more CPU time with a function of the run, as `deadest` has it.
 */
export function oldest(layout: Layout, queue: Queue): number {
  const newest = layout.field("stamp") << 1;
  const end = layout.field("everUsed");
  let found = NO_SEGMENT;
  let most = -1;
  for (let run = 0; run < end; run++) {
    if (layout.segment(run, "span") <= 0) continue;
    const stamped = layout.segment(run, "stamp");
    const runs = runsSince(newest, stamped);
    if ((stamped & 1) !== queue || runs <= most || !isClosed(layout, run)) continue;
    most = runs;
    found = run;
  }
  return found;
}

/** The closed run with the largest ratio of dead bytes, at least `minRatio`, or NO_SEGMENT. O(segments). */
export function deadest(layout: Layout, minRatio: number): number {
  const end = layout.field("everUsed");
  let found = NO_SEGMENT;
  let most = 0;
  for (let run = 0; run < end; run++) {
    if (layout.segment(run, "span") <= 0) continue;
    const dead = layout.segment(run, "dead") / layout.segment(run, "used");
    if (dead < minRatio || dead <= most || !isClosed(layout, run)) continue;
    most = dead;
    found = run;
  }
  return found;
}

/** A recently closed run of the queue that has room for a record of medium length, the tightest, or NO_SEGMENT. */
export function recentWithRoom(layout: Layout, queue: Queue, recordBytes: number): number {
  // A run that was closed has less room than a segment.
  if (isShort(layout, recordBytes) || recordBytes > layout.segmentBytes) return NO_SEGMENT;
  const newest = layout.field("stamp") << 1;
  const end = Math.min(layout.field("everUsed"), layout.field("logSegments"));
  let found = NO_SEGMENT;
  let least = layout.segmentBytes + 1;
  for (let run = 0; run < end; run++) {
    const span = layout.segment(run, "span");
    if (span <= 0 || runsSince(newest, layout.segment(run, "stamp")) >= RECENT_RUNS_MAX) continue;
    const room = roomIn(layout, run);
    if (room < recordBytes || room >= least || run + span > layout.field("logSegments")) continue;
    if (layout.queueOf(run) !== queue || !isClosed(layout, run)) continue;
    least = room;
    found = run;
  }
  return found;
}
