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

export class Log {
  readonly #layout: Layout;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** An empty log, whatever there was before. O(segments). */
  reset(): void {
    const layout = this.#layout;
    const everUsed = Math.min(layout.segments, layout.field("everUsed"));
    for (let index = 0; index < everUsed; index++) layout.setSegment(index, "span", 0);
    for (const field of ["freeHint", "usedBytes", "deadBytes", "victimAt"] as const) {
      layout.setField(field, 0);
    }
    layout.setField("openSegment", NO_SEGMENT);
    layout.setField("victim", NO_SEGMENT);
  }

  /** Offset of `extent` free bytes, which now count as used; 0 if no run of segments is free. */
  reserve(extent: number): number {
    const layout = this.#layout;
    let open = layout.field("openSegment");
    if (open === NO_SEGMENT || this.#room(open) < extent) {
      open = this.#open(Math.ceil(extent / layout.segmentBytes));
      if (open === NO_SEGMENT) return 0;
    }
    const at = layout.segmentStart(open) + layout.segment(open, "used");
    layout.addToSegment(open, "used", extent);
    layout.addToField("usedBytes", extent);
    return at;
  }

  /** Marks the record dead, and frees its run if that was the last live one. */
  release(record: number): void {
    const layout = this.#layout;
    const run = layout.segmentOf(record);
    this.#countDead(run, layout.extentAt(record));
    layout.markDead(record);
    if (this.#isClosed(run) && this.#isDead(run)) this.free(run);
  }

  /**
   * Makes the record's place exactly `extent` bytes long if it can: what it has and the dead
   * bytes behind it must be enough. What is left over becomes dead. The caller writes the record anew.
   */
  refit(record: number, extent: number): boolean {
    const layout = this.#layout;
    const run = layout.segmentOf(record);
    const end = this.end(run);
    const had = layout.extentAt(record);
    let room = had;
    while (room < extent && record + room < end && layout.isDead(record + room)) {
      room += layout.extentAt(record + room);
    }
    if (room < extent) return false;
    if (room > extent) layout.writeFiller(record + extent, room - extent);
    this.#countDead(run, had - extent);
    return true;
  }

  /** Gives the run's segments back. Nothing live may be in it. */
  free(run: number): void {
    const layout = this.#layout;
    layout.addToField("usedBytes", -layout.segment(run, "used"));
    layout.addToField("deadBytes", -layout.segment(run, "dead"));
    const span = layout.segment(run, "span");
    for (let index = run; index < run + span; index++) layout.setSegment(index, "span", 0);
    layout.setField("freeHint", Math.min(layout.field("freeHint"), run));
  }

  /** Offset behind the run's last record; its first is at `layout.segmentStart(run)`. */
  end(run: number): number {
    return this.#layout.segmentStart(run) + this.#layout.segment(run, "used");
  }

  /** Shows each live record from `start` on, through `budget` bytes at least; answers where it ended. */
  eachLive(start: number, end: number, budget: number, visit: (record: number) => void): number {
    const layout = this.#layout;
    let record = start;
    while (record < end && record - start < budget) {
      const next = record + layout.extentAt(record);
      if (!layout.isDead(record)) visit(record);
      record = next;
    }
    return record;
  }

  /** The closed run that was opened first, or NO_SEGMENT. O(segments). */
  oldest(): number {
    const now = this.#layout.field("stamp");
    // Stamps wrap; their distance from the newest one does not.
    return this.#best((run) => (now - this.#layout.segment(run, "stamp")) >>> 0);
  }

  /** The closed run with most to gain from cleaning, or NO_SEGMENT if none is needed. O(segments). */
  deadest(): number {
    const layout = this.#layout;
    if (layout.field("deadBytes") < layout.field("usedBytes") * DEAD_SHARE) return NO_SEGMENT;
    return this.#best((run) => {
      const share = layout.segment(run, "dead") / layout.segment(run, "used");
      return share < DEAD_SHARE ? -1 : share;
    });
  }

  /** The runs in use, in the order of their addresses. */
  *runs(): Generator<number> {
    const layout = this.#layout;
    for (let index = 0; index < layout.field("everUsed"); index++) {
      if (layout.segment(index, "span") > 0) yield index;
    }
  }

  #room(run: number): number {
    const capacity = this.#layout.segment(run, "span") * this.#layout.segmentBytes;
    return capacity - this.#layout.segment(run, "used");
  }

  /** Opens the free run of `span` segments with the lowest address, so that memory stays dense. */
  #open(span: number): number {
    const layout = this.#layout;
    const first = this.#findFree(span);
    if (first === NO_SEGMENT) return NO_SEGMENT;
    const before = layout.field("openSegment");
    layout.setField("openSegment", first);
    if (before !== NO_SEGMENT && this.#isDead(before)) this.free(before);
    layout.setField("everUsed", Math.max(layout.field("everUsed"), first + span));
    for (let index = 1; index < span; index++) layout.setSegment(first + index, "span", -index);
    layout.setSegment(first, "span", span);
    layout.setSegment(first, "used", 0);
    layout.setSegment(first, "dead", 0);
    layout.addToField("stamp", 1);
    layout.setSegment(first, "stamp", layout.field("stamp"));
    return first;
  }

  #findFree(span: number): number {
    const layout = this.#layout;
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

  #best(worth: (run: number) => number): number {
    let best = NO_SEGMENT;
    let most = -1;
    for (const run of this.runs()) {
      if (!this.#isClosed(run)) continue;
      const value = worth(run);
      if (value > most) {
        most = value;
        best = run;
      }
    }
    return best;
  }

  /** Neither written to nor being cleaned. */
  #isClosed(run: number): boolean {
    return run !== this.#layout.field("openSegment") && run !== this.#layout.field("victim");
  }

  #isDead(run: number): boolean {
    return this.#layout.segment(run, "dead") === this.#layout.segment(run, "used");
  }

  #countDead(run: number, bytes: number): void {
    this.#layout.addToSegment(run, "dead", bytes);
    this.#layout.addToField("deadBytes", bytes);
  }
}
