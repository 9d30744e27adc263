// The near cache of a worker: values of the upstream in the shards, each with the primary and the epoch
// that it was loaded from.
//
//   value in a shard: the value, then 4 bytes of epoch, then 1 byte of primary
//
// The trailer is behind the value, so that a hit cuts it off without a copy.
//
// Typed arrays: indexes are in range by construction.

import { type ByteBuffer, type Bytes, type Cache, type Change, MISS } from "../cache/cache.ts";
import { PREFIX_MARK } from "../cache/databases.ts";
import type { UpstreamStats } from "./stats.ts";
import type { LoadToken, Trust } from "./trust.ts";

/** Attempts to lock a shard at once, and then after a sleep of a millisecond each. */
const LOCK_SPINS = 100;
const LOCK_SLEEPS = 10;

/** Bytes behind each near value. */
export const TRAILER_BYTES = 5;

export class NearCache {
  readonly #cache: Cache;
  readonly #trust: Trust;
  readonly #stats: UpstreamStats;
  readonly #prefixes: readonly Buffer[];
  readonly #nearTtlMs: number;

  constructor(
    cache: Cache,
    trust: Trust,
    stats: UpstreamStats,
    prefixes: readonly string[],
    nearTtlMs: number,
  ) {
    this.#cache = cache;
    this.#trust = trust;
    this.#stats = stats;
    this.#prefixes = prefixes.map((prefix) => Buffer.from(prefix));
    this.#nearTtlMs = nearTtlMs;
  }

  /**
   * Appends the near value to `into` and returns its length, or MISS: there is none, or it may not be served.
   * The caller discards what a MISS has appended. O(value).
   */
  read(key: Bytes, nowMs: number, into: ByteBuffer): number {
    const isSought = this.#prefixes.length === 0 || this.mayKeep(key);
    const length = isSought ? this.#cache.get(key, nowMs, into) : MISS;
    if (length === MISS) {
      this.#stats.add("misses");
      return MISS;
    }
    const { bytes, end } = into;
    const at = end - TRAILER_BYTES;
    into.end = at;
    if (this.#trust.holds(bytes[at + 4]!, epochAt(bytes, at), nowMs)) {
      this.#stats.add("hits");
      return length - TRAILER_BYTES;
    }
    into.end = end - length;
    this.#stats.add("misses");
    this.#stats.add("untrusted");
    return MISS;
  }

  /**
   * As `read`, for a key whose primary cannot be reached: until `staleMs` after the end of trust, but no value that
   * was flushed, that belongs to another primary by now, or that this node has written since.
   */
  readStale(key: Bytes, nowMs: number, into: ByteBuffer, staleMs: number): number {
    const length = this.#cache.get(key, nowMs, into);
    if (length === MISS) return MISS;
    const { bytes, end } = into;
    const at = end - TRAILER_BYTES;
    into.end = at;
    if (this.#trust.holdsStale(bytes[at + 4]!, epochAt(bytes, at), nowMs, staleMs)) {
      this.#cache.countStaleServed();
      return length - TRAILER_BYTES;
    }
    into.end = end - length;
    return MISS;
  }

  /** Whether this key may be kept near. O(prefixes). */
  mayKeep({ bytes, start, end }: Bytes): boolean {
    // In the shards, such a key would belong to another database.
    if (bytes[start] === PREFIX_MARK || end - start > this.#cache.maxKeyBytes) return false;
    if (this.#prefixes.length === 0) return true;
    for (const prefix of this.#prefixes) {
      const prefixEnd = start + prefix.length;
      // Without a view: of a key that passes, this is most of the near cache's work.
      if (prefixEnd <= end && prefix.compare(bytes, start, prefixEnd) === 0) return true;
    }
    return false;
  }

  /**
   * Keeps a loaded value if nothing has changed since its load was sent at `sentMs` of the cache's clock.
   * `pttlMs` is the answer of PTTL. The check and the put are one step. O(value).
   */
  fill(key: Bytes, value: Buffer, pttlMs: number, token: LoadToken, sentMs: number): void {
    const length = value.length + TRAILER_BYTES;
    // -2: the key is gone already.
    if (pttlMs === -2 || length > this.#cache.maxValueBytes) return;
    const bytes = Buffer.allocUnsafe(length);
    value.copy(bytes);
    bytes.writeInt32LE(token.epoch, value.length);
    bytes[value.length + 4] = token.primary;
    const lifetimeMs = pttlMs === -1 ? this.#nearTtlMs : Math.min(pttlMs, this.#nearTtlMs);
    const entry = { value: { bytes, start: 0, end: length }, expiresAtMs: sentMs + lifetimeMs };
    let staleness: ReturnType<Trust["staleness"]>;
    const change = (): Change => {
      staleness = this.#trust.staleness(token);
      return staleness === undefined ? entry : "keep";
    };
    this.#cache.update(key, this.#cache.clock.now(), change);
    this.#stats.add(staleness === undefined ? "fills" : `dropped.${staleness}`);
  }

  /** Drops the near value, and voids the loads that are in flight. O(1). */
  invalidate(key: Bytes): void {
    // In this order: a load that fills between the two is deleted, and one that fills later sees the stripe.
    this.#trust.raiseStripe(key);
    if (this.mayKeep(key)) this.#cache.delete(key, this.#cache.clock.now());
  }

  /**
   * As `invalidate`, for the supervisor's thread. It frees the locks of threads that have ended, so it must
   * not wait for one without end: if it does not get the lock in time, it drops all near values.
   */
  invalidateInTime(key: Bytes): void {
    this.#trust.raiseStripe(key);
    if (!this.mayKeep(key) || this.#deletesInTime(key)) return;
    this.#trust.raiseAllEpochs();
    this.#stats.add("flushes.busy");
  }

  #deletesInTime(key: Bytes): boolean {
    const cache = this.#cache;
    const nowMs = cache.clock.now();
    const { bytes, start, end } = key;
    const routed = { bytes, start, end, shard: -1, hash: 0, slot: -1 };
    cache.route(routed);
    for (let attempt = 0; attempt < LOCK_SPINS + LOCK_SLEEPS; attempt++) {
      if (cache.maintenance.tryDelete(routed, nowMs)) return true;
      if (attempt < LOCK_SPINS) Atomics.pause();
      else Bun.sleepSync(1);
    }
    return false;
  }
}

function epochAt(bytes: Buffer, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
