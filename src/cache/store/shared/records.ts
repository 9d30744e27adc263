// The entries of a shard: what concerns a slot of the index and its record in the log
// together, and is counted. Guard: the shard's lock, in a write.

import { keyed } from "../../hash.ts";
import type { Bytes } from "../../bytes.ts";
import * as index from "./key-index.ts";
import { type Layout, type Queue, type StoreCounter } from "./layout.ts";
import * as log from "./log.ts";

/** The hash that the index knows the key by. */
export function hashOf(layout: Layout, key: Bytes): number {
  return keyed(key.bytes, key.start, key.end, layout.field("seed"));
}

/** The slot of a live record. O(1) on average. */
export function slotOf(layout: Layout, record: number): number {
  return index.slotOf(layout, hashOf(layout, layout.keyOf(record)), record);
}

/** Writes key and value to where the log has reserved them a place, and counts them. */
export function write(
  layout: Layout,
  record: number,
  key: Bytes,
  value: Bytes,
  expiresAtMs: number,
): void {
  const keyBytes = key.end - key.start;
  layout.writeHeader(record, keyBytes, value.end - value.start, expiresAtMs);
  const start = layout.keyStart(record);
  key.bytes.copy(layout.bytes, start, key.start, key.end);
  value.bytes.copy(layout.bytes, start + keyBytes, value.start, value.end);
  count(layout, record, 1);
}

/** The one place where a shard's bytes and mortal entries are counted. */
export function count(layout: Layout, record: number, sign: 1 | -1): void {
  layout.addToField("bytes", sign * (layout.keyLengthOf(record) + layout.valueLengthOf(record)));
  if (layout.hasExpiry(record)) layout.addToField("expiring", sign);
}

/** Removes the slot's entry, for this reason unless it was due; answers whether it was alive. */
export function remove(layout: Layout, slot: number, nowMs: number, reason: StoreCounter): boolean {
  const record = layout.recordAt(slot);
  const wasAlive = layout.expiresAtOf(record) > nowMs;
  layout.addToCounter(wasAlive ? reason : "expired", 1);
  count(layout, record, -1);
  index.remove(layout, slot);
  log.markDead(layout, record);
  return wasAlive;
}

/** Moves the slot's record to the end of the queue with so many hits; false if no segment is left for it. */
export function move(layout: Layout, slot: number, queue: Queue, hits: number): boolean {
  const from = layout.recordAt(slot);
  const recordBytes = layout.recordBytesAt(from);
  const to = log.allocate(layout, queue, recordBytes, 0);
  if (to === 0) return false;
  layout.bytes.copyWithin(to, from, from + recordBytes);
  index.replace(layout, slot, to, hits);
  log.markDead(layout, from);
  return true;
}
