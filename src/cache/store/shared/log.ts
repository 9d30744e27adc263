// The log of a shard: records one after another in segments of equal size.
//
// Each queue of S3-FIFO has an open segment, whose end takes its new records. What is
// overwritten, deleted or expired stays where it is, marked dead and counted; a segment
// in which all is dead is free at once. A record longer than a segment has a run of
// adjacent ones, whose rest takes other records: below, "run" is what is allocated and
// freed, most often a single segment, and it is named by its first.
//
// The log knows nothing of keys: who moves records or throws them out is reclaim.ts.
// Guard of everything here: the shard's lock, in a write.

import { type Layout, NO_SEGMENT, type Queue, SMALL } from "./layout.ts";

/** Records from this part of a segment on look for room in runs that were closed of late. */
const MEDIUM_SHARE = 1 / 16;
/** The queue of a segment that is kept free. */
const HELD = 2;
/** How many runs of either queue back; more would be too old to take what is new. */
const RECENT_RUNS = 16;

/** An empty log, whatever there was before. O(segments). */
export function reset(layout: Layout): void {
  const everUsed = Math.min(layout.segments, layout.field("everUsed"));
  for (let index = 0; index < everUsed; index++) layout.setSegment(index, "span", 0);
  for (const field of ["freeHint", "usedBytes", "deadBytes", "smallBytes", "victimAt"] as const) {
    layout.setField(field, 0);
  }
  layout.setField("freeSegments", layout.field("logSegments"));
  for (const field of ["smallOpen", "mainOpen", "victim"] as const) {
    layout.setField(field, NO_SEGMENT);
  }
}

/**
 * Offset of `extent` free bytes in the queue, which now count as used and are to be written before
 * anything else happens; 0 if there is no run for them that leaves `spare` segments free.
 */
export function reserve(layout: Layout, queue: Queue, extent: number, spare: number): number {
  let run = openOf(layout, queue);
  if (run === NO_SEGMENT || roomIn(layout, run) < extent) {
    run = recentWithRoom(layout, queue, extent);
    if (run === NO_SEGMENT) run = openRun(layout, queue, extent, spare);
    if (run === NO_SEGMENT) return 0;
  }
  const at = endOf(layout, run);
  addUsed(layout, run, extent);
  return at;
}

/** Marks the record dead, and frees its run if that was the last live one. */
export function release(layout: Layout, record: number): void {
  const run = layout.segmentOf(record);
  countDead(layout, run, layout.extentAt(record));
  layout.markDead(record);
  if (isClosed(layout, run) && isDead(layout, run)) free(layout, run);
}

/**
 * Makes the record's place exactly `extent` bytes long if it can: what it has, the dead bytes behind
 * it and, for the last one of a run, the rest of it must be enough. What is left over becomes dead,
 * or free at the end of the run. The caller writes the record anew.
 */
export function refit(layout: Layout, record: number, extent: number): boolean {
  const run = layout.segmentOf(record);
  const end = endOf(layout, run);
  const had = layout.extentAt(record);
  let room = had;
  while (room < extent && record + room < end && layout.isDead(record + room)) {
    room += layout.extentAt(record + room);
  }
  const isLast = record + room === end;
  if (room < extent && !(isLast && room + roomIn(layout, run) >= extent)) return false;
  countDead(layout, run, had - room);
  if (isLast) {
    addUsed(layout, run, extent - room);
    giveBackRest(layout, run);
  } else if (room > extent) {
    layout.writeFiller(record + extent, room - extent);
    countDead(layout, run, room - extent);
  }
  return true;
}

/** Makes bytes at the end of what `reserve` returned dead, for the record before them to grow into. */
export function leaveSlack(layout: Layout, at: number, bytes: number): void {
  layout.writeFiller(at, bytes);
  countDead(layout, layout.segmentOf(at), bytes);
}

/** Gives the run's segments back. Nothing live may be in it. */
export function free(layout: Layout, run: number): void {
  addUsed(layout, run, -layout.segment(run, "used"));
  countDead(layout, run, -layout.segment(run, "dead"));
  const end = run + layout.segment(run, "span");
  for (let index = run; index < end; index++) layout.setSegment(index, "span", 0);
  const inLog = Math.max(0, Math.min(end, layout.field("logSegments")) - run);
  layout.addToField("freeSegments", inLog);
  layout.setField("freeHint", Math.min(layout.field("freeHint"), run));
}

/** Puts the run at the end of the queue as it is. */
export function requeue(layout: Layout, run: number, queue: Queue): void {
  const used = layout.segment(run, "used");
  addUsed(layout, run, -used);
  layout.setSegment(run, "queue", queue);
  addUsed(layout, run, used);
  stamp(layout, run);
}

/** No longer opens, cleans or evicts the run: it is closed. */
export function close(layout: Layout, run: number): void {
  for (const field of ["smallOpen", "mainOpen", "victim"] as const) {
    if (layout.field(field) === run) layout.setField(field, NO_SEGMENT);
  }
}

/** Leaves the log its first `segments`; what lies behind them is to be vacated by the caller. */
export function shrink(layout: Layout, segments: number): void {
  for (let index = segments; index < layout.field("logSegments"); index++) {
    if (layout.segment(index, "span") === 0) layout.addToField("freeSegments", -1);
  }
  // Of a run that reaches over the new end, `free` gives back the part before it.
  layout.setField("logSegments", segments);
}

/** Offset behind the run's last record; its first is at `layout.segmentStart(run)`. */
export function endOf(layout: Layout, run: number): number {
  return layout.segmentStart(run) + layout.segment(run, "used");
}

/** The closed run of the queue that has been in it for longest, or NO_SEGMENT. O(segments). */
export function oldest(layout: Layout, queue: Queue): number {
  return bestClosed(layout, (run) =>
    layout.segment(run, "queue") === queue ? age(layout, run) : -1,
  );
}

/**
 * The closed run with the largest part of dead bytes, of `share` at least, or NO_SEGMENT. One that
 * begins with a live record longer than a segment has little else, and that is not moved. O(segments).
 */
export function deadest(layout: Layout, share: number): number {
  return bestClosed(layout, (run) => {
    const isLong = layout.segment(run, "span") > 1;
    if (isLong && !layout.isDead(layout.segmentStart(run))) return -1;
    const dead = layout.segment(run, "dead") / layout.segment(run, "used");
    return dead < share ? -1 : dead;
  });
}

/** Segments from `first` up to `end`. */
export interface Window {
  readonly first: number;
  readonly end: number;
}

/** `span` adjacent segments with the fewest live bytes, or more so that no run reaches out. O(segments). */
export function cheapestWindow(layout: Layout, span: number): Window {
  let best: Window = { first: 0, end: 0 };
  let least = Infinity;
  let first = 0;
  let cost = 0;
  for (let end = 0; end < layout.field("logSegments");) {
    cost += liveBytes(layout, end);
    end += spanAt(layout, end);
    while (end - first >= span) {
      if (cost < least) {
        least = cost;
        best = { first, end };
      }
      cost -= liveBytes(layout, first);
      first += spanAt(layout, first);
    }
  }
  return best;
}

/** Takes the window's free segments out of use until `release`. */
export function hold(layout: Layout, { first, end }: Window): void {
  for (let index = first; index < end; index += spanAt(layout, index)) {
    if (layout.segment(index, "span") !== 0) continue;
    for (const name of ["used", "dead"] as const) layout.setSegment(index, name, 0);
    layout.setSegment(index, "queue", HELD);
    layout.setSegment(index, "span", 1);
    layout.addToField("freeSegments", -1);
  }
}

/** Gives back what `hold` took. */
export function letGo(layout: Layout, { first, end }: Window): void {
  for (let index = first; index < end; index += spanAt(layout, index)) {
    if (layout.segment(index, "queue") === HELD && layout.segment(index, "span") === 1) {
      free(layout, index);
    }
  }
}

/** The runs in use that begin in the window. */
export function runsIn(layout: Layout, { first, end }: Window): number[] {
  return [...runs(layout)].filter((run) => run >= first && run < end);
}

/** The runs that reach past the first `segments`. */
export function runsBehind(layout: Layout, segments: number): number[] {
  return [...runs(layout)].filter((run) => run + layout.segment(run, "span") > segments);
}

/** The runs in use, in the order of their addresses. */
export function* runs(layout: Layout): Generator<number> {
  for (let index = 0; index < layout.field("everUsed"); index++) {
    if (layout.segment(index, "span") > 0) yield index;
  }
}

function roomIn(layout: Layout, run: number): number {
  const capacity = layout.segment(run, "span") * layout.segmentBytes;
  return capacity - layout.segment(run, "used");
}

/** Opens the free run with the lowest address, so that memory stays dense. */
function openRun(layout: Layout, queue: Queue, extent: number, spare: number): number {
  const span = Math.ceil(extent / layout.segmentBytes);
  if (layout.field("freeSegments") < span + spare) return NO_SEGMENT;
  const first = findFree(layout, span);
  if (first === NO_SEGMENT) return NO_SEGMENT;
  layout.addToField("freeSegments", -span);
  layout.setField("everUsed", Math.max(layout.field("everUsed"), first + span));
  for (let index = 1; index < span; index++) layout.setSegment(first + index, "span", -index);
  layout.setSegment(first, "span", span);
  layout.setSegment(first, "used", 0);
  layout.setSegment(first, "dead", 0);
  layout.setSegment(first, "queue", queue);
  stamp(layout, first);
  const before = openOf(layout, queue);
  // What has more room left stays open: a long record must not close a segment that is nearly empty.
  if (before === NO_SEGMENT || roomIn(layout, before) <= span * layout.segmentBytes - extent) {
    layout.setField(OPEN[queue], first);
    if (before !== NO_SEGMENT && isDead(layout, before)) free(layout, before);
  }
  return first;
}

function findFree(layout: Layout, span: number): number {
  let free = 0;
  let isFirst = true;
  for (let index = layout.field("freeHint"); index < layout.field("logSegments"); index++) {
    if (layout.segment(index, "span") !== 0) {
      free = 0;
      continue;
    }
    if (isFirst) layout.setField("freeHint", index);
    isFirst = false;
    if (++free === span) return index - span + 1;
  }
  return NO_SEGMENT;
}

/** A run of the queue, closed of late, that has room for a record of medium length, or NO_SEGMENT. */
function recentWithRoom(layout: Layout, queue: Queue, extent: number): number {
  if (extent < layout.segmentBytes * MEDIUM_SHARE || extent > layout.segmentBytes) {
    return NO_SEGMENT;
  }
  return bestClosed(layout, (run) => {
    const isRecent = age(layout, run) < RECENT_RUNS && layout.segment(run, "queue") === queue;
    const isInLog = run + layout.segment(run, "span") <= layout.field("logSegments");
    const room = roomIn(layout, run);
    // The tightest.
    return isRecent && isInLog && room >= extent ? layout.segmentBytes - room : -1;
  });
}

function bestClosed(layout: Layout, worth: (run: number) => number): number {
  let best = NO_SEGMENT;
  let most = -1;
  for (let run = 0; run < layout.field("everUsed"); run += spanAt(layout, run)) {
    if (layout.segment(run, "span") === 0 || !isClosed(layout, run)) continue;
    const value = worth(run);
    if (value > most) {
      most = value;
      best = run;
    }
  }
  return best;
}

/** Neither written to nor being reclaimed. */
function isClosed(layout: Layout, run: number): boolean {
  return (
    run !== layout.field("smallOpen") &&
    run !== layout.field("mainOpen") &&
    run !== layout.field("victim")
  );
}

const OPEN = ["smallOpen", "mainOpen"] as const;

/** The run that the queue's new records go to, or NO_SEGMENT. */
export function openOf(layout: Layout, queue: Queue): number {
  return layout.field(OPEN[queue]);
}

/** Segments to the next run or free segment. */
function spanAt(layout: Layout, segment: number): number {
  return Math.max(1, layout.segment(segment, "span"));
}

function liveBytes(layout: Layout, segment: number): number {
  if (layout.segment(segment, "span") === 0) return 0;
  return layout.segment(segment, "used") - layout.segment(segment, "dead");
}

/** Runs that have been queued since; stamps wrap, but their distance from the newest one does not. */
export function age(layout: Layout, run: number): number {
  return (layout.field("stamp") - layout.segment(run, "stamp")) >>> 0;
}

function stamp(layout: Layout, run: number): void {
  layout.addToField("stamp", 1);
  layout.setSegment(run, "stamp", layout.field("stamp"));
}

function isDead(layout: Layout, run: number): boolean {
  return layout.segment(run, "dead") === layout.segment(run, "used");
}

/** Frees the segments that the run no longer reaches. */
function giveBackRest(layout: Layout, run: number): void {
  const span = layout.segment(run, "span");
  const needed = Math.ceil(layout.segment(run, "used") / layout.segmentBytes);
  if (needed === span) return;
  for (let index = run + needed; index < run + span; index++) {
    layout.setSegment(index, "span", 0);
    if (index < layout.field("logSegments")) layout.addToField("freeSegments", 1);
  }
  layout.setSegment(run, "span", needed);
  layout.setField("freeHint", Math.min(layout.field("freeHint"), run + needed));
}

function addUsed(layout: Layout, run: number, bytes: number): void {
  layout.addToSegment(run, "used", bytes);
  layout.addToField("usedBytes", bytes);
  if (layout.segment(run, "queue") === SMALL) layout.addToField("smallBytes", bytes);
}

function countDead(layout: Layout, run: number, bytes: number): void {
  layout.addToSegment(run, "dead", bytes);
  layout.addToField("deadBytes", bytes);
}
