// One shard of the cache: a map from key bytes to value bytes with deadlines.
// Bytes in, bytes out; the caller owns the clock and the buffers.
//
// Promises every implementation keeps (test/unit/cache/store/shard.contract.ts):
// - an entry at or past its deadline is a miss, whatever the sweep has done;
// - a value comes back byte for byte, and what is handed in is copied;
// - entries put and loaded = entries held + overwritten + deleted + expired + evicted,
//   but for those of a shard that was emptied.
//
// MapShard lives in one thread. A SharedShard is attached to by many: each call is then
// one step for all of them, and `stats` and `check` are exact while nobody writes.

import type { ByteBuffer, Bytes } from "../bytes.ts";

/** The deadline of an entry that does not expire. */
export const NEVER = Infinity;

/** A value and how long it lives. */
export interface TimedValue {
  readonly value: Bytes;
  readonly expiresAtMs: number;
}

/** A live entry as `update` and `scan` show it; valid only during the call. */
export interface Entry extends TimedValue {
  /** Hits that eviction knows of: 0 to 3, and 0 where it keeps an order instead. */
  readonly hits: number;
}

/** What is known of a live entry beside its value. */
export interface Facts {
  readonly valueBytes: number;
  readonly expiresAtMs: number;
  /** As in Entry. */
  readonly hits: number;
}

/** Keeps the entry that `update` showed but for its deadline and, if there is a `part`, for those bytes. */
export interface Revision {
  readonly expiresAtMs: number;
  readonly part?: Bytes;
  /** Where the part is written; bytes between the end of the old value and this are zero. */
  readonly at?: number;
  readonly value?: undefined;
}

/** Where a scan of a shard is at its end: past every hash. */
export const SCAN_END = 2 ** 32;

/** What to do with the entry that `update` showed: a given value replaces it. */
export type Change = "keep" | "delete" | TimedValue | Revision;

/** What one shard holds now, and what has left it since the start. */
export interface ShardStats {
  /** Entries held; one that has expired counts until it is swept, at the latest. */
  readonly entries: number;
  /** Of them: those that have a deadline. */
  readonly expiring: number;
  /** Key and value bytes of those entries. */
  readonly bytes: number;
  /** Bytes that the shard may take, for everything it keeps. */
  readonly memory: number;
  /** Bytes of it in use: segments, index and tables. */
  readonly used: number;
  /** Bytes of the log whose entries are no more, and that are not free yet. */
  readonly dead: number;
  /** Keys remembered of entries evicted not long ago. */
  readonly ghosts: number;
  /** Entries put; each is then held, overwritten, deleted, expired or evicted. */
  readonly inserted: number;
  readonly overwritten: number;
  readonly deleted: number;
  readonly expired: number;
  readonly evicted: number;
  /** Times that the shard lost all its entries because a writer ended in the middle of a write. */
  readonly emptied: number;
  /** Entries that came from a snapshot: they count like those put. */
  readonly loaded: number;
}

export const NO_STATS: ShardStats = {
  entries: 0,
  expiring: 0,
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
 * All times are milliseconds of one clock, which the caller reads. `hash`: what `hashOf` answers
 * for the key, where the caller has it.
 */
export interface Shard {
  /** Appends the value to `into` and answers its length in bytes, or MISS. O(1). */
  get(key: Bytes, nowMs: number, into: ByteBuffer, hash?: number): number;

  /**
   * Stores a copy of key and value in place of what was there; false if the shard is full and does
   * not evict, and then nothing is lost. `usesReserve`: it may take the room that such a shard keeps
   * for entries that get another key. Throws RangeError for what is larger than `largest`. O(1).
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
   * As `get`, for the bytes from `first` to `last`, as `rangeWithin` counts them. Returns how many
   * were appended, or MISS. O(bytes appended).
   */
  getRange(
    key: Bytes,
    nowMs: number,
    first: number,
    last: number,
    into: ByteBuffer,
    hash?: number,
  ): number;

  /** Removes the entry; false if there was no live one. O(1). */
  delete(key: Bytes, nowMs: number, hash?: number): boolean;

  /**
   * The one read-modify-write: shows the live entry, or undefined, to `change`
   * and does what it answers, with no other call on this shard in between.
   * `change` must not call the cache: that throws. False and RangeError as for `put`. A revision
   * costs O(part) where the entry stays in its place: always while only the deadline changes and the
   * record has room for one.
   */
  update(
    key: Bytes,
    nowMs: number,
    change: (entry: Entry | undefined) => Change,
    hash?: number,
  ): boolean;

  /**
   * Shows some `count` live entries from `position` on and answers where to go on: a scan begins
   * at 0, ends with SCAN_END, and between may be left alone for any time. An entry that is there
   * from the first call to the last is shown, twice at the most if it is written meanwhile.
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
   * Looks at up to `maxEntries` entries, going on where the last call ended, and
   * frees those that have expired. Answers how many were looked at, which is
   * fewer than asked at the end of a round.
   */
  sweep(nowMs: number, maxEntries: number): number;

  stats(): ShardStats;

  /**
   * Keeps all other threads from writing until `unlock`, and from seeing what this one writes: its
   * calls are one step. Whoever holds several shards takes them in ascending order of their numbers,
   * and calls no other shard meanwhile: that throws.
   */
  lock(): void;
  unlock(): void;

  /** What `isUnchanged` is to be asked about, to tell whether several reads saw one moment. */
  version(): number;
  /** Whether nobody has written since that `version`, nor was writing then. */
  isUnchanged(version: number): boolean;

  /** Throws if a law of the structure does not hold. O(entries), for tests. */
  check(): void;
}
