// Iterates over the entries of a shard: scans that clients may continue at any time, and the
// sweep that frees expired entries. Guard: the shard's lock.
//
// Slots are in the order of their hashes, except those that probing pushed further in a
// cluster. So a scan's position is a hash, which stays valid when the index is resized: all
// entries with hashes from one position to the next lie between the home slot of the first and
// the first empty slot at or behind the home slot of the second.
//
// Source of the idea of a position that outlives resizing: redis, src/dict.c, above dictScan.

import type { Bytes } from "../../bytes.ts";
import * as records from "./records.ts";
import { homeOf } from "./key-index.ts";
import type { Layout } from "./layout.ts";
import * as meta from "./meta.ts";
import { type Entry, type Meta, NEVER, SCAN_END, type ShownRecord } from "../shard.ts";

/** Empty slots that take as long to skip as one entry takes to read: 4 ns each. */
const SLOTS_PER_ENTRY = 16;

/** The object in which a shard shows one entry after another: an object for each entry would be garbage. */
export interface ShownEntry {
  readonly value: { bytes: Buffer; start: number; end: number };
  expiresAtMs: number;
  hits: number;
  meta: Meta | undefined;
}

export function newShownEntry(): ShownEntry {
  return {
    value: { bytes: Buffer.alloc(0), start: 0, end: 0 },
    expiresAtMs: NEVER,
    hits: 0,
    meta: undefined,
  };
}

/** The live entry that this slot of the index names, in `shown`. */
export function entryAt(
  layout: Layout,
  slot: number,
  nowMs: number,
  shown: ShownEntry,
): Entry | undefined {
  const record = layout.recordAt(slot);
  if (!meta.isFresh(layout, record, nowMs)) return undefined;
  const start = layout.valueStart(record);
  shown.value.bytes = layout.bytes;
  shown.value.start = start;
  shown.value.end = start + layout.valueLengthOf(record);
  shown.expiresAtMs = layout.expiresAtOf(record);
  shown.hits = layout.hitsAt(slot);
  shown.meta = layout.hasMeta(record) ? meta.metaOf(layout, record) : undefined;
  return shown;
}

/** The record that this slot of the index names, whether it is fresh or not. O(meta). */
export function recordAt(layout: Layout, slot: number, nowMs: number): ShownRecord {
  const record = layout.recordAt(slot);
  const start = layout.valueStart(record);
  const isStale = layout.expiresAtOf(record) <= nowMs;
  const isServable = meta.isServable(layout, record, nowMs);
  return {
    value: { bytes: layout.bytes, start, end: start + layout.valueLengthOf(record) },
    expiresAtMs: layout.expiresAtOf(record),
    meta: meta.metaOf(layout, record),
    state: !isServable ? "gone" : isStale ? "stale" : "fresh",
  };
}

/** As Shard.scan. */
export function scan(
  layout: Layout,
  nowMs: number,
  position: number,
  count: number,
  visit: (key: Bytes, entry: Entry) => void,
  shown: ShownEntry,
): number {
  const slots = layout.field("slots");
  const show = (slot: number, end: number): void => {
    const record = layout.recordAt(slot);
    const hash = layout.hashAt(slot) >>> 0;
    if (record === 0 || hash < position || hash >= end) return;
    const entry = entryAt(layout, slot, nowMs, shown);
    if (entry !== undefined) visit(layout.keyOf(record), entry);
  };
  let slot = homeOf(position, slots);
  for (let seen = 0; slot < slots && seen < count; slot++) {
    seen += layout.recordAt(slot) === 0 ? 1 / SLOTS_PER_ENTRY : 1;
    // Skip entries that probing wrapped from the end of the index to its start: they have the highest hashes.
    if (homeOf(layout.hashAt(slot), slots) <= slot) show(slot, SCAN_END);
  }
  const end = slot < slots ? Math.ceil((slot * 2 ** 32) / slots) : SCAN_END;
  for (let next = slot; next < slot + slots; next++) {
    const pushed = next % slots;
    if (layout.recordAt(pushed) === 0) break;
    // Behind the end of the index, entries whose home is at its start have been shown first of all.
    const isFromBefore = next < slots || homeOf(layout.hashAt(pushed), slots) > pushed;
    if (isFromBefore) show(pushed, end);
  }
  return end;
}

/** As SharedShard.peek. A torn length counts as 0. */
export function peek(
  layout: Layout,
  slot: number,
  nowMs: number,
): { bytes: number; isExpired: boolean } {
  const record = layout.recordAt(slot);
  if (!(record > 0)) return NOT_FOUND;
  const bytes = layout.keyLengthOf(record) + layout.valueLengthOf(record);
  const isSane = bytes >= 0 && record + bytes <= layout.bytes.length;
  return isSane ? { bytes, isExpired: meta.isGone(layout, record, nowMs) } : NOT_FOUND;
}
const NOT_FOUND = { bytes: 0, isExpired: false };

/** Frees expired entries among the next `maxEntries`; SLOTS_PER_ENTRY empty slots count as one entry. */
export function sweep(layout: Layout, nowMs: number, maxEntries: number): number {
  let slot = layout.field("sweepSlot");
  let seen = 0;
  while (seen < maxEntries && slot < layout.field("slots")) {
    const record = layout.recordAt(slot);
    seen += record === 0 ? 1 / SLOTS_PER_ENTRY : 1;
    if (record !== 0 && meta.isGone(layout, record, nowMs)) {
      // Removal may move another entry into this slot, or resize the index: so read `sweepSlot` again.
      layout.setField("sweepSlot", slot);
      records.remove(layout, slot, nowMs, "expired");
      slot = layout.field("sweepSlot");
      continue;
    }
    const isStale = record !== 0 && layout.expiresAtOf(record) <= nowMs;
    if (isStale && !meta.isHidden(layout, record)) meta.hide(layout, record);
    slot++;
  }
  layout.setField("sweepSlot", slot < layout.field("slots") ? slot : 0);
  return Math.ceil(seen);
}
