// Compaction: free segments that are scattered become one hole. Nothing is evicted, and every
// record keeps its place in its queue.
//
//   window: `span` adjacent segments with the fewest bytes. Each run in it goes as it is to the
//           tightest hole outside.
//   slide:  where a run in each window is longer than every hole, runs of the region with the fewest
//           bytes between `span` free segments move together. There always is one.
//
// Guard: the shard's lock, in a write.

import * as records from "./records.ts";
import * as index from "./key-index.ts";
import { type Layout, NO_SEGMENT } from "./layout.ts";
import * as log from "./log.ts";
import * as runs from "./runs.ts";

/** Segments from `first` up to `end`; no run reaches out. */
interface Range {
  readonly first: number;
  readonly end: number;
}

/** Makes `span` free segments adjacent; there must be as many. O(segments) and O(bytes moved). */
export function makeHole(layout: Layout, span: number): void {
  const longest = longestHole(layout);
  if (longest >= span) return;
  const window = cheapestRange(layout, (range) => range.segments >= span, longest);
  if (window !== undefined && evacuate(layout, window)) return;
  const region = cheapestRange(layout, (range) => range.free >= span, Infinity);
  if (region === undefined) throw new Error(`a log has fewer than ${span} free segments`);
  slide(layout, region);
}

/** Moves the run so that it begins with segment `to`: into a hole, or down over free segments. */
export function moveRun(layout: Layout, run: number, to: number): void {
  const from = layout.segmentStart(run);
  const start = layout.segmentStart(to);
  const end = start + layout.segment(run, "used");
  layout.bytes.copyWithin(start, from, from + end - start);
  for (let record = start; record < end; record += layout.recordBytesAt(record)) {
    if (layout.isDead(record)) continue;
    const hash = records.hashOf(layout, layout.keyOf(record));
    const slot = index.slotOf(layout, hash, record - start + from);
    index.replace(layout, slot, record, layout.marksAt(slot));
  }
  log.rename(layout, run, to);
}

/** Moves the log's runs together at its beginning. */
export function slideAll(layout: Layout): void {
  slide(layout, { first: 0, end: layout.field("everUsed") });
}

function slide(layout: Layout, { first, end }: Range): void {
  let to = first;
  for (let run = first; run < end;) {
    const span = runs.spanAt(layout, run);
    if (layout.segment(run, "span") > 0) {
      if (to !== run) moveRun(layout, run, to);
      to += span;
    }
    run += span;
  }
}

/** False if a run finds no hole outside. */
function evacuate(layout: Layout, { first, end }: Range): boolean {
  for (let run = first; run < end;) {
    const span = layout.segment(run, "span");
    if (span > 0) {
      const hole = tightestHole(layout, span, { first, end });
      if (hole === NO_SEGMENT) return false;
      moveRun(layout, run, hole);
    }
    run += Math.max(1, span);
  }
  return true;
}

/** The range with the fewest bytes of those that are enough and have no run longer than `longest`. */
function cheapestRange(
  layout: Layout,
  isEnough: (range: { segments: number; free: number }) => boolean,
  longest: number,
): Range | undefined {
  let best: Range | undefined;
  let least = Infinity;
  let first = 0;
  let bytes = 0;
  const range = { segments: 0, free: 0 };
  const count = (segment: number, sign: 1 | -1): void => {
    range.segments += sign * runs.spanAt(layout, segment);
    if (layout.segment(segment, "span") === 0) range.free += sign;
    else bytes += sign * layout.segment(segment, "used");
  };
  for (let end = 0; end < layout.field("logSegments");) {
    const isStuck = layout.segment(end, "span") > longest;
    count(end, 1);
    end += runs.spanAt(layout, end);
    while (first < end && (isStuck || isEnough(range))) {
      if (!isStuck && bytes < least && end <= layout.field("logSegments")) {
        least = bytes;
        best = { first, end };
      }
      count(first, -1);
      first += runs.spanAt(layout, first);
    }
  }
  return best;
}

function longestHole(layout: Layout): number {
  let longest = 0;
  forEachHole(layout, (_first, span) => {
    longest = Math.max(longest, span);
  });
  return longest;
}

/** The first segment of the shortest hole outside of the range that a run of `span` fits in, or NO_SEGMENT. */
function tightestHole(layout: Layout, span: number, outside: Range): number {
  let best = NO_SEGMENT;
  let least = Infinity;
  forEachHole(layout, (first, length) => {
    const isInside = first < outside.end && first + length > outside.first;
    if (isInside || length < span || length >= least) return;
    least = length;
    best = first;
  });
  return best;
}

function forEachHole(layout: Layout, visit: (first: number, span: number) => void): void {
  const end = layout.field("logSegments");
  for (let index = 0; index < end;) {
    const span = log.freeFrom(layout, index, end);
    if (span > 0) visit(index, span);
    index += span > 0 ? span : runs.spanAt(layout, index);
  }
}
