// Operations on all keys of a database, each in one step of the cache. O(entries of the cache).

import { ByteBuffer, type Bytes } from "./bytes.ts";
import type { Cache } from "./cache.ts";
import { storedKey, SWAPPING } from "./databases.ts";
import { KeyBatch } from "./key-batch.ts";
import { NEVER } from "./store/shard.ts";

/** Entries that a scan copies before they are changed. */
const BATCH_ENTRIES = 200;

/** Deletes all entries of the database. */
export function clearDatabase(cache: Cache, database: number, nowMs: number): void {
  cache.exclusively(() => {
    const hasOthers = cache.maintenance
      .databaseStats()
      .some(({ entries }, number) => number !== database && entries > 0);
    if (!hasOthers) cache.clear();
    else forEachKey(cache, database, nowMs, (key) => cache.delete(key, nowMs));
  });
}

/**
 * Exchanges the entries of two databases; hits that eviction counts start anew. Returns false if a cache
 * that does not evict has no room; then nothing changes.
 */
export function swapDatabases(cache: Cache, one: number, other: number, nowMs: number): boolean {
  if (one === other) return true;
  const moves = [
    [one, SWAPPING],
    [other, one],
    [SWAPPING, other],
  ] as const;
  return cache.exclusively(() => {
    for (const [n, [from, to]] of moves.entries()) {
      if (moveAll(cache, from, to, nowMs)) continue;
      for (const [wasFrom, wasTo] of moves.slice(0, n + 1).reverse()) {
        moveAll(cache, wasTo, wasFrom, nowMs);
      }
      return false;
    }
    return true;
  });
}

function moveAll(cache: Cache, from: number, to: number, nowMs: number): boolean {
  const value = new ByteBuffer();
  let isStored = true;
  forEachKey(cache, from, nowMs, (stored, key) => {
    isStored &&= moveEntry(cache, stored, storedKey(to, key), value, nowMs);
  });
  return isStored;
}

/**
 * Gives an entry another key. Returns false as `put` does; true if there is no entry. `value` is used for
 * its value. Guard: a step over the shards of both keys.
 */
function moveEntry(
  cache: Cache,
  from: Bytes,
  to: Bytes,
  value: ByteBuffer,
  nowMs: number,
): boolean {
  let expiresAtMs = NEVER;
  let isThere = false;
  cache.update(from, nowMs, (entry) => {
    if (entry === undefined) return "keep";
    isThere = true;
    ({ expiresAtMs } = entry);
    value.clear();
    value.appendRun(entry.value.bytes, entry.value.start, entry.value.end);
    return "keep";
  });
  if (!isThere) return true;
  if (!cache.put(to, value, expiresAtMs, nowMs, true)) return false;
  cache.delete(from, nowMs);
  return true;
}

/** Calls `visit` with each key of a database as it is stored, and with the client's part of it. */
function forEachKey(
  cache: Cache,
  prefix: number,
  nowMs: number,
  visit: (stored: Bytes, key: Bytes) => void,
): void {
  const batch = new KeyBatch(prefix);
  let cursor = 0;
  do {
    cursor = cache.scan(nowMs, cursor, BATCH_ENTRIES, batch.add);
    for (let key = batch.shift(); key !== undefined; key = batch.shift()) {
      visit(storedKey(prefix, key), key);
    }
  } while (cursor !== 0);
}
