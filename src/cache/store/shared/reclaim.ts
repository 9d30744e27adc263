// Reclaims segments of a shard: cleans runs with dead bytes and evicts by S3-FIFO. Each write that
// needs room does a small step of this work.
//
//   small, a tenth to a quarter of the log (ghosts.ts): every new entry ── hit? → main │ no: evicted, leaves a ghost
//   main: what was hit, or came back to its ghost ── hit? → round again, one hit fewer │ no: evicted
//
//   after a write:    while too few segments are free and the budget lasts: process the victim
//   process victim:   full, few entries, all go to main, none dead → the run goes to main's end as it is
//                     else for each live record of the victim, from its beginning:
//                       not hit → evicted
//                       hit, the only record of its run → the run goes to main's end as it is
//                       hit → the record moves to main's end; no room for it → the run goes there
//                     at the victim's end: its segments are free, the next run is the victim
//   before a write that finds no room: the same until there is, and compaction (compact.ts) where
//                     enough is free but scattered
//
// Mean of 19 traces with lengths: 0.33 bytes are copied for each byte that is put, 0.52 where only a
// run with one record is requeued as it is.
//
// A write never evicts its own entry: its run (`fresh`) is skipped. With a budget of one run a write,
// shards with one or two records a run evict entries that were hit: 62,541 of 460,669 evictions on
// the trace scarab with 1,000 B values.
//
// Sources: J. Yang and others, "FIFO Queues are All You Need for Cache Eviction", SOSP
// 2023, section 4.1, with promotion at the first hit; M. Rosenblum, J. K. Ousterhout,
// "The Design and Implementation of a Log-Structured File System", SOSP 1991, section
// 3.6 (cleaning). Guard: the shard's lock, in a write.

import * as compact from "./compact.ts";
import * as records from "./records.ts";
import * as ghosts from "./ghosts.ts";
import * as index from "./key-index.ts";
import { type Layout, MAIN, NO_SEGMENT, type Queue, SMALL } from "./layout.ts";
import * as log from "./log.ts";
import * as meta from "./meta.ts";
import * as runs from "./runs.ts";
import * as rules from "./rules.ts";

/** Bytes that a write scans for each of its own; and the most that it scans beyond its own, in usual runs. */
const SCAN_BYTES_PER_BYTE = 32;
const EXTRA_RUNS_MAX = 8;
/** Bytes that an entry counts as when it is requeued with its run, not copied. */
const REQUEUE_BYTES = 128;
/** Bytes that a write without room scans, for each of its own, before it also evicts entries that were hit. */
const UNFORCED_BYTES_PER_BYTE = 4;
/** A run with less in it is packed anew, not requeued as it is: otherwise 64 KiB with mixed lengths hold 1 % less. */
const FULL_RATIO = 7 / 8;
/** A run with more entries is not requeued as it is: one put would look all of them up. */
const WHOLE_ENTRIES_MAX = 64;
/** While segments are free: with 5, a log in which each append kills a record stays a quarter dead. */
const IDLE_BYTES_PER_BYTE = 5;
const IDLE_DEAD_RATIO = 1 / 4;
/** A full shard cleans a run with at least this ratio of dead bytes before it evicts. */
const CLEANING_DEAD_RATIO = 1 / 16;
/** Below this ratio of dead bytes in the whole log, no run is looked for to clean. */
const DEAD_RATIO_MIN = 1 / 64;
/** Ratio of the segments of a shard without eviction that is reserved for RENAME. */
const RESERVED_RATIO = 1 / 16;
/**
 * Ratio of the log that may be free and scattered before the log is compacted. With a twelfth, keys and
 * values of 65,536 to 1,048,576 bytes fill 90 % of the memory, and 0.08 bytes are copied for each byte
 * that is put. With a thirty-second it is 93 % and 0.50, with none 95 % and 1.38.
 */
const SCATTERED_RATIO = 1 / 12;
const SMALL_FIRST: readonly Queue[] = [SMALL, MAIN];
const MAIN_FIRST: readonly Queue[] = [MAIN, SMALL];

/** Segments that this write must leave free for RENAME, in a shard without eviction. */
function reservedSegments(layout: Layout, usesReserve: boolean): number {
  if (usesReserve || layout.field("evicts") !== 0) return 0;
  return (layout.segments * RESERVED_RATIO) | 0;
}

/** Returns the offset where the caller writes a new record at once; 0 if the shard is full and does not evict. */
export function makeRoom(
  layout: Layout,
  queue: Queue,
  recordBytes: number,
  nowMs: number,
  usesReserve: boolean,
): number {
  const spare = spareOf(layout, recordBytes) + reservedSegments(layout, usesReserve);
  const record = log.allocate(layout, queue, recordBytes, spare);
  if (record !== 0) return record;
  const span = log.spanOf(layout, recordBytes);
  if (!freeUpSegments(layout, span + spare, recordBytes, nowMs)) return 0;
  const most = span + spare + layout.field("logSegments") * SCATTERED_RATIO;
  for (let scanned = 0; ;) {
    const found = log.allocate(layout, queue, recordBytes, spare);
    if (found !== 0) return found;
    if (layout.field("evicts") === 0 || layout.field("freeSegments") >= most) break;
    const more = reclaimStep(layout, Infinity, nowMs, scanned > unforcedBytes(layout, recordBytes));
    if (more === 0) break;
    scanned += more;
  }
  // Enough segments are free, but they are scattered.
  compact.makeHole(layout, span);
  return log.allocate(layout, queue, recordBytes, spare);
}

/** Makes room for one more entry in the index; returns false if the shard is full and does not evict. */
export function makeIndexRoom(layout: Layout, nowMs: number, usesReserve: boolean): boolean {
  const reserved = reservedSegments(layout, usesReserve);
  for (let scanned = 0; !index.hasRoom(layout, usesReserve);) {
    const isTight = layout.field("freeSegments") <= spareOf(layout, 0) + 2 * layout.runSegments;
    const slots = index.nextSlots(layout, isTight);
    if (
      slots > layout.field("slots") &&
      shrinkLog(layout, layout.segmentsBeside(slots), nowMs, reserved)
    ) {
      index.resize(layout, slots);
    } else if (layout.field("evicts") === 0) return false;
    else scanned += reclaimStep(layout, Infinity, nowMs, scanned > unforcedBytes(layout, 0));
  }
  return true;
}

/** Does the share of reclaiming that the write of this record owes. */
export function reclaimAfterWrite(layout: Layout, record: number, nowMs: number): void {
  const recordBytes = layout.recordBytesAt(record);
  const wanted =
    spareOf(layout, recordBytes) +
    Math.min(log.runSpanOf(layout, recordBytes), 2 * layout.runSegments);
  const isLow = layout.field("freeSegments") < wanted;
  if (!isLow && layout.field("deadBytes") < layout.field("usedBytes") * IDLE_DEAD_RATIO) return;
  layout.setField("fresh", layout.segmentOf(record));
  if (isLow) {
    let budget = Math.min(
      recordBytes * SCAN_BYTES_PER_BYTE,
      recordBytes + EXTRA_RUNS_MAX * runBytes(layout),
    );
    while (budget > 0 && layout.field("freeSegments") < wanted) {
      const scanned = reclaimStep(layout, budget, nowMs, false);
      if (scanned === 0) break;
      budget -= scanned;
    }
  } else {
    if (layout.field("victim") === NO_SEGMENT)
      setVictim(layout, runs.deadest(layout, IDLE_DEAD_RATIO));
    if (layout.field("victim") !== NO_SEGMENT) {
      processVictim(layout, recordBytes * IDLE_BYTES_PER_BYTE, nowMs, false);
    }
  }
  layout.setField("fresh", NO_SEGMENT);
}

/** Segments that only moves may take: enough for the live records of a usual run, and for this record. */
function spareOf(layout: Layout, recordBytes: number): number {
  const { runSegments, segmentBytes, longBytes } = layout;
  if (recordBytes <= runSegments * segmentBytes) return runSegments;
  return log.spanOf(layout, Math.min(recordBytes, longBytes));
}

function runBytes(layout: Layout): number {
  return layout.runSegments * layout.segmentBytes;
}

function unforcedBytes(layout: Layout, recordBytes: number): number {
  return UNFORCED_BYTES_PER_BYTE * recordBytes + EXTRA_RUNS_MAX * runBytes(layout);
}

/** Reclaims until `segments` segments are free; returns false if nothing is left to reclaim. */
function freeUpSegments(
  layout: Layout,
  segments: number,
  recordBytes: number,
  nowMs: number,
): boolean {
  const limit = unforcedBytes(layout, recordBytes);
  for (let scanned = 0; layout.field("freeSegments") < segments;) {
    const more = reclaimStep(layout, Infinity, nowMs, scanned > limit);
    if (more === 0) return false;
    scanned += more;
  }
  return true;
}

/**
 * Processes `budget` bytes of the victim, or of the next one. `isForced`: entries that were hit are
 * evicted too. Returns the bytes scanned; 0 if nothing can be reclaimed.
 */
function reclaimStep(layout: Layout, budget: number, nowMs: number, isForced: boolean): number {
  if (layout.field("victim") === NO_SEGMENT) {
    const run = selectVictim(layout);
    if (run === NO_SEGMENT) return 0;
    setVictim(layout, run);
    const requeued = isForced ? 0 : requeueWhole(layout, run, nowMs);
    if (requeued > 0) return requeued * REQUEUE_BYTES;
  }
  return processVictim(layout, budget, nowMs, isForced);
}

/**
 * Requeues the victim at the end of main as it is, if it is full, has few entries and no dead bytes, and all
 * entries go there. Returns their number; 0 if the victim is as before. O(1), at most 2 × 64 look-ups.
 */
function requeueWhole(layout: Layout, victim: number, nowMs: number): number {
  const used = layout.segment(victim, "used");
  const start = layout.segmentStart(victim);
  // A run with one record is not copied anyway: another look-up of its key would take 5 % of a put of 2,000 bytes.
  if (layout.segment(victim, "dead") > 0 || layout.recordBytesAt(start) === used) return 0;
  if (used < layout.segment(victim, "span") * layout.segmentBytes * FULL_RATIO) return 0;
  let entries = 0;
  const end = start + used;
  const queue = layout.queueOf(victim);
  for (let record = start; record < end; record += layout.recordBytesAt(record)) {
    const marks = layout.marksAt(records.slotOf(layout, record));
    const recordBytes = layout.recordBytesAt(record);
    const after = rules.marksAfterTail(layout, marks, queue, recordBytes);
    if (after === rules.EVICTED || meta.isGone(layout, record, nowMs)) return 0;
    if (++entries > WHOLE_ENTRIES_MAX) return 0;
  }
  for (let record = start; record < end; record += layout.recordBytesAt(record)) {
    const slot = records.slotOf(layout, record);
    const recordBytes = layout.recordBytesAt(record);
    layout.setMarks(slot, rules.marksAfterTail(layout, layout.marksAt(slot), queue, recordBytes));
  }
  layout.setField("victim", NO_SEGMENT);
  log.requeue(layout, victim, MAIN);
  return entries;
}

function selectVictim(layout: Layout): number {
  if (layout.field("deadBytes") >= layout.field("usedBytes") * DEAD_RATIO_MIN) {
    const run = runs.deadest(layout, CLEANING_DEAD_RATIO);
    if (run !== NO_SEGMENT || layout.field("evicts") === 0) return run;
  } else if (layout.field("evicts") === 0) return NO_SEGMENT;
  return evictionVictim(layout);
}

function evictionVictim(layout: Layout): number {
  const isSmallDue =
    layout.field("smallBytes") > layout.field("usedBytes") * ghosts.smallRatio(layout);
  for (const queue of isSmallDue ? SMALL_FIRST : MAIN_FIRST) {
    const run = runs.oldest(layout, queue);
    if (run !== NO_SEGMENT) return run;
  }
  // A few long records may fill the shard, so that all runs are open.
  for (const queue of isSmallDue ? SMALL_FIRST : MAIN_FIRST) {
    const run = runs.openOf(layout, queue);
    if (run !== NO_SEGMENT && run !== layout.field("fresh")) return run;
  }
  return NO_SEGMENT;
}

function setVictim(layout: Layout, run: number): void {
  if (run === NO_SEGMENT) return;
  log.close(layout, run);
  layout.setField("victim", run);
  layout.setField("victimAt", layout.segmentStart(run));
  const dead = layout.segment(run, "dead") / layout.segment(run, "used");
  const isCleaning = dead >= CLEANING_DEAD_RATIO;
  layout.setField("isCleaning", isCleaning ? 1 : 0);
  if (!isCleaning && layout.queueOf(run) === MAIN) {
    layout.setField("mainBorn", layout.segment(run, "born"));
  }
}

/** Whether the record is the only live one of its run and lies at its beginning; then the run is trimmed to it. */
function isOnlyRecord(layout: Layout, run: number, record: number): boolean {
  const live = layout.segment(run, "used") - layout.segment(run, "dead");
  if (record !== layout.segmentStart(run) || layout.recordBytesAt(record) !== live) return false;
  log.trim(layout, run, live);
  return true;
}

/**
 * Moves or evicts the live records in the victim's next `budget` bytes, and frees the victim at its end.
 * Returns the bytes scanned; 0 if a record can neither be moved nor evicted.
 */
function processVictim(layout: Layout, budget: number, nowMs: number, isForced: boolean): number {
  const isCleaning = layout.field("isCleaning") !== 0;
  let victim = layout.field("victim");
  let record = layout.field("victimAt");
  let end = runs.endOf(layout, victim);
  let scanned = 0;
  for (; record < end && scanned < budget; record += layout.recordBytesAt(record)) {
    layout.setField("victimAt", record);
    const recordBytes = layout.recordBytesAt(record);
    scanned += recordBytes;
    if (layout.isDead(record)) continue;
    if (!isCleaning) evictOrPromote(layout, record, nowMs, isForced);
    else if (!relocate(layout, record, nowMs, isForced)) return 0;
    if (layout.field("victim") === victim) continue;
    victim = layout.field("victim");
    if (victim === NO_SEGMENT) return scanned - recordBytes + REQUEUE_BYTES;
    // Compaction has moved it.
    record = layout.field("victimAt");
    end = runs.endOf(layout, victim);
  }
  layout.setField("victimAt", record);
  if (record < end) return scanned;
  layout.setField("victim", NO_SEGMENT);
  log.free(layout, victim);
  return Math.max(1, scanned);
}

/** Cleaning: moves the entry to the end of its queue. Returns false if it can neither be moved nor evicted. */
function relocate(layout: Layout, record: number, nowMs: number, isForced: boolean): boolean {
  if (!meta.isGone(layout, record, nowMs)) {
    const victim = layout.field("victim");
    if (isOnlyRecord(layout, victim, record)) {
      layout.setField("victim", NO_SEGMENT);
      return true;
    }
    const slot = records.slotOf(layout, record);
    const queue = layout.queueOf(victim);
    if (moveRecord(layout, slot, queue, layout.marksAt(slot))) return true;
    if (layout.field("evicts") === 0) return false;
  }
  evictOrPromote(layout, record, nowMs, isForced);
  return true;
}

/** Eviction of the entry at its queue's tail, by the rules: evicts it, or moves it to the end of main. */
function evictOrPromote(layout: Layout, record: number, nowMs: number, isForced: boolean): void {
  const victim = layout.field("victim");
  const slot = records.slotOf(layout, record);
  const queue = layout.queueOf(victim);
  const recordBytes = layout.recordBytesAt(record);
  const marks = rules.marksAfterTail(layout, layout.marksAt(slot), queue, recordBytes);
  if (marks !== rules.EVICTED && !isForced && !meta.isGone(layout, record, nowMs)) {
    if (!isOnlyRecord(layout, victim, record) && moveRecord(layout, slot, MAIN, marks)) return;
    layout.setMarks(slot, marks);
    const run = layout.field("victim");
    layout.setField("victim", NO_SEGMENT);
    log.requeue(layout, run, MAIN);
    return;
  }
  const hash = layout.hashAt(slot);
  const wasEvicted = records.remove(layout, slot, nowMs, "evicted");
  if (wasEvicted && queue === SMALL) ghosts.add(layout, hash);
}

/** As records.move; where the free segments are scattered, compaction makes one hole of them first. */
function moveRecord(layout: Layout, slot: number, queue: Queue, marks: number): boolean {
  if (records.move(layout, slot, queue, marks)) return true;
  const span = log.spanOf(layout, layout.recordBytesAt(layout.recordAt(slot)));
  if (layout.field("freeSegments") < span) return false;
  compact.makeHole(layout, span);
  return records.move(layout, slot, queue, marks);
}

/** Shrinks the log to its first `segments`; returns false if the runs behind them find no room. */
function shrinkLog(layout: Layout, segments: number, nowMs: number, reserved: number): boolean {
  const behind = layout.field("logSegments") - segments;
  if (behind <= 0) return true;
  if (!freeUpSegments(layout, behind + spareOf(layout, 0) + reserved, 0, nowMs)) return false;
  log.shrink(layout, segments);
  for (const run of log.runsBehind(layout, segments)) {
    const span = layout.segment(run, "span");
    const hole = log.findHole(layout, span, span);
    if (hole !== NO_SEGMENT) compact.moveRun(layout, run, hole);
    else {
      // All runs fit into the shorter log once they lie together.
      compact.slideAll(layout);
      return true;
    }
  }
  return true;
}
