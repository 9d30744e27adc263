// The index of a shard: open addressing with linear probing from hashes to records.
//
// A hash's first slot is hash × slots / 2^32, so the index may have any number of
// slots and grows by a quarter at a time in place: 10.7 B an entry for a million
// entries in 64 shards, where doubling takes 16.8 B. Removal moves later slots back (Knuth, The
// Art of Computer Programming, volume 3, section 6.4, algorithm R), so there are
// no tombstones and a miss ends at the first empty slot.
//
// Guard: the shard's lock to change it. `find` may run without the lock; then its result may be
// wrong, but it ends and stays inside the memory.

import type { Bytes } from "../../bytes.ts";
import { BYTES_PER_SLOT, type Layout, marksOf, recordOf, wholeGroups } from "./layout.ts";

export const NO_SLOT = -1;

const SLOTS_MIN = 64;
/** Above this load the index grows: 3 probes for a hit and 13 for a miss on average. */
const LOAD_MAX = 0.8;
/** Bytes of the index for each entry, just before it grows. */
export const BYTES_PER_ENTRY = Math.ceil(BYTES_PER_SLOT / LOAD_MAX);
const GROWTH = 1.25;
/** Growth where the log has to give up segments for it. */
const TIGHT_GROWTH = 1.05;
/** Below this load the index shrinks. */
const LOAD_MIN = 0.2;
const LOAD_AFTER_SHRINKING = 0.5;

/**
 * Holds the slots while an index of this thread is resized. Measured with a million entries put: 21 B of
 * memory an entry beyond key and value; with a new copy for each growth, 32 B.
 */
let scratch = new Int32Array(2 * SLOTS_MIN);

/**
 * The slot of the record with this key, or NO_SLOT. O(1) on average. The slot's word is computed once, and the
 * hash compared as a signed word, which spares a conversion to a float for each probe: in pipelines of 16 a
 * GET takes 0.92 x the time, a SET 0.91 x (medians on a busy machine). The slot that a prefetch has found is
 * tried first: its hash, record and key show whether it still is the key's slot.
 */
export function find(layout: Layout, hash: number, key: Bytes): number {
  const slots = layout.field("slots");
  if (slots > layout.maxSlots) return NO_SLOT;
  const { words } = layout;
  const wanted = hash | 0;
  const { slot: hint = NO_SLOT } = key;
  if (hint >= 0 && hint < slots) {
    const word = layout.slotWord(hint);
    const record = recordOf(words[word + 1] as number);
    if (words[word] === wanted && record !== 0 && layout.hasKey(record, key)) return hint;
  }
  let slot = homeOf(hash, slots);
  for (let probe = 0; probe < slots; probe++, slot = after(slot, slots)) {
    const word = layout.slotWord(slot);
    const reference = words[word + 1] as number;
    if (recordOf(reference) === 0) return NO_SLOT;
    if (words[word] === wanted && layout.hasKey(recordOf(reference), key)) return slot;
  }
  return NO_SLOT;
}

/** The first slot from `home` on with this hash, whatever its key, or NO_SLOT. O(1) on average. */
export function slotOfHash(layout: Layout, hash: number, home: number): number {
  const slots = layout.field("slots");
  if (slots > layout.maxSlots) return NO_SLOT;
  const { words } = layout;
  const wanted = hash | 0;
  // The index may have become smaller since then.
  let slot = home < slots ? home : 0;
  for (let probe = 0; probe < slots; probe++, slot = after(slot, slots)) {
    const word = layout.slotWord(slot);
    if (words[word] === wanted) return slot;
    if (recordOf(words[word + 1] as number) === 0) return NO_SLOT;
  }
  return NO_SLOT;
}

/** The slot that names this record. Throws if none does. O(1) on average. */
export function slotOf(layout: Layout, hash: number, record: number): number {
  const slots = layout.field("slots");
  let slot = homeOf(hash, slots);
  for (let probe = 0; probe < slots; probe++, slot = after(slot, slots)) {
    if (layout.recordAt(slot) === record) return slot;
  }
  throw new Error(`no slot of the index names the record at ${record}`);
}

/**
 * Whether one more entry fits before the index has to grow. With `usesReserve` one entry more fits: a
 * RENAME in a full shard holds its new entry beside the old one.
 */
export function hasRoom(layout: Layout, usesReserve: boolean): boolean {
  const entries = layout.field("entries");
  const slots = layout.field("slots");
  return (
    entries + 1 <= slots * LOAD_MAX || (usesReserve && entries > 0 && entries <= slots * LOAD_MAX)
  );
}

/** The slots to grow to, by a quarter or by a twentieth; at most `maxSlots`. */
export function nextSlots(layout: Layout, isTight: boolean): number {
  const slots = layout.field("slots");
  const grown = wholeGroups(slots * (isTight ? TIGHT_GROWTH : GROWTH) + 1);
  return Math.min(layout.maxSlots, Math.max(SLOTS_MIN, grown));
}

/** Adds a record whose key is not in the index, which has room. Counts it in `entries`. O(1) on average. */
export function insert(layout: Layout, hash: number, record: number): void {
  layout.addToField("entries", 1);
  insertAt(layout, hash, record, 0, layout.field("slots"));
}

/** Makes the slot name another record of the same key. */
export function replace(layout: Layout, slot: number, record: number, marks: number): void {
  layout.setSlot(slot, layout.hashAt(slot), record, marks);
}

/** Empties the slot; all others may move. O(1) amortised. */
export function remove(layout: Layout, slot: number): void {
  const slots = layout.field("slots");
  let hole = slot;
  for (let next = after(hole, slots); layout.recordAt(next) !== 0; next = after(next, slots)) {
    const home = homeOf(layout.hashAt(next), slots);
    if (distance(home, next, slots) < distance(hole, next, slots)) continue;
    moveSlot(layout, next, hole);
    hole = next;
  }
  layout.setSlot(hole, 0, 0, 0);
  layout.addToField("entries", -1);
  // A smaller index spares the sweep the empty slots that millions of removed entries have left.
  const entries = layout.field("entries");
  if (slots > SLOTS_MIN && entries < slots * LOAD_MIN) {
    resize(layout, Math.max(SLOTS_MIN, wholeGroups(entries / LOAD_AFTER_SHRINKING)));
  }
}

/** Empties the index, in whatever state a dead writer left it. O(slots). */
export function clear(layout: Layout): void {
  layout.clearSlots(layout.field("slots"));
  layout.setField("slots", 0);
  layout.setField("entries", 0);
  layout.setField("ghosts", 0);
}

/** Resizes the index to `slots` slots without ghosts. The log must have given up the memory. O(slots). */
export function resize(layout: Layout, slots: number): void {
  const before = layout.field("slots");
  if (scratch.length < before * 2) scratch = new Int32Array(Math.ceil(before * GROWTH) * 2);
  copySlots(layout, before);
  // New slots may lie where segments were.
  layout.clearSlots(Math.max(before, slots));
  layout.setField("slots", slots);
  layout.setField("ghosts", 0);
  // Slots are in the order of their hashes but for a few, so the sweep continues near where it was.
  layout.setField("sweepSlot", Math.floor((layout.field("sweepSlot") * slots) / (before || 1)));
  for (let word = 0; word < before * 2; word += 2) {
    const reference = scratch[word + 1] ?? 0;
    const record = recordOf(reference);
    const hash = scratch[word] ?? 0;
    if (record !== 0) insertAt(layout, hash, record, marksOf(reference), slots);
  }
}

/** Copies slot `from` over slot `to`. */
function moveSlot(layout: Layout, from: number, to: number): void {
  const { words } = layout;
  const source = layout.slotWord(from);
  const target = layout.slotWord(to);
  words[target] = words[source] as number;
  words[target + 1] = words[source + 1] as number;
}

/** Copies slots to the beginning of `scratch`, two words each. */
function copySlots(layout: Layout, slots: number): void {
  const { words } = layout;
  for (let slot = 0; slot < slots; slot++) {
    const word = layout.slotWord(slot);
    scratch[slot * 2] = words[word] as number;
    scratch[slot * 2 + 1] = words[word + 1] as number;
  }
}

function insertAt(
  layout: Layout,
  hash: number,
  record: number,
  marks: number,
  slots: number,
): void {
  let slot = homeOf(hash, slots);
  while (layout.recordAt(slot) !== 0) slot = after(slot, slots);
  layout.setSlot(slot, hash, record, marks);
}

/** The home slot of a hash, signed or not: probing begins there. */
export function homeOf(hash: number, slots: number): number {
  return ((hash >>> 0) * slots * 2 ** -32) | 0;
}

function after(slot: number, slots: number): number {
  return slot + 1 === slots ? 0 : slot + 1;
}

/** Steps forward from one slot to another, round the end. */
function distance(from: number, to: number, slots: number): number {
  return to >= from ? to - from : to - from + slots;
}
