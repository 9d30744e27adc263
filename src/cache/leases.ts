// Caching on top of get and put: leases, stale values and tags.
//
//   get     fresh: the value. Else, with a lease wanted: is one open? who holds it computes the value.
//           No: the caller gets a lease, which is written into the record of the key
//   put     with a lease: is it still in the record? store : refuse
//   release is it still in the record? remove it
//
// A lease lives in the record of its key, so each put, delete and eviction of the key voids it. An
// entry that is put with a lease gets the lease's stamp: an invalidation of one of its tags since the
// grant makes it a miss, even one that comes between the check and the store.
//
// Source: R. Nishtala and others, "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1.

import type { ByteBuffer, Bytes } from "./bytes.ts";
import { MISS } from "./bytes.ts";
import { type Lifetimes, staleEndOf } from "./lifetimes.ts";
import type { Counters } from "./store/counters.ts";
import type { TagHash } from "./store/shared/tags.ts";
import { tagHash } from "./store/shared/tags.ts";
import type { Tables } from "./store/shared/tables.ts";
import type { Change, Lease, Meta, Reading, Shard, ShownRecord } from "./store/shard.ts";
import { newToken } from "./token.ts";

export type { TagHash } from "./store/shared/tags.ts";

/** Most tags of an entry; a tag has 1 to TAG_BYTES_MAX bytes. */
export { TAGS_MAX, TYPE_BYTES_MAX } from "./store/shared/meta.ts";
export const TAG_BYTES_MAX = 256;

/** The expiry of the record of a missing key: no read takes it for an entry. */
const NEVER_FRESH = 0;
const NOTHING: Bytes = { bytes: Buffer.alloc(0), start: 0, end: 0 };

/** What a `get` wants beside a fresh value. */
export interface GetOptions {
  /** Duration of the lease that the caller wants if there is no fresh value, in ms. */
  readonly leaseMs?: number | undefined;
  /** Whether a stale value is wanted, too; with a lease it is. */
  readonly servesStale?: boolean | undefined;
}

const FRESH_ONLY: GetOptions = { leaseMs: undefined, servesStale: false };

export interface Found {
  /** Bytes of the value, which were appended; MISS if there is none. */
  readonly length: number;
  readonly isStale: boolean;
  /** The end of freshness; NEVER for a value that stays fresh. 0 without a value. */
  readonly expiresAtMs: number;
  /** Undefined for an entry that was put without any of it, and without a value. */
  readonly meta: Meta | undefined;
  /** The token of the lease that the caller got. */
  readonly lease: string | undefined;
  /** When the lease of another caller ends, which was wanted; 0 if there is none. */
  readonly leaseEndsAtMs: number;
  /** Whether a lease was wanted, and the cache is full and does not evict. */
  readonly isFull: boolean;
}

/** An entry as `put` stores it. */
export interface NewEntry {
  readonly value: Bytes;
  readonly expiresAtMs: number;
  /** The time after the expiry for which the value may be served as stale. */
  readonly staleMs?: number | undefined;
  /** From `hashTags`; at most TAGS_MAX. */
  readonly tags?: readonly TagHash[];
  /** At most TYPE_BYTES_MAX characters U+0020 to U+00FF. */
  readonly contentType?: string;
  /** The token of a lease: the entry is stored only if the lease is valid. */
  readonly lease?: string | undefined;
  /** The entry is stored only if this returns true for the fresh entry, or undefined for none. */
  readonly condition?: (entry: ShownRecord | undefined) => boolean;
}

/**
 * Why a lease is void: its key was put since; another caller has a newer lease; a tag was invalidated
 * since; or its record is gone: by a delete, an invalidation, eviction, or long after its end.
 */
export type VoidReason = "written" | "newer lease" | "invalidated" | "gone";

/** "full": the cache is full and does not evict. "unmet": the condition is false. */
export type PutOutcome = "created" | "replaced" | "full" | "unmet" | VoidReason;

/** Returns the shard of a key, and the key's hash. */
export type Locate = (key: Bytes) => { readonly shard: Shard; readonly hash: number };

const NOT_FOUND: Found = {
  ...{ length: MISS, isStale: false, expiresAtMs: 0, meta: undefined, lease: undefined },
  ...{ leaseEndsAtMs: 0, isFull: false },
};

/** The hashes of tags, for `put` and `invalidate`. O(bytes). */
export function hashTags(tags: readonly Bytes[]): TagHash[] {
  return tags.map(tagHash);
}

export class Leases {
  readonly #locate: Locate;
  readonly tables: Tables;
  readonly #lifetimes: Lifetimes;
  readonly #counters: Counters;

  constructor(locate: Locate, tables: Tables, counters: Counters, lifetimes: Lifetimes) {
    this.#lifetimes = lifetimes;
    this.#locate = locate;
    this.tables = tables;
    this.#counters = counters;
  }

  /**
   * Appends the value to `into`, or gives the right to compute it. For a stale value both. Counts as a
   * get. Takes the lock of the shard only if a lease is wanted and there is no fresh value. O(value).
   */
  get(key: Bytes, nowMs: number, into: ByteBuffer, options: GetOptions = FRESH_ONLY): Found {
    const { leaseMs } = options;
    const servesStale = options.servesStale ?? leaseMs !== undefined;
    const { shard, hash } = this.#locate(key);
    const start = into.end;
    const found = shard.read(key, nowMs, into, hash);
    const isServed = found !== undefined && (!found.isStale || servesStale);
    if (!isServed) into.end = start;
    this.#counters.add(isServed ? "hit" : "miss");
    if (isServed && found.isStale) this.#counters.add("staleServed");
    if (leaseMs === undefined || (isServed && !found.isStale)) {
      if (!isServed) return NOT_FOUND;
      const { length, isStale, expiresAtMs, meta } = found;
      return foundWithout(length, isStale, expiresAtMs, meta);
    }
    into.end = start;
    return this.#lease(shard, hash, key, { nowMs, leaseMs }, into);
  }

  /** Stores the entry, or says why not. Throws RangeError as Cache.put does. O(value + tags). */
  put(key: Bytes, entry: NewEntry, nowMs: number): PutOutcome {
    const { value, expiresAtMs, tags = [], contentType = "" } = entry;
    const staleUntilMs = staleEndOf(this.#lifetimes, expiresAtMs, entry.staleMs, nowMs);
    const { shard, hash } = this.#locate(key);
    let outcome: PutOutcome = "created";
    const isStored = shard.updateRecord(
      key,
      nowMs,
      (record): Change => {
        // Read under the lock: between an invalidation that voids the entry and its store no lease is given.
        const { stamp } = this.tables.tags;
        const fresh = record?.state === "fresh" ? record : undefined;
        outcome = fresh === undefined ? "created" : "replaced";
        const lease =
          entry.lease === undefined ? undefined : this.#check(record, entry.lease, tags);
        if (typeof lease === "string") outcome = lease;
        else if (entry.condition?.(fresh) === false) outcome = "unmet";
        // A lease that is void and still recorded ends, so that its key is free for the next caller.
        if (outcome === "invalidated") return "delete";
        if (outcome !== "created" && outcome !== "replaced") return "keep";
        const hasMeta = staleUntilMs > 0 || tags.length > 0 || contentType !== "";
        if (!hasMeta) return { value, expiresAtMs };
        const itsStamp = typeof lease === "object" ? lease.stamp : stamp;
        const facts = { staleUntilMs, storedAtMs: nowMs, stamp: itsStamp, tags, contentType };
        return { value, expiresAtMs, meta: { ...facts, lease: undefined } };
      },
      hash,
    );
    return isStored ? outcome : "full";
  }

  /** Ends the lease without a value; returns why it is void, or undefined. O(value of a stale entry). */
  release(key: Bytes, token: string, nowMs: number): VoidReason | undefined {
    const { shard, hash } = this.#locate(key);
    let reason: VoidReason | undefined;
    shard.updateRecord(
      key,
      nowMs,
      (record): Change => {
        const lease = this.#check(record, token, []);
        reason = typeof lease === "string" ? lease : undefined;
        if (reason === "invalidated") return "delete";
        if (reason !== undefined) return "keep";
        if (record?.state !== "stale") return "delete";
        return { ...record, meta: record.meta && { ...record.meta, lease: undefined } };
      },
      hash,
    );
    return reason;
  }

  /** Makes each entry with one of these tags a miss, and each of their leases void. O(tags). */
  invalidate(tags: readonly TagHash[]): void {
    this.tables.tags.invalidate(tags);
    this.#counters.add("invalidation", tags.length);
  }

  /** The word on which a thread waits for the end of a lease of this key. */
  wakeWordOf(key: Bytes): number {
    return this.tables.wakes.wordOf(this.#locate(key).hash);
  }

  /** The state of a word, which the caller reads before it looks at a lease. */
  wakeStateOf(word: number): number {
    return this.tables.wakes.load(word);
  }

  /** Resolves once a lease with this word has ended since the state `seen`; undefined if it has already. */
  waitForWake(word: number, seen: number): Promise<unknown> | undefined {
    return this.tables.wakes.waitAsync(word, seen);
  }

  /** Counts a request that begins or ends to wait; returns false if `max` of all threads wait already. */
  countWaiter(change: 1 | -1, max: number): boolean {
    if (!this.tables.wakes.count(change, max)) return false;
    if (change > 0) this.#counters.add("leaseWait");
    return true;
  }

  #lease(
    shard: Shard,
    hash: number,
    key: Bytes,
    { nowMs, leaseMs }: { nowMs: number; leaseMs: number },
    into: ByteBuffer,
  ): Found {
    let found: Found = NOT_FOUND;
    const isStored = shard.updateRecord(
      key,
      nowMs,
      (record): Change => {
        const value = record === undefined || record.state === "gone" ? undefined : record;
        if (value !== undefined) found = { ...NOT_FOUND, ...readingOf(value, into) };
        if (value?.state === "fresh") return "keep";
        const open = record?.meta?.lease;
        if (open !== undefined && open.endsAtMs > nowMs && this.#isCurrent(record)) {
          found = { ...found, leaseEndsAtMs: open.endsAtMs };
          return "keep";
        }
        // Read under the lock: the lease is valid when it is given.
        const { stamp } = this.tables.tags;
        const lease: Lease = { token: newToken(), endsAtMs: nowMs + leaseMs, stamp };
        found = { ...found, lease: lease.token };
        if (value !== undefined) return { ...value, meta: { ...metaOf(value, nowMs), lease } };
        const nothing = { staleUntilMs: 0, storedAtMs: nowMs, stamp, tags: [] };
        const meta = { ...nothing, contentType: "", lease };
        return { value: NOTHING, expiresAtMs: NEVER_FRESH, meta };
      },
      hash,
    );
    if (!isStored) return { ...found, lease: undefined, isFull: true };
    if (found.lease !== undefined) this.#counters.add("leaseGranted");
    return found;
  }

  /** The lease of the record if it has this token and none of the tags was invalidated since its grant. */
  #check(
    record: ShownRecord | undefined,
    token: string,
    tags: readonly TagHash[],
  ): Lease | VoidReason {
    if (record === undefined) return "gone";
    const lease = record.meta?.lease;
    if (lease === undefined) return record.state === "gone" ? "gone" : "written";
    if (lease.token !== token) return "newer lease";
    const isCurrent = this.#isCurrent(record) && this.tables.tags.areCurrent(tags, lease.stamp);
    return isCurrent ? lease : "invalidated";
  }

  /** Whether none of the record's tags was invalidated. */
  #isCurrent(record: ShownRecord | undefined): boolean {
    const meta = record?.meta;
    return meta === undefined || this.tables.tags.areCurrent(meta.tags, meta.stamp);
  }
}

function metaOf({ meta }: ShownRecord, nowMs: number): Meta {
  if (meta !== undefined) return meta;
  const times = { staleUntilMs: 0, storedAtMs: nowMs, stamp: 0 };
  return { ...times, tags: [], contentType: "", lease: undefined };
}

/** Returns a value of which no lease is wanted. One literal: a spread of a constant takes 0.1 µs more. */
function foundWithout(
  length: number,
  isStale: boolean,
  expiresAtMs: number,
  meta: Meta | undefined,
): Found {
  return { length, isStale, expiresAtMs, meta, lease: undefined, leaseEndsAtMs: 0, isFull: false };
}

/** Appends the value that `updateRecord` shows. */
function readingOf({ value, expiresAtMs, meta, state }: ShownRecord, into: ByteBuffer): Reading {
  into.appendRun(value.bytes, value.start, value.end);
  return { length: value.end - value.start, expiresAtMs, isStale: state === "stale", meta };
}
