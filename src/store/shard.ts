// One shard of the cache: a map from key bytes to value bytes with deadlines.
// Bytes in, bytes out; the caller owns the clock and the buffers.
//
// Promises every implementation keeps (test/store/shard.contract.ts):
// - an entry at or past its deadline is a miss, whatever the sweep has done;
// - a value comes back byte for byte, and what is handed in is copied;
// - entries put = entries held + overwritten + deleted + expired + evicted.
//
// MapShard lives in one thread. A SharedShard is attached to by many: each call is then
// one step for all of them, and `figures` and `check` are exact while nobody writes.

import type { ByteBuffer, Bytes } from "./bytes.ts";

/** The deadline of an entry that does not expire. */
export const NEVER = Infinity;

/** What `get` answers when there is no live entry; a length is never negative. */
export const MISS = -1;

/** A live entry as `update` and `scan` show it; valid only during the call. */
export interface Entry {
  readonly value: Bytes;
  readonly deadlineMs: number;
}

/** What to do with the entry that `update` showed. A given entry replaces it. */
export type Change = "keep" | "delete" | Entry;

/** What one shard holds now, and what has left it since the start. */
export interface ShardFigures {
  /** Entries held; one that has expired counts until it is swept, at the latest. */
  readonly entries: number;
  /** Key and value bytes of those entries. */
  readonly bytes: number;
  readonly expired: number;
  readonly evicted: number;
  /** Times that the shard lost all its entries because a writer ended in the middle of a write. */
  readonly emptied: number;
}

/** All times are milliseconds of one clock, which the caller reads. */
export interface Shard {
  /** Appends the value to `into` and answers its length in bytes, or MISS. O(1). */
  get(key: Bytes, nowMs: number, into: ByteBuffer): number;

  /** Stores a copy of key and value in place of what was there. O(1). */
  put(key: Bytes, value: Bytes, deadlineMs: number, nowMs: number): void;

  /** Removes the entry; false if there was no live one. O(1). */
  delete(key: Bytes, nowMs: number): boolean;

  /**
   * The one read-modify-write: shows the live entry, or undefined, to `change`
   * and does what it answers, with no other call on this shard in between.
   * `change` must not call the shard. O(1).
   */
  update(key: Bytes, nowMs: number, change: (entry: Entry | undefined) => Change): void;

  /** Shows every live entry once, in no order; `visit` must not call the shard. O(entries). */
  scan(nowMs: number, visit: (key: Bytes, entry: Entry) => void): void;

  /**
   * Looks at up to `maxEntries` entries, going on where the last call ended, and
   * frees those that have expired. Answers how many were looked at, which is
   * fewer than asked at the end of a round.
   */
  sweep(nowMs: number, maxEntries: number): number;

  figures(): ShardFigures;

  /** Throws if a law of the structure does not hold. O(entries), for tests. */
  check(): void;
}
