// Storing an entry in a shard: in the place of the old value where that fits, else at
// the end of the log. Guard: the shard's lock, in a write.

import type { Bytes } from "../../bytes.ts";
import * as entries from "./records.ts";
import * as ghosts from "./ghosts.ts";
import * as index from "./key-index.ts";
import { type Layout, MAIN, type Queue, SMALL } from "./layout.ts";
import * as log from "./log.ts";
import * as reclaim from "./reclaim.ts";
import type { SavedEntry } from "./copy.ts";

/** How an entry is stored; most writes need none of it. */
export interface StoringOptions {
  /** The slot of the entry with this key, or NO_SLOT, where the caller knows it. */
  readonly slot?: number;
  /** Whether the entry may take the room that a shard without eviction keeps. */
  readonly usesReserve?: boolean;
  /** Bytes behind the entry that it may grow into, if it has to move. */
  readonly slackBytes?: number;
}
const NO_OPTIONS: StoringOptions = {};

/** False if the shard is full and does not evict; then nothing is lost. */
export function store(
  layout: Layout,
  hash: number,
  key: Bytes,
  value: Bytes,
  deadlineMs: number,
  nowMs: number,
  options = NO_OPTIONS,
): boolean {
  const { slot = index.find(layout, hash, key) } = options;
  const extent = layout.extentFor(key.end - key.start, value.end - value.start, deadlineMs);
  const isStored =
    slot === index.NO_SLOT
      ? insert(layout, hash, key, value, deadlineMs, nowMs, extent, options)
      : overwrite(layout, slot, hash, key, value, deadlineMs, nowMs, extent, options);
  if (isStored) layout.addToTally("inserted", 1);
  return isStored;
}

export const USING_RESERVE: StoringOptions = { usesReserve: true };

/** As `store`, for an entry of a snapshot: it goes where eviction had it. */
export function restore(layout: Layout, hash: number, entry: SavedEntry, nowMs: number): boolean {
  const { key, value, deadlineMs, isMain, hits } = entry;
  const extent = layout.extentFor(key.end - key.start, value.end - value.start, deadlineMs);
  const slot = index.find(layout, hash, key);
  const isStored =
    slot === index.NO_SLOT
      ? insert(
          layout,
          hash,
          key,
          value,
          deadlineMs,
          nowMs,
          extent,
          USING_RESERVE,
          isMain ? MAIN : SMALL,
        )
      : overwrite(layout, slot, hash, key, value, deadlineMs, nowMs, extent, USING_RESERVE);
  if (!isStored) return false;
  layout.addToTally("loaded", 1);
  layout.setHits(index.find(layout, hash, key), hits);
  return true;
}

/** Without a queue it goes where its ghost says. */
function insert(
  layout: Layout,
  hash: number,
  key: Bytes,
  value: Bytes,
  deadlineMs: number,
  nowMs: number,
  extent: number,
  { usesReserve = false }: StoringOptions,
  wanted?: Queue,
): boolean {
  if (!reclaim.reserveSlot(layout, nowMs, usesReserve)) return false;
  const queue = wanted ?? (ghosts.take(layout, hash) ? MAIN : SMALL);
  const record = reclaim.reserve(layout, queue, extent, nowMs, usesReserve);
  if (record === 0) return false;
  entries.write(layout, record, key, value, deadlineMs);
  index.insert(layout, hash, record);
  reclaim.payFor(layout, record, nowMs);
  return true;
}

function overwrite(
  layout: Layout,
  slot: number,
  hash: number,
  key: Bytes,
  value: Bytes,
  deadlineMs: number,
  nowMs: number,
  extent: number,
  { usesReserve = false, slackBytes = 0 }: StoringOptions,
): boolean {
  const old = layout.recordAt(slot);
  layout.markHit(slot, old);
  const reason = layout.deadlineOf(old) > nowMs ? "overwritten" : "expired";
  entries.count(layout, old, -1);
  if (layout.extentAt(old) === extent || log.refit(layout, old, extent)) {
    entries.write(layout, old, key, value, deadlineMs);
    layout.addToTally(reason, 1);
    return true;
  }
  entries.count(layout, old, 1);
  const hits = layout.hitsAt(slot);
  const queue = layout.queueOf(layout.segmentOf(old));
  const record = reclaim.reserve(layout, queue, extent + slackBytes, nowMs, usesReserve);
  if (record === 0) return false;
  entries.write(layout, record, key, value, deadlineMs);
  if (slackBytes > 0) log.leaveSlack(layout, record + extent, slackBytes);
  // Making room may have moved the old one, or evicted it.
  const place = index.find(layout, hash, key);
  if (place === index.NO_SLOT) index.insert(layout, hash, record);
  else {
    const moved = layout.recordAt(place);
    index.replace(layout, place, record, hits);
    entries.count(layout, moved, -1);
    layout.addToTally(reason, 1);
    log.release(layout, moved);
  }
  reclaim.payFor(layout, record, nowMs);
  return true;
}
