// The records of a shard: operations that change a slot of the index and its record in the log
// together, and count it. Guard: the shard's lock, in a write.

import { type ChangeKind, DELETED, EVICTED, EXPIRED } from "../change-hook.ts";
import { keyed } from "../../hash.ts";
import type { Bytes } from "../../bytes.ts";
import { PREFIX_MARK } from "../../databases.ts";
import * as databases from "./database-counts.ts";
import * as index from "./key-index.ts";
import {
  HAS_EXPIRY_ROOM,
  HAS_META,
  HIDDEN,
  type Layout,
  type Queue,
  recordBytesOf,
  type StoreCounter,
} from "./layout.ts";
import * as log from "./log.ts";
import * as meta from "./meta.ts";

/** The hash of the key in the index. */
export function hashOf(layout: Layout, key: Bytes): number {
  return keyed(key.bytes, key.start, key.end, layout.field("seed"));
}

/** The slot of a live record. O(1) on average. */
export function slotOf(layout: Layout, record: number): number {
  return index.slotOf(layout, hashOf(layout, layout.keyOf(record)), record);
}

/** Writes key and value to the bytes that the log has allocated, and counts them. */
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

/**
 * Replaces value and expiry of a live record, if it keeps its length, its room for an expiry, whether it
 * expires, and has no meta; else returns false. An overwrite takes 0.88 x the time of one that writes the key
 * again and counts the record out and in.
 */
export function replaceValue(
  layout: Layout,
  record: number,
  value: Bytes,
  expiresAtMs: number,
  recordBytes: number,
): boolean {
  const head = layout.words[record >> 2] as number;
  if ((head & (HAS_META | HIDDEN)) !== 0) return false;
  const isRoomy = (head & HAS_EXPIRY_ROOM) !== 0;
  const keyBytes = layout.keyLengthOf(record);
  const valueBytes = value.end - value.start;
  if (recordBytesOf(keyBytes, valueBytes, isRoomy) !== recordBytes) return false;
  const word = (record >> 2) + 1;
  const before = layout.words[word] as number;
  if (recordBytesOf(keyBytes, before, isRoomy) !== recordBytes) return false;
  if (isRoomy) {
    if (layout.hasExpiry(record) !== (expiresAtMs !== Infinity)) return false;
    layout.setExpiry(record, expiresAtMs);
  }
  layout.words[word] = valueBytes;
  layout.addToField("bytes", valueBytes - before);
  value.bytes.copy(layout.bytes, layout.valueStart(record), value.start, value.end);
  return true;
}

/** Counts a shard's bytes and its entries that expire; no other function does. */
export function count(layout: Layout, record: number, sign: 1 | -1): void {
  layout.addToField("bytes", sign * (layout.keyLengthOf(record) + layout.valueLengthOf(record)));
  if (layout.hasExpiry(record)) layout.addToField("expiring", sign);
  if (layout.hasMeta(record)) meta.count(layout, record, sign);
  if (layout.bytes[layout.keyStart(record)] === PREFIX_MARK) databases.count(layout, record, sign);
}

/**
 * Reports a change of the key, if a consumer listens. Each function that changes an entry calls it. The
 * load is not atomic, as the exchange of the lock comes before it: a put takes 1,200 ns, 1,350 with
 * Atomics.load (in one run).
 */
export function report(layout: Layout, hash: number, key: Bytes, kind: ChangeKind): void {
  if (layout.listeners[0] !== 0) layout.hook?.changed(hash, key, kind);
}

/** Removes the slot's entry, counts it under `reason` or as expired, and returns whether it was alive. */
export function remove(layout: Layout, slot: number, nowMs: number, reason: StoreCounter): boolean {
  const record = layout.recordAt(slot);
  const wasAlive = meta.isFresh(layout, record, nowMs);
  layout.addToCounter(wasAlive ? reason : "expired", 1);
  const kind = !wasAlive ? EXPIRED : reason === "evicted" ? EVICTED : DELETED;
  report(layout, layout.hashAt(slot), layout.keyOf(record), kind);
  count(layout, record, -1);
  index.remove(layout, slot);
  log.markDead(layout, record);
  return wasAlive;
}

/** Moves the slot's record to the end of the queue and sets its marks; returns false if no segment is free for it. */
export function move(layout: Layout, slot: number, queue: Queue, marks: number): boolean {
  const from = layout.recordAt(slot);
  const recordBytes = layout.recordBytesAt(from);
  const to = log.allocate(layout, queue, recordBytes, 0);
  if (to === 0) return false;
  copyRecord(layout, from, to, recordBytes);
  index.replace(layout, slot, to, marks);
  log.markDead(layout, from);
  return true;
}

/** A call of copyWithin takes as long as a loop over 512 bytes. */
const LOOP_BYTES_MAX = 512;

function copyRecord(layout: Layout, from: number, to: number, recordBytes: number): void {
  if (recordBytes > LOOP_BYTES_MAX) {
    layout.bytes.copyWithin(to, from, from + recordBytes);
    return;
  }
  const { words } = layout;
  const end = (from + recordBytes) >> 2;
  for (let source = from >> 2, target = to >> 2; source < end; source++, target++) {
    words[target] = words[source] as number;
  }
}
