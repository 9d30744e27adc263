// The log of a shard: records one after another in segments of equal size.
//
// New records go to the end of the open segment. What is overwritten, deleted or
// expired stays where it is, marked dead and counted; a segment in which all is
// dead is free at once. A record longer than a segment has a run of adjacent ones,
// whose rest takes other records: below, "run" is what is allocated and freed,
// most often a single segment, and it is named by its first.
//
// The log knows nothing of keys: who moves records or throws them out is
// SharedShard. Guard of everything here: the shard's lock, in a write.

import { type Layout, NO_SEGMENT } from "./layout.ts";

/** A run is worth cleaning, and a log needs it, from this part of dead bytes on. */
const DEAD_SHARE = 1 / 4;

/** An empty log, whatever there was before. O(segments). */
export function reset(layout: Layout): void {
  const everUsed = Math.min(layout.segments, layout.field("everUsed"));
  for (let index = 0; index < everUsed; index++) layout.setSegment(index, "span", 0);
  for (const field of ["freeHint", "usedBytes", "deadBytes", "victimAt"] as const) {
    layout.setField(field, 0);
  }
  layout.setField("openSegment", NO_SEGMENT);
  layout.setField("victim", NO_SEGMENT);
}

/** Offset of `extent` free bytes, which now count as used; 0 if no run of segments is free. */
export function reserve(layout: Layout, extent: number): number {
  let open = layout.field("openSegment");
  if (open === NO_SEGMENT || roomIn(layout, open) < extent) {
    open = openRun(layout, Math.ceil(extent / layout.segmentBytes));
    if (open === NO_SEGMENT) return 0;
  }
  const at = layout.segmentStart(open) + layout.segment(open, "used");
  layout.addToSegment(open, "used", extent);
  layout.addToField("usedBytes", extent);
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
 * Makes the record's place exactly `extent` bytes long if it can: what it has and the dead
 * bytes behind it must be enough. What is left over becomes dead. The caller writes the record anew.
 */
export function refit(layout: Layout, record: number, extent: number): boolean {
  const run = layout.segmentOf(record);
  const end = endOf(layout, run);
  const had = layout.extentAt(record);
  let room = had;
  while (room < extent && record + room < end && layout.isDead(record + room)) {
    room += layout.extentAt(record + room);
  }
  if (room < extent) return false;
  if (room > extent) layout.writeFiller(record + extent, room - extent);
  countDead(layout, run, had - extent);
  return true;
}

/** Gives the run's segments back. Nothing live may be in it. */
export function free(layout: Layout, run: number): void {
  layout.addToField("usedBytes", -layout.segment(run, "used"));
  layout.addToField("deadBytes", -layout.segment(run, "dead"));
  const span = layout.segment(run, "span");
  for (let index = run; index < run + span; index++) layout.setSegment(index, "span", 0);
  layout.setField("freeHint", Math.min(layout.field("freeHint"), run));
}

/** Offset behind the run's last record; its first is at `layout.segmentStart(run)`. */
export function endOf(layout: Layout, run: number): number {
  return layout.segmentStart(run) + layout.segment(run, "used");
}

/** Shows each live record from `start` on, through `budget` bytes at least; answers where it ended. */
export function eachLive(
  layout: Layout,
  start: number,
  end: number,
  budget: number,
  visit: (record: number) => void,
): number {
  let record = start;
  while (record < end && record - start < budget) {
    const next = record + layout.extentAt(record);
    if (!layout.isDead(record)) visit(record);
    record = next;
  }
  return record;
}

/** The closed run that was opened first, or NO_SEGMENT. O(segments). */
export function oldest(layout: Layout): number {
  const now = layout.field("stamp");
  // Stamps wrap; their distance from the newest one does not.
  return bestClosed(layout, (run) => (now - layout.segment(run, "stamp")) >>> 0);
}

/** The closed run with most to gain from cleaning, or NO_SEGMENT if none is needed. O(segments). */
export function deadest(layout: Layout): number {
  if (layout.field("deadBytes") < layout.field("usedBytes") * DEAD_SHARE) return NO_SEGMENT;
  return bestClosed(layout, (run) => {
    const share = layout.segment(run, "dead") / layout.segment(run, "used");
    return share < DEAD_SHARE ? -1 : share;
  });
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

/** Opens the free run of `span` segments with the lowest address, so that memory stays dense. */
function openRun(layout: Layout, span: number): number {
  const first = findFree(layout, span);
  if (first === NO_SEGMENT) return NO_SEGMENT;
  const before = layout.field("openSegment");
  layout.setField("openSegment", first);
  if (before !== NO_SEGMENT && isDead(layout, before)) free(layout, before);
  layout.setField("everUsed", Math.max(layout.field("everUsed"), first + span));
  for (let index = 1; index < span; index++) layout.setSegment(first + index, "span", -index);
  layout.setSegment(first, "span", span);
  layout.setSegment(first, "used", 0);
  layout.setSegment(first, "dead", 0);
  layout.addToField("stamp", 1);
  layout.setSegment(first, "stamp", layout.field("stamp"));
  return first;
}

function findFree(layout: Layout, span: number): number {
  let free = 0;
  let isFirst = true;
  for (let index = layout.field("freeHint"); index < layout.segments; index++) {
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

function bestClosed(layout: Layout, worth: (run: number) => number): number {
  let best = NO_SEGMENT;
  let most = -1;
  for (const run of runs(layout)) {
    if (!isClosed(layout, run)) continue;
    const value = worth(run);
    if (value > most) {
      most = value;
      best = run;
    }
  }
  return best;
}

/** Neither written to nor being cleaned. */
function isClosed(layout: Layout, run: number): boolean {
  return run !== layout.field("openSegment") && run !== layout.field("victim");
}

function isDead(layout: Layout, run: number): boolean {
  return layout.segment(run, "dead") === layout.segment(run, "used");
}

function countDead(layout: Layout, run: number, bytes: number): void {
  layout.addToSegment(run, "dead", bytes);
  layout.addToField("deadBytes", bytes);
}
