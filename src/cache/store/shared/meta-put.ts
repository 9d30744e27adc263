// Stores entries with meta. put.ts takes value, padding and meta for one value; meta.ts then writes the
// meta behind the value and marks the record. Guard: the shard's lock, in a write.

import type { Bytes } from "../../bytes.ts";
import { type Meta, NEVER } from "../shard.ts";
import type { SavedEntry } from "./copy.ts";
import * as index from "./key-index.ts";
import type { Layout } from "./layout.ts";
import * as meta from "./meta.ts";
import * as put from "./put.ts";

/** Written in place of NEVER while a record is stored: the record then has room for an expiry. */
const FINITE = Number.MAX_VALUE;

export interface EntryWithMeta {
  readonly value: Bytes;
  readonly expiresAtMs: number;
  readonly meta: Meta;
}

/** As `put.store`. O(value). */
export function store(
  layout: Layout,
  hash: number,
  key: Bytes,
  entry: EntryWithMeta,
  nowMs: number,
): boolean {
  const { value, expiry } = roomFor(key, entry);
  const slot = index.find(layout, hash, key);
  if (!put.store(layout, hash, key, value, expiry, nowMs, slot)) return false;
  if (complete(layout, hash, key, entry, nowMs)) {
    // To users this record never was an entry.
    layout.addToCounter("inserted", -1);
    layout.addToCounter("expired", -1);
  }
  return true;
}

/** As `put.restore`, with meta if the entry has any. O(value). */
export function restore(layout: Layout, hash: number, saved: SavedEntry, nowMs: number): boolean {
  if (saved.meta === undefined) return put.restore(layout, hash, saved, nowMs);
  // The invalidations before the snapshot are not known any more: it has no entry that they concern.
  const current = { ...saved.meta, stamp: layout.tables?.tags.stamp ?? 0 };
  const entry = { value: saved.value, expiresAtMs: saved.expiresAtMs, meta: current };
  const { value, expiry } = roomFor(saved.key, entry);
  if (!put.restore(layout, hash, { ...saved, value, expiresAtMs: expiry }, nowMs)) return false;
  complete(layout, hash, saved.key, entry, nowMs);
  return true;
}

/** The value with room for padding and meta: bytes behind the value, which `complete` overwrites. */
function roomFor(key: Bytes, entry: EntryWithMeta): { value: Bytes; expiry: number } {
  const { bytes, start, end } = entry.value;
  const behind = meta.bytesBehind(key.end - key.start, end - start, entry.meta);
  const expiry = entry.expiresAtMs === NEVER ? FINITE : entry.expiresAtMs;
  return { value: { bytes, start, end: end + behind }, expiry };
}

/** Writes the meta of the record that was stored; returns whether the record is hidden. */
function complete(
  layout: Layout,
  hash: number,
  key: Bytes,
  { value, expiresAtMs, meta: entryMeta }: EntryWithMeta,
  nowMs: number,
): boolean {
  const record = layout.recordAt(index.find(layout, hash, key));
  meta.complete(layout, record, value.end - value.start, expiresAtMs, entryMeta);
  if (expiresAtMs > nowMs) return false;
  meta.hide(layout, record);
  return true;
}
