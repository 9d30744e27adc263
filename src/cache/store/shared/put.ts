// Storing an entry in a shard: in the current of the old value where that fits, else at
// the end of the log. Guard: the shard's lock, in a write.

import type { Bytes } from "../../bytes.ts";
import * as records from "./records.ts";
import * as ghosts from "./ghosts.ts";
import * as index from "./key-index.ts";
import { type Layout, MAIN, type Queue, SMALL } from "./layout.ts";
import * as log from "./log.ts";
import * as reclaim from "./reclaim.ts";
import type { SavedEntry } from "./copy.ts";

/**
 * The rest of what a write may ask for. All have the same members in the same order, so that JSC sees
 * one shape in the functions that read them.
 */
export interface StoreOptions {
  /** The slot of the entry with this key, or NO_SLOT; undefined if the caller does not know it. */
  readonly slot: number | undefined;
  /** Whether the entry may take the segments that a shard without eviction keeps. */
  readonly usesReserve: boolean;
  /** Bytes behind the record for the value to grow into, if the record has to move. */
  readonly slackBytes: number;
}
const DEFAULTS: StoreOptions = { slot: undefined, usesReserve: false, slackBytes: 0 };
export const USING_RESERVE: StoreOptions = { slot: undefined, usesReserve: true, slackBytes: 0 };

/** Stores the entry; returns false if the shard is full and does not evict, and then nothing changes. */
export function store(
  layout: Layout,
  hash: number,
  key: Bytes,
  value: Bytes,
  expiresAtMs: number,
  nowMs: number,
  options = DEFAULTS,
): boolean {
  const { slot = index.find(layout, hash, key) } = options;
  const recordBytes = layout.recordBytesFor(
    key.end - key.start,
    value.end - value.start,
    expiresAtMs,
  );
  const isStored =
    slot === index.NO_SLOT
      ? insert(layout, hash, key, value, expiresAtMs, nowMs, recordBytes, options)
      : overwrite(layout, slot, hash, key, value, expiresAtMs, nowMs, recordBytes, options);
  if (isStored) layout.addToCounter("inserted", 1);
  return isStored;
}

/** As `store`, for an entry of a snapshot: it keeps its queue and its hits. */
export function restore(layout: Layout, hash: number, entry: SavedEntry, nowMs: number): boolean {
  const { key, value, expiresAtMs, isMain, hits } = entry;
  const recordBytes = layout.recordBytesFor(
    key.end - key.start,
    value.end - value.start,
    expiresAtMs,
  );
  const slot = index.find(layout, hash, key);
  const isStored =
    slot === index.NO_SLOT
      ? insert(
          layout,
          hash,
          key,
          value,
          expiresAtMs,
          nowMs,
          recordBytes,
          USING_RESERVE,
          isMain ? MAIN : SMALL,
        )
      : overwrite(layout, slot, hash, key, value, expiresAtMs, nowMs, recordBytes, USING_RESERVE);
  if (!isStored) return false;
  layout.addToCounter("loaded", 1);
  layout.setHits(index.find(layout, hash, key), hits);
  return true;
}

/** Without `fixedQueue` the entry goes to the main queue if it has a ghost, else to the small one. */
function insert(
  layout: Layout,
  hash: number,
  key: Bytes,
  value: Bytes,
  expiresAtMs: number,
  nowMs: number,
  recordBytes: number,
  { usesReserve }: StoreOptions,
  fixedQueue?: Queue,
): boolean {
  if (!reclaim.makeIndexRoom(layout, nowMs, usesReserve)) return false;
  const queue = fixedQueue ?? (ghosts.take(layout, hash) ? MAIN : SMALL);
  const record = reclaim.makeRoom(layout, queue, recordBytes, nowMs, usesReserve);
  if (record === 0) return false;
  records.write(layout, record, key, value, expiresAtMs);
  index.insert(layout, hash, record);
  reclaim.reclaimAfterWrite(layout, record, nowMs);
  return true;
}

function overwrite(
  layout: Layout,
  slot: number,
  hash: number,
  key: Bytes,
  value: Bytes,
  expiresAtMs: number,
  nowMs: number,
  recordBytes: number,
  { usesReserve, slackBytes }: StoreOptions,
): boolean {
  const old = layout.recordAt(slot);
  layout.markHit(slot, old);
  const reason = layout.expiresAtOf(old) > nowMs ? "overwritten" : "expired";
  records.count(layout, old, -1);
  if (layout.recordBytesAt(old) === recordBytes || log.refit(layout, old, recordBytes)) {
    records.write(layout, old, key, value, expiresAtMs);
    layout.addToCounter(reason, 1);
    return true;
  }
  records.count(layout, old, 1);
  const hits = layout.hitsAt(slot);
  const queue = layout.queueOf(layout.segmentOf(old));
  const record = reclaim.makeRoom(layout, queue, recordBytes + slackBytes, nowMs, usesReserve);
  if (record === 0) return false;
  records.write(layout, record, key, value, expiresAtMs);
  if (slackBytes > 0) log.leaveSlack(layout, record + recordBytes, slackBytes);
  // Making room may have replaced the old one, or evicted it.
  const current = index.find(layout, hash, key);
  if (current === index.NO_SLOT) index.insert(layout, hash, record);
  else {
    const replaced = layout.recordAt(current);
    index.replace(layout, current, record, hits);
    records.count(layout, replaced, -1);
    layout.addToCounter(reason, 1);
    log.markDead(layout, replaced);
  }
  reclaim.reclaimAfterWrite(layout, record, nowMs);
  return true;
}
