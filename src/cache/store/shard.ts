// One shard of the cache: a map from key bytes to value bytes that may expire.
// Bytes in, bytes out; the caller owns the clock and the buffers.
//
// Laws that every implementation keeps (test/unit/cache/store/shard.contract.ts):
// - an entry at or past its expiry is a miss, whether or not the sweep has freed it;
// - an entry one of whose tags was invalidated is a miss; so is one that is stale, but for `read`;
// - a value is returned byte for byte, and keys and values are copied when they are put;
// - entries put and loaded = entries held + overwritten + deleted + expired + evicted,
//   except in a shard that was emptied.
//
// A MapShard belongs to one thread. Many threads may attach to a SharedShard: each call is one step
// for all of them, and `stats` and `check` are exact while no thread writes.

import type { ByteBuffer, Bytes } from "../bytes.ts";
import type { TagHash } from "./shared/tags.ts";

/** The expiry of an entry that does not expire. */
export const NEVER = Infinity;

/** The time for which a record is kept after its lease has ended, in ms: a late put may still find it. */
export const RECORD_KEPT_MS = 10_000;

/** The right of one caller to compute the value of a key. */
export interface Lease {
  /** 16 random bytes in base64url. */
  readonly token: string;
  readonly endsAtMs: number;
  /** The stamp of an entry that is put with it: that of its grant. */
  readonly stamp: number;
}

/** What an entry may have beside its value and its expiry. */
export interface Meta {
  /** The time until which the value may be served as stale; 0 without one. */
  readonly staleUntilMs: number;
  readonly storedAtMs: number;
  /** The counter of invalidations when the entry was made; an invalidation of a tag after it counts. */
  readonly stamp: number;
  /** At most 16. */
  readonly tags: readonly TagHash[];
  /** At most 255 characters, each of one byte. */
  readonly contentType: string;
  readonly lease: Lease | undefined;
}

/** The meta of an entry whose expiry changes: its stale time moves along. */
export function withExpiry(meta: Meta, from: number, to: number): Meta {
  const { staleUntilMs } = meta;
  const hasStale = staleUntilMs > 0 && from !== NEVER && to !== NEVER;
  return { ...meta, staleUntilMs: hasStale ? to + staleUntilMs - from : 0 };
}

/** A value and the time when it expires. */
export interface TimedValue {
  readonly value: Bytes;
  readonly expiresAtMs: number;
  readonly meta?: Meta | undefined;
  /** Whether the new entry has the meta of the live one that it replaces. */
  readonly keepsMeta?: boolean;
}

/** A live entry as `update` and `scan` show it; valid only during the call. */
export interface Entry extends TimedValue {
  /** Undefined if the entry was put without any of it. */
  readonly meta: Meta | undefined;
  /** Hits that eviction counts: 0 to 3; always 0 in a MapShard, which keeps an order instead. */
  readonly hits: number;
}

/** A record as `updateRecord` shows it, whether it is fresh or not; valid only during the call. */
export interface ShownRecord extends TimedValue {
  readonly meta: Meta | undefined;
  /** "gone": it is the record of a lease only, or it has expired, or one of its tags was invalidated. */
  readonly state: "fresh" | "stale" | "gone";
}

/** An entry that was read, fresh or stale. */
export interface Reading {
  /** Bytes of the value, which were appended. */
  readonly length: number;
  readonly expiresAtMs: number;
  readonly isStale: boolean;
  readonly meta: Meta | undefined;
}

/** Facts about a live entry without its value. */
export interface Facts {
  readonly valueBytes: number;
  readonly expiresAtMs: number;
  /** As in Entry. */
  readonly hits: number;
}

/** Changes the expiry of the entry that `update` showed and, if there is a `part`, those bytes of its value. */
export interface Revision {
  readonly expiresAtMs: number;
  readonly part?: Bytes;
  /** Offset of the part in the value; bytes between the end of the old value and this offset are zero. */
  readonly at?: number;
  readonly value?: undefined;
}

/** The position at the end of a scan of a shard: past every hash. */
export const SCAN_END = 2 ** 32;

/** The change of the entry that `update` showed; a TimedValue replaces it. */
export type Change = "keep" | "delete" | TimedValue | Revision;

/** Stats of one shard: its contents now, and counts since the start. */
export interface ShardStats {
  /** Entries held; an expired entry counts until it is swept. */
  readonly entries: number;
  /** Entries held that have an expiry. */
  readonly expiring: number;
  /** Records that are no entries to users: open leases, and stale values. */
  readonly hidden: number;
  /** Key and value bytes of those entries. */
  readonly bytes: number;
  /** Bytes that the shard may take, index and tables included. */
  readonly memory: number;
  /** Bytes of `memory` in use: segments, index and tables. */
  readonly used: number;
  /** Bytes of dead records in the log, which are not free yet. */
  readonly dead: number;
  /** Ghosts: fingerprints of recently evicted keys. */
  readonly ghosts: number;
  /** Entries put; each is then held, overwritten, deleted, expired or evicted. */
  readonly inserted: number;
  readonly overwritten: number;
  readonly deleted: number;
  readonly expired: number;
  readonly evicted: number;
  /** How often the shard was emptied because a writer ended in the middle of a write. */
  readonly emptied: number;
  /** Entries loaded from a snapshot. */
  readonly loaded: number;
}

export const NO_STATS: ShardStats = {
  entries: 0,
  expiring: 0,
  hidden: 0,
  bytes: 0,
  memory: 0,
  used: 0,
  dead: 0,
  ghosts: 0,
  inserted: 0,
  overwritten: 0,
  deleted: 0,
  expired: 0,
  evicted: 0,
  emptied: 0,
  loaded: 0,
};
export const STAT_NAMES = Object.keys(NO_STATS) as (keyof ShardStats)[];

/**
 * All times are milliseconds of one clock, which the caller reads. `hash` is the key's hash in the index,
 * if the caller has it.
 */
export interface Shard {
  /** Appends the value to `into` and returns its length in bytes, or MISS. O(1). */
  get(key: Bytes, nowMs: number, into: ByteBuffer, hash?: number): number;

  /**
   * Stores a copy of key and value, in place of an old entry. Returns false if the shard is full and does
   * not evict; then nothing changes. `usesReserve`: the entry may take the room that such a shard keeps
   * for RENAME. Throws RangeError for an entry that is too large. O(1).
   */
  put(
    key: Bytes,
    value: Bytes,
    expiresAtMs: number,
    nowMs: number,
    hash?: number,
    usesReserve?: boolean,
  ): boolean;

  /** What is known of the live entry beside its value; `isHit`: for eviction that is a hit. O(1). */
  look(key: Bytes, nowMs: number, isHit: boolean, hash?: number): Facts | undefined;

  /**
   * As `get`, for the bytes from `first` to `last`, as in `rangeWithin`. Returns the number of
   * bytes appended, or MISS. O(bytes appended).
   */
  getRange(
    key: Bytes,
    nowMs: number,
    first: number,
    last: number,
    into: ByteBuffer,
    hash?: number,
  ): number;

  /** Removes the entry; returns false if there was no live one. O(1). */
  delete(key: Bytes, nowMs: number, hash?: number): boolean;

  /**
   * Read-modify-write: shows the live entry, or undefined, to `change` and applies the change that it
   * returns, with no other call on this shard in between. `change` must not call the cache: that
   * throws. Returns false and throws RangeError as `put` does. A revision costs O(part) if the record
   * stays where it is: always if only the expiry changes and the record has room for it.
   */
  update(
    key: Bytes,
    nowMs: number,
    change: (entry: Entry | undefined) => Change,
    hash?: number,
  ): boolean;

  /** As `get` for an entry that is fresh or stale. Returns undefined if there is none. O(value). */
  read(key: Bytes, nowMs: number, into: ByteBuffer, hash?: number): Reading | undefined;

  /** As `update`, but shows each record that is there: also a stale one, and one of an open lease. O(value). */
  updateRecord(
    key: Bytes,
    nowMs: number,
    change: (record: ShownRecord | undefined) => Change,
    hash?: number,
  ): boolean;

  /**
   * Calls `visit` for about `count` live entries from `position` on and returns the next position. A scan
   * begins at 0, ends with SCAN_END, and may pause for any time in between. An entry that exists from
   * the first call to the last is shown once, or twice if it is written meanwhile.
   * `visit` must not call the cache: that throws. O(count) on average.
   */
  scan(
    nowMs: number,
    position: number,
    count: number,
    visit: (key: Bytes, entry: Entry) => void,
  ): number;

  /** Deletes all entries. O(entries). */
  clear(): void;

  /**
   * Reads up to `maxEntries` entries from where the last call ended, and frees those that have
   * expired. Returns the number of entries read: fewer than `maxEntries` at the end of a round.
   */
  sweep(nowMs: number, maxEntries: number): number;

  stats(): ShardStats;

  /**
   * Adds the number of entries of each database to `into[database]`, and of those that expire to
   * `into[DATABASES_MAX + database]`. Keys that SWAPDB is moving do not count. O(1);
   * O(entries) in a MapShard.
   */
  addDatabaseCounts(into: Float64Array): void;

  /**
   * Until `unlock`, no other thread can write, or see what this thread writes: its calls are one step. A
   * thread locks several shards in ascending order of their numbers. Meanwhile a call on another shard
   * throws. Without `mayWait` it returns false if another thread has the lock; otherwise it returns true.
   */
  lock(mayWait?: boolean): boolean;
  unlock(): void;

  /** Returns the version for `isUnchanged`, which checks whether several reads are of one moment. */
  version(): number;
  /** The version as of the last `get`. */
  readonly lastVersion: number;
  /** Whether no thread has written since that `version`, or was writing then. */
  isUnchanged(version: number): boolean;

  /** Throws if a law of the structure does not hold. O(entries), for tests. */
  check(): void;
}
