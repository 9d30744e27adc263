// How a shard comes by free segments: it cleans those with dead bytes and evicts by
// S3-FIFO. Most of it is paid in small steps by the writes that need the room: each
// looks through a few times its own bytes of one run, the victim.
//
//   small, a tenth of the log: every new entry ── hit? → main │ no: evicted, leaves a ghost
//   main: what was hit, or came back to its ghost ── hit? → round again, one hit fewer │ no: evicted
//
// Sources: J. Yang and others, "FIFO Queues are All You Need for Cache Eviction", SOSP
// 2023, section 4.1, with promotion at the first hit; M. Rosenblum, J. K. Ousterhout,
// "The Design and Implementation of a Log-Structured File System", SOSP 1991, section
// 3.6 (cleaning). Guard: the shard's lock, in a write.

import * as entries from "./records.ts";
import * as ghosts from "./ghosts.ts";
import * as index from "./key-index.ts";
import { type Layout, MAIN, NO_SEGMENT, type Queue, SMALL } from "./layout.ts";
import * as log from "./log.ts";

/** Segments that only moves may take: what is alive in one victim needs no more. */
const SPARE = 1;
/** With fewer free segments, writes look for more. */
const LOW = SPARE + 2;
/** Victims that a long record lets keep what was hit, for each of its segments. */
const ATTEMPTS = 4;
/** Bytes that a write looks through for each of its own, and past its own at most. */
const RATE = 32;
const MOST_SEGMENTS = 2;
/** While there is room: five for one keep a log in which each append kills a record a quarter dead. */
const IDLE_RATE = 5;
const IDLE_DEAD_SHARE = 1 / 4;
/** From this part on a full shard cleans a run before it evicts. */
const DEAD_SHARE = 1 / 16;
/** Runs need not be looked at while the whole log has less. */
const LEAST_DEAD_SHARE = 1 / 64;
/** Of the segments of a shard without eviction: kept for entries that get another key (RENAME). */
const KEPT_SHARE = 1 / 16;
/** The small queue's part of the log. */
const SMALL_SHARE = 1 / 10;

/** Segments that a shard without eviction keeps for entries that get another key. */
function keptSegments(layout: Layout, usesReserve: boolean): number {
  if (usesReserve || layout.field("evicts") !== 0) return 0;
  return Math.floor(layout.segments * KEPT_SHARE);
}

/** Where a new record may be written, at once; 0 if the shard is full and does not evict. */
export function reserve(
  layout: Layout,
  queue: Queue,
  extent: number,
  nowMs: number,
  usesReserve: boolean,
): number {
  const spare = SPARE + keptSegments(layout, usesReserve);
  const span = Math.ceil(extent / layout.segmentBytes);
  for (let attempt = 1; ; attempt++) {
    const record = log.reserve(layout, queue, extent, spare);
    if (record !== 0) return record;
    const isScattered = span > 1 && layout.field("freeSegments") >= span + LOW + spare - SPARE;
    // What was hit may stay for a while, but the write shall end.
    const mustFree = attempt > ATTEMPTS * (span - 1);
    const isFreer = isScattered
      ? clearWindow(layout, span, nowMs)
      : work(layout, Infinity, nowMs, mustFree);
    if (!isFreer) return 0;
  }
}

/** Lets the index take one entry more; false if the shard is full and does not evict. */
export function reserveSlot(layout: Layout, nowMs: number, usesReserve: boolean): boolean {
  const kept = keptSegments(layout, usesReserve);
  while (!index.hasRoom(layout)) {
    const slots = index.nextSlots(layout, layout.field("freeSegments") <= LOW);
    if (
      slots > layout.field("slots") &&
      vacate(layout, layout.segmentsBeside(slots), nowMs, kept)
    ) {
      index.resize(layout, slots);
    } else if (layout.field("evicts") === 0 || !work(layout, Infinity, nowMs, true)) return false;
  }
  return true;
}

/** After a write of `extent` bytes: its part of the work that keeps segments free. */
export function payFor(layout: Layout, extent: number, nowMs: number): void {
  if (layout.field("freeSegments") < LOW) {
    const budget = Math.min(extent * RATE, extent + MOST_SEGMENTS * layout.segmentBytes);
    work(layout, budget, nowMs, false);
  } else if (layout.field("deadBytes") >= layout.field("usedBytes") * IDLE_DEAD_SHARE) {
    if (layout.field("victim") === NO_SEGMENT) take(layout, log.deadest(layout, IDLE_DEAD_SHARE));
    if (layout.field("victim") !== NO_SEGMENT) {
      lookThrough(layout, extent * IDLE_RATE, nowMs, false);
    }
  }
}

/**
 * Looks through `budget` bytes of the victim, or of the next one. `mustFree`: what was hit does not
 * stay. False if there is nothing to be had, which only a shard that does not evict may say.
 */
function work(layout: Layout, budget: number, nowMs: number, mustFree: boolean): boolean {
  if (layout.field("victim") === NO_SEGMENT) take(layout, nextVictim(layout));
  if (layout.field("victim") === NO_SEGMENT) return false;
  return lookThrough(layout, budget, nowMs, mustFree);
}

function nextVictim(layout: Layout): number {
  if (layout.field("deadBytes") >= layout.field("usedBytes") * LEAST_DEAD_SHARE) {
    const run = log.deadest(layout, DEAD_SHARE);
    if (run !== NO_SEGMENT || layout.field("evicts") === 0) return run;
  } else if (layout.field("evicts") === 0) return NO_SEGMENT;
  return evictionVictim(layout);
}

function evictionVictim(layout: Layout): number {
  const isSmallDue = layout.field("smallBytes") > layout.field("usedBytes") * SMALL_SHARE;
  const queues = isSmallDue ? [SMALL, MAIN] : [MAIN, SMALL];
  for (const queue of queues as Queue[]) {
    const run = log.oldest(layout, queue);
    if (run !== NO_SEGMENT) return run;
  }
  // A few long records may be all there is, and both queues open.
  for (const queue of queues as Queue[]) {
    const run = log.openOf(layout, queue);
    if (run !== NO_SEGMENT) return run;
  }
  throw new Error("a full log holds no run");
}

function take(layout: Layout, run: number): void {
  if (run === NO_SEGMENT) return;
  log.close(layout, run);
  layout.setField("victim", run);
  layout.setField("victimAt", layout.segmentStart(run));
  const dead = layout.segment(run, "dead") / layout.segment(run, "used");
  layout.setField("isCleaning", dead >= DEAD_SHARE ? 1 : 0);
}

/** Settles what lives in the victim's next `budget` bytes; a victim that is done is free. */
function lookThrough(layout: Layout, budget: number, nowMs: number, mustFree: boolean): boolean {
  const victim = layout.field("victim");
  const end = log.endOf(layout, victim);
  let record = layout.field("victimAt");
  const stop = Math.min(end, record + budget);
  while (record < stop) {
    const next = record + layout.extentAt(record);
    if (!layout.isDead(record)) {
      const isSettled =
        layout.field("isCleaning") !== 0
          ? keep(layout, record, nowMs)
          : judge(layout, victim, record, nowMs, mustFree);
      if (!isSettled) return false;
      // It was kept with all that it is in.
      if (layout.field("victim") !== victim) return true;
    }
    record = next;
    layout.setField("victimAt", record);
  }
  if (record < end) return true;
  layout.setField("victim", NO_SEGMENT);
  log.free(layout, victim);
  return true;
}

/** Cleaning: the entry moves to the end of its queue. False if it cannot and must not be evicted. */
function keep(layout: Layout, record: number, nowMs: number): boolean {
  const slot = entries.slotOf(layout, record);
  if (layout.deadlineOf(record) > nowMs) {
    const queue = layout.segment(layout.segmentOf(record), "queue") as Queue;
    if (entries.move(layout, slot, queue, layout.hitsAt(slot))) return true;
    if (layout.field("evicts") === 0) return false;
  }
  entries.remove(layout, slot, nowMs, "evicted");
  return true;
}

/** Eviction: the entry at its queue's tail goes, or stays because it was hit. */
function judge(
  layout: Layout,
  victim: number,
  record: number,
  nowMs: number,
  mustFree: boolean,
): boolean {
  const slot = entries.slotOf(layout, record);
  const hits = layout.hitsAt(slot);
  const wasSmall = layout.segment(victim, "queue") === SMALL;
  if (hits > 0 && !mustFree && layout.deadlineOf(record) > nowMs) {
    const left = wasSmall ? 0 : hits - 1;
    if (layout.extentAt(record) > layout.segmentBytes) {
      // Too long to move: its run stays where it is, and goes to the queue's end.
      layout.setHits(slot, left);
      layout.setField("victim", NO_SEGMENT);
      log.requeue(layout, victim, MAIN);
      return true;
    }
    if (entries.move(layout, slot, MAIN, left)) return true;
  }
  const hash = layout.hashAt(slot);
  const wasEvicted = entries.remove(layout, slot, nowMs, "evicted");
  if (wasEvicted && wasSmall) ghosts.add(layout, hash);
  return true;
}

/** Moves what is in the cheapest window to other segments, or evicts it; false if neither may be. */
function clearWindow(layout: Layout, span: number, nowMs: number): boolean {
  const window = log.cheapestWindow(layout, span);
  const runs = log.runsIn(layout, window);
  log.hold(layout, window);
  const isClear = runs.every((run) => {
    const isEmpty = empty(layout, run, nowMs);
    log.hold(layout, window);
    return isEmpty;
  });
  log.letGo(layout, window);
  return isClear;
}

/** Leaves the log its first `segments`; false if what lies behind cannot be moved and must not be evicted. */
function vacate(layout: Layout, segments: number, nowMs: number, kept: number): boolean {
  if (segments >= layout.field("logSegments")) return true;
  const behind = log.runsBehind(layout, segments);
  if (layout.field("evicts") === 0) {
    // Without eviction nothing may be in doubt: two segments for each take all that is in it.
    const free = layout.field("freeSegments") - (layout.field("logSegments") - segments);
    const isMovable = behind.every((run) => layout.segment(run, "span") === 1);
    if (!isMovable || free < 2 * behind.length + SPARE + kept) return false;
  }
  log.shrink(layout, segments);
  for (const run of behind) {
    if (!empty(layout, run, nowMs)) throw new Error(`run ${run} cannot be vacated`);
  }
  return true;
}

/** Frees the run after each live record in it has moved; false if one cannot and must not be evicted. */
function empty(layout: Layout, run: number, nowMs: number): boolean {
  log.close(layout, run);
  const victim = layout.field("victim");
  // While it is the victim nothing is written to it, and nothing frees it but this.
  layout.setField("victim", run);
  const end = log.endOf(layout, run);
  let isEmpty = true;
  for (let record = layout.segmentStart(run); isEmpty && record < end;) {
    const next = record + layout.extentAt(record);
    if (!layout.isDead(record)) isEmpty = keep(layout, record, nowMs);
    record = next;
  }
  layout.setField("victim", victim);
  if (isEmpty) log.free(layout, run);
  return isEmpty;
}
