// The meta of a record: stale time, tags, content type and lease. It lies behind the value, so all that
// does not need it takes it for a part of the value's bytes. One flag of the record's head says that
// there is one, and an entry without it takes no byte more.
//
//   head │ expiry │ key │ value │ padding to 8 │ meta │ … │ trailer
//
//   meta: stale until │ stored at │ stamp │ lease? end, stamp, token │ tags, 8 B each │ content type
//   trailer: value length │ length of the meta, tags, bytes of the content type, has a lease
//
// `expiry` is the end of freshness. A record is fresh, then stale, then gone: only then its memory is
// free. An open lease of a missing key is a record that was never fresh. Records that are not fresh are
// hidden once that is noticed: `hidden` counts them, so that they are no entries to users.
//
// Guard: the shard's lock; a reader without it may see nonsense, stays inside the memory and ends.
// Typed arrays: indexes are in range by construction.

import { keyed } from "../../hash.ts";
import { PREFIX_MARK } from "../../databases.ts";
import * as databases from "./database-counts.ts";
import { type Lease, type Meta, NEVER, RECORD_KEPT_MS } from "../shard.ts";
import { HAS_META, HIDDEN, type Layout } from "./layout.ts";
import type { TagHash } from "./tags.ts";
import { textAt } from "./type-texts.ts";

/** Floats at the beginning of the meta. */
const STALE_UNTIL = 0;
const STORED_AT = 1;
const STAMP = 2;
const FIXED_FLOATS = 3;
/** Floats of a lease behind them: its end, its stamp, and two for the token. */
const LEASE_END = 3;
const LEASE_STAMP = 4;
const TOKEN = 5;
const LEASE_FLOATS = 4;
const TRAILER_FLOATS = 1;
const TOKEN_BYTES = 16;
/** Most tags of an entry, and most bytes of a content type. */
export const TAGS_MAX = 16;
export const TYPE_BYTES_MAX = 255;
/** Bytes behind a value at most. */
export const META_BYTES_MAX =
  7 + 8 * (FIXED_FLOATS + LEASE_FLOATS + TAGS_MAX + Math.ceil(TYPE_BYTES_MAX / 8) + TRAILER_FLOATS);

/** The second word of the trailer. */
const FLOATS_MASK = 2 ** 8 - 1;
const TAGS_SHIFT = 8;
const TAGS_MASK = 2 ** 5 - 1;
const TYPE_SHIFT = 13;
const TYPE_MASK = 2 ** 8 - 1;
const HAS_LEASE = 1 << 21;

const NO_TAGS: readonly TagHash[] = [];

/** Makes a record that was stored with room behind its value one with meta. */
export function complete(
  layout: Layout,
  record: number,
  valueBytes: number,
  expiresAtMs: number,
  meta: Meta,
): void {
  layout.addToField("bytes", valueBytes - layout.valueLengthOf(record));
  if (expiresAtMs === NEVER) layout.addToField("expiring", -1);
  layout.setExpiry(record, expiresAtMs);
  layout.bytes.fill(
    0,
    layout.valueStart(record) + valueBytes,
    record + layout.recordBytesAt(record),
  );
  layout.words[record >> 2]! |= HAS_META;
  write(layout, record, valueBytes, meta);
}

/** Bytes behind a value for this meta, padding included. */
export function bytesBehind(keyBytes: number, valueBytes: number, meta: Meta): number {
  return (-(keyBytes + valueBytes) & 7) + floatsOf(meta) * 8;
}

/** Counts a record with meta that is added to the shard or removed from it. */
export function count(layout: Layout, record: number, sign: 1 | -1): void {
  if (isHidden(layout, record)) {
    layout.addToField("hidden", sign);
    // It was counted as expired when it was hidden. Its removal counts it again, or takes this back.
    layout.addToCounter("expired", sign);
  }
  if (sign < 0 && hasLease(layout, record)) {
    const { bytes, start, end } = layout.keyOf(record);
    layout.tables?.wakes.wake(keyed(bytes, start, end, layout.field("seed")));
  }
}

/** Hides a record that is not fresh any more: to users it has expired. */
export function hide(layout: Layout, record: number): void {
  if (layout.bytes[layout.keyStart(record)] === PREFIX_MARK) databases.hide(layout, record);
  layout.words[record >> 2]! |= HIDDEN;
  layout.addToField("hidden", 1);
  layout.addToCounter("expired", 1);
}

/** Whether the record, which is in the index, is no entry to users. */
export function isHidden(layout: Layout, record: number): boolean {
  return (layout.words[record >> 2]! & HIDDEN) !== 0;
}

/** Whether plain reads find the record. O(tags). */
export function isFresh(layout: Layout, record: number, nowMs: number): boolean {
  if (!(layout.expiresAtOf(record) > nowMs)) return false;
  return !layout.hasMeta(record) || isCurrent(layout, record);
}

/** Whether the memory of the record may be freed. O(tags). */
export function isGone(layout: Layout, record: number, nowMs: number): boolean {
  if (!layout.hasMeta(record)) return layout.expiresAtOf(record) <= nowMs;
  return keptUntil(layout, record) <= nowMs || !isCurrent(layout, record);
}

/** Whether reads that accept stale values find the record. O(tags). */
export function isServable(layout: Layout, record: number, nowMs: number): boolean {
  const isFresh = layout.expiresAtOf(record) > nowMs;
  if (!layout.hasMeta(record)) return isFresh;
  return (isFresh || servedUntil(layout, record) > nowMs) && isCurrent(layout, record);
}

/** Whether none of the tags of a record with meta was invalidated since it was made. O(tags). */
export function isCurrent(layout: Layout, record: number): boolean {
  const { tables } = layout;
  const tags = (trailer(layout, record) >>> TAGS_SHIFT) & TAGS_MASK;
  if (tags === 0 || tables === undefined) return true;
  const start = startOf(layout, record);
  const stamp = layout.floats[start + STAMP]!;
  const first =
    2 * (start + (hasLease(layout, record) ? FIXED_FLOATS + LEASE_FLOATS : FIXED_FLOATS));
  for (let word = first; word < first + 2 * tags; word += 2) {
    if (!tables.tags.isCurrent(layout.words[word]!, layout.words[word + 1]!, stamp)) return false;
  }
  return true;
}

/** The end of freshness, or of the stale time where that is later. */
export function servedUntil(layout: Layout, record: number): number {
  const until = layout.floats[startOf(layout, record) + STALE_UNTIL]!;
  return Math.max(layout.expiresAtOf(record), until);
}

/** The time when the memory of a record with meta is freed. */
function keptUntil(layout: Layout, record: number): number {
  const until = servedUntil(layout, record);
  if (!hasLease(layout, record)) return until;
  return Math.max(until, layout.floats[startOf(layout, record) + LEASE_END]! + RECORD_KEPT_MS);
}

/** The meta of a record, or undefined if it has none. O(meta). */
export function metaOf(layout: Layout, record: number): Meta | undefined {
  if (!layout.hasMeta(record)) return undefined;
  const { floats } = layout;
  const word = trailer(layout, record);
  const start = (record + layout.recordBytesAt(record)) / 8 - (word & FLOATS_MASK);
  const lease = (word & HAS_LEASE) === 0 ? undefined : leaseAt(layout, start);
  const first = start + (lease === undefined ? FIXED_FLOATS : FIXED_FLOATS + LEASE_FLOATS);
  const end = first + ((word >>> TAGS_SHIFT) & TAGS_MASK);
  return {
    staleUntilMs: floats[start + STALE_UNTIL]!,
    storedAtMs: floats[start + STORED_AT]!,
    stamp: floats[start + STAMP]!,
    tags: end === first ? NO_TAGS : tagsBetween(layout, first, end),
    contentType: textAt(layout, 2 * end, (word >>> TYPE_SHIFT) & TYPE_MASK),
    lease,
  };
}

function tagsBetween({ words }: Layout, first: number, end: number): TagHash[] {
  const tags: TagHash[] = [];
  for (let at = first; at < end; at++) tags.push([words[2 * at]! >>> 0, words[2 * at + 1]! >>> 0]);
  return tags;
}

function leaseAt({ floats, bytes }: Layout, start: number): Lease {
  const token = (start + TOKEN) * 8;
  return {
    token: bytes.toString("base64url", token, token + TOKEN_BYTES),
    endsAtMs: floats[start + LEASE_END]!,
    stamp: floats[start + LEASE_STAMP]!,
  };
}

function write(layout: Layout, record: number, valueBytes: number, meta: Meta): void {
  const { floats, words, bytes } = layout;
  const all = floatsOf(meta);
  const end = (record + layout.recordBytesAt(record)) / 8;
  const start = end - all;
  floats[start + STALE_UNTIL] = meta.staleUntilMs;
  floats[start + STORED_AT] = meta.storedAtMs;
  floats[start + STAMP] = meta.stamp;
  let at = start + FIXED_FLOATS;
  const { lease, tags, contentType } = meta;
  if (lease !== undefined) {
    floats[start + LEASE_END] = lease.endsAtMs;
    floats[start + LEASE_STAMP] = lease.stamp;
    bytes.write(lease.token, (start + TOKEN) * 8, TOKEN_BYTES, "base64url");
    at += LEASE_FLOATS;
  }
  for (const [low, high] of tags) {
    words[2 * at] = low;
    words[2 * at + 1] = high;
    at++;
  }
  bytes.write(contentType, at * 8, "latin1");
  words[2 * end - 2] = valueBytes;
  words[2 * end - 1] =
    all |
    (tags.length << TAGS_SHIFT) |
    (contentType.length << TYPE_SHIFT) |
    (lease === undefined ? 0 : HAS_LEASE);
}

function floatsOf({ lease, tags, contentType }: Meta): number {
  const leaseFloats = lease === undefined ? 0 : LEASE_FLOATS;
  const typeFloats = Math.ceil(contentType.length / 8);
  return FIXED_FLOATS + leaseFloats + tags.length + typeFloats + TRAILER_FLOATS;
}

function hasLease(layout: Layout, record: number): boolean {
  return (trailer(layout, record) & HAS_LEASE) !== 0;
}

function trailer(layout: Layout, record: number): number {
  return layout.words[(record + layout.recordBytesAt(record)) / 4 - 1]!;
}

/** Index of the first float of the meta. */
function startOf(layout: Layout, record: number): number {
  return (record + layout.recordBytesAt(record)) / 8 - (trailer(layout, record) & FLOATS_MASK);
}
