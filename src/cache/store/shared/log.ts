// The log of a shard: records one after another in runs of adjacent segments.
//
//   segment: the unit of allocation.   run: what is allocated and freed, named by its first segment.
//
//   short record   ≤ 1/16 of a usual run: a run of `runSegments`
//   medium record  up to `longBytes`: a run in which several of this length leave little room
//   long record    a run of its own, of as many segments as it needs
//
// Each queue of S3-FIFO has an open run, whose end takes its new records. A run that is closed
// gives back the segments that it does not reach. What is overwritten, deleted or expired stays
// where it is, marked dead and counted; a run in which all is dead is free at once.
//
// In shards of 8 MiB and more a segment is an eighth of a usual run: 4 KiB of 32, or 8 of 64. Keys and
// values of 36,000 bytes fill 97 % of 64 MiB so, of 20,000 bytes 96 %. With segments as long as a usual
// run they fill 54 and 60 %. Rows of 20 bytes a segment take 0.5 % of the log.
//
// The log knows nothing of keys: compact.ts moves runs, reclaim.ts moves and evicts records.
// Guard of everything here: the shard's lock, in a write.

import {
  DEAD,
  FILLER,
  type Layout,
  NO_SEGMENT,
  type Queue,
  ROW,
  ROW_WORDS,
  SMALL,
} from "./layout.ts";
import * as runs from "./runs.ts";

/** The fraction of a run that medium records of one length may leave empty, if such a run exists. */
const WASTE_RATIO_MAX = 1 / 10;
/** The most segments of a run of medium records, in units of the longest one. */
const MEDIUM_RUN_MAX = 2;
/**
 * The least number of such runs in a log. In a shard of 20 KB, runs of eight segments are a tenth of the log:
 * with 100 B values and room for 1 % of the keys, web12 has 39.5 % hits so, and 41.3 % with this limit.
 */
const MEDIUM_RUNS_MIN = 32;
/** Fields that name a run. */
const RUN_FIELDS = ["smallOpen", "mainOpen", "victim", "fresh"] as const;

const FIELDS_OF_LOG = [
  "freeHint",
  "usedBytes",
  "deadBytes",
  "smallBytes",
  "victimAt",
  "meanBytes",
  "mainBorn",
  "youngReturns",
] as const;

/** Empties the log, in whatever state it is. O(segments). */
export function reset(layout: Layout): void {
  const everUsed = Math.min(layout.segments, layout.field("everUsed"));
  for (let index = 0; index < everUsed; index++) layout.setSegment(index, "span", 0);
  for (const field of FIELDS_OF_LOG) layout.setField(field, 0);
  layout.setField("freeSegments", layout.field("logSegments"));
  for (const field of RUN_FIELDS) layout.setField(field, NO_SEGMENT);
}

/** Segments that `recordBytes` bytes need. */
export function spanOf(layout: Layout, recordBytes: number): number {
  return Math.ceil(recordBytes / layout.segmentBytes) | 0;
}

/** Segments of a run that is opened for records of this length. */
export function runSpanOf(layout: Layout, recordBytes: number): number {
  const { segmentBytes, runSegments, longBytes } = layout;
  if (runs.isShort(layout, recordBytes)) return runSegments;
  const least = spanOf(layout, recordBytes);
  if (recordBytes > longBytes) return least;
  let best = least;
  let leastWaste = 1;
  const shortest = Math.max(least, runSegments);
  const most = Math.min(
    (MEDIUM_RUN_MAX * longBytes) / segmentBytes,
    Math.max(shortest, layout.segments / MEDIUM_RUNS_MIN),
  );
  for (let span = shortest; span <= most; span++) {
    const waste = ((span * segmentBytes) % recordBytes) / (span * segmentBytes);
    if (waste >= leastWaste) continue;
    best = span;
    leastWaste = waste;
    if (waste <= WASTE_RATIO_MAX) break;
  }
  return best;
}

/**
 * Returns the offset of `recordBytes` free bytes in the queue, or 0 if no run for them leaves `spare`
 * segments free. The bytes count as used, and the caller writes them before any other call.
 */
export function allocate(layout: Layout, queue: Queue, recordBytes: number, spare: number): number {
  const isLong = recordBytes > layout.longBytes;
  let run = isLong ? NO_SEGMENT : runs.openOf(layout, queue);
  if (run === NO_SEGMENT || runs.roomIn(layout, run) < recordBytes) {
    run = isLong ? NO_SEGMENT : runs.recentWithRoom(layout, queue, recordBytes);
    if (run === NO_SEGMENT) run = openRun(layout, queue, recordBytes, spare);
    if (run === NO_SEGMENT) return 0;
  }
  const at = runs.endOf(layout, run);
  addUsed(layout, run, recordBytes);
  return at;
}

/** Marks the record dead, and frees its run if that was the last live one. */
export function markDead(layout: Layout, record: number): void {
  const run = layout.segmentOf(record);
  countDead(layout, run, layout.recordBytesAt(record));
  layout.markDead(record);
  if (isDead(layout, run) && runs.isClosed(layout, run)) free(layout, run);
}

/**
 * Resizes the record to exactly `recordBytes` bytes if its bytes, the dead bytes behind it and, for the
 * last record of a run, the rest of the run are enough. Bytes left over become dead, or free at the end
 * of the run. The caller writes the record again.
 */
export function refit(layout: Layout, record: number, recordBytes: number): boolean {
  const run = layout.segmentOf(record);
  const end = runs.endOf(layout, run);
  const had = layout.recordBytesAt(record);
  let room = had;
  while (room < recordBytes && record + room < end && layout.isDead(record + room)) {
    room += layout.recordBytesAt(record + room);
  }
  const isLast = record + room === end;
  if (room < recordBytes && !(isLast && room + runs.roomIn(layout, run) >= recordBytes))
    return false;
  countDead(layout, run, had - room);
  if (isLast) {
    addUsed(layout, run, recordBytes - room);
    if (!runs.isOpen(layout, run)) giveBackRest(layout, run);
  } else if (room > recordBytes) {
    writeFiller(layout, record + recordBytes, room - recordBytes);
    countDead(layout, run, room - recordBytes);
  }
  return true;
}

/** Marks bytes at the end of an allocation as dead, so that the record before them can grow into them. */
export function leaveSlack(layout: Layout, at: number, bytes: number): void {
  writeFiller(layout, at, bytes);
  countDead(layout, layout.segmentOf(at), bytes);
}

/** Marks `recordBytes` bytes, a positive multiple of 8, as dead bytes that no slot refers to. */
function writeFiller(layout: Layout, at: number, recordBytes: number): void {
  layout.words[at >> 2] = FILLER | DEAD;
  layout.words[(at >> 2) + 1] = recordBytes;
}

/** Frees the run's segments. It must have no live record. */
export function free(layout: Layout, run: number): void {
  addUsed(layout, run, -layout.segment(run, "used"));
  countDead(layout, run, -layout.segment(run, "dead"));
  giveBack(layout, run, run + layout.segment(run, "span"));
}

/** Cuts the run after its first `bytes`; the bytes behind them must be dead. */
export function trim(layout: Layout, run: number, bytes: number): void {
  const dead = layout.segment(run, "used") - bytes;
  addUsed(layout, run, -dead);
  countDead(layout, run, -dead);
  giveBackRest(layout, run);
}

/** Puts the run at the end of the queue as it is. */
export function requeue(layout: Layout, run: number, queue: Queue): void {
  const used = layout.segment(run, "used");
  addUsed(layout, run, -used);
  stamp(layout, run, queue);
  addUsed(layout, run, used);
}

/** Closes the run: it is neither open nor the victim any more. */
export function close(layout: Layout, run: number): void {
  for (const field of ["smallOpen", "mainOpen", "victim"] as const) {
    if (layout.field(field) === run) layout.setField(field, NO_SEGMENT);
  }
}

/** Renames the run to another first segment, to which its bytes have been copied; the two may overlap. */
export function rename(layout: Layout, run: number, to: number): void {
  const span = layout.segment(run, "span");
  const used = layout.segment(run, "used");
  const dead = layout.segment(run, "dead");
  const stamped = layout.segment(run, "stamp");
  const born = layout.segment(run, "born");
  giveBack(layout, run, run + span);
  takeSegments(layout, to, span);
  layout.setSegment(to, "used", used);
  layout.setSegment(to, "dead", dead);
  layout.setSegment(to, "stamp", stamped);
  layout.setSegment(to, "born", born);
  if (layout.field("victim") === run) {
    layout.addToField("victimAt", layout.segmentStart(to) - layout.segmentStart(run));
  }
  for (const field of RUN_FIELDS) if (layout.field(field) === run) layout.setField(field, to);
}

/** Shrinks the log to its first `segments`; the caller moves the runs behind them. */
export function shrink(layout: Layout, segments: number): void {
  for (let index = segments; index < layout.field("logSegments"); index++) {
    if (layout.segment(index, "span") === 0) layout.addToField("freeSegments", -1);
  }
  // Of a run that reaches over the new end, `giveBack` counts the part before it.
  layout.setField("logSegments", segments);
}

/**
 * The first segment of a hole for `least` to `most` segments, or NO_SEGMENT. For a record that needs
 * all of them the tightest hole; else the lowest of `most`, and where there is none the longest.
 * O(segments).
 */
export function findHole(layout: Layout, least: number, most: number): number {
  const { words, tableWord } = layout;
  const isExact = least === most;
  const end = layout.field("logSegments");
  let found = NO_SEGMENT;
  let foundLength = 0;
  let isFirst = true;
  for (let index = layout.field("freeHint"); index < end;) {
    const span = words[tableWord + index * ROW_WORDS + ROW.span] as number;
    if (span !== 0) {
      index += Math.max(1, span);
      continue;
    }
    const length = freeFrom(layout, index, isExact ? end : most);
    if (isFirst) layout.setField("freeHint", index);
    isFirst = false;
    const isBetter = isExact ? found === NO_SEGMENT || length < foundLength : length > foundLength;
    if (length >= least && isBetter) {
      found = index;
      foundLength = length;
      if (length === most) break;
    }
    index += length;
  }
  return found;
}

/** Free segments from this one on, `most` at most. */
export function freeFrom(layout: Layout, first: number, most: number): number {
  const end = Math.min(layout.field("logSegments"), first + most);
  const everUsed = layout.field("everUsed");
  let index = first;
  while (index < end && index < everUsed && layout.segment(index, "span") === 0) index++;
  return (index < everUsed ? index : end) - first;
}

/** The runs that reach past the first `segments`. */
export function runsBehind(layout: Layout, segments: number): number[] {
  return [...runs.runs(layout)].filter((run) => run + layout.segment(run, "span") > segments);
}

/** Opens a run in the hole with the lowest address, so that memory stays dense. */
function openRun(layout: Layout, queue: Queue, recordBytes: number, spare: number): number {
  const least = spanOf(layout, recordBytes);
  const most = Math.min(runSpanOf(layout, recordBytes), layout.field("freeSegments") - spare);
  if (most < least) return NO_SEGMENT;
  const first = findHole(layout, least, most);
  if (first === NO_SEGMENT) return NO_SEGMENT;
  const span = freeFrom(layout, first, most);
  takeSegments(layout, first, span);
  layout.setSegment(first, "used", 0);
  layout.setSegment(first, "dead", 0);
  stamp(layout, first, queue);
  const before = runs.openOf(layout, queue);
  // What has more room left stays open: a long record must not close a run that is nearly empty.
  if (
    before === NO_SEGMENT ||
    runs.roomIn(layout, before) <= span * layout.segmentBytes - recordBytes
  ) {
    layout.setField(queue === SMALL ? "smallOpen" : "mainOpen", first);
    if (before === NO_SEGMENT) return first;
    if (isDead(layout, before)) free(layout, before);
    else giveBackRest(layout, before);
  }
  return first;
}

function takeSegments(layout: Layout, first: number, span: number): void {
  layout.addToField("freeSegments", -span);
  layout.setField("everUsed", Math.max(layout.field("everUsed"), first + span));
  for (let index = 1; index < span; index++) layout.setSegment(first + index, "span", -index);
  layout.setSegment(first, "span", span);
}

/** Frees the segments from `first` up to `end`. */
function giveBack(layout: Layout, first: number, end: number): void {
  for (let index = first; index < end; index++) layout.setSegment(index, "span", 0);
  const inLog = Math.min(end, layout.field("logSegments")) - first;
  layout.addToField("freeSegments", Math.max(0, inLog));
  layout.setField("freeHint", Math.min(layout.field("freeHint"), first));
}

function stamp(layout: Layout, run: number, queue: Queue): void {
  layout.addToField("stamp", 1);
  layout.setSegment(run, "stamp", (layout.field("stamp") << 1) | queue);
  layout.setSegment(run, "born", layout.field("ghostClock"));
}

function isDead(layout: Layout, run: number): boolean {
  return layout.segment(run, "dead") === layout.segment(run, "used");
}

/** Frees the segments that the run no longer reaches. */
function giveBackRest(layout: Layout, run: number): void {
  const span = layout.segment(run, "span");
  const needed = spanOf(layout, layout.segment(run, "used"));
  if (needed === span) return;
  layout.setSegment(run, "span", needed);
  giveBack(layout, run + needed, run + span);
}

function addUsed(layout: Layout, run: number, bytes: number): void {
  layout.addToSegment(run, "used", bytes);
  layout.addToField("usedBytes", bytes);
  if (layout.queueOf(run) === SMALL) layout.addToField("smallBytes", bytes);
}

function countDead(layout: Layout, run: number, bytes: number): void {
  layout.addToSegment(run, "dead", bytes);
  layout.addToField("deadBytes", bytes);
}
