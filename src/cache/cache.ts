// The data plane of the cache: a ring of shards and the counters of gets. Every call that a protocol
// makes for an entry is here; maintenance.ts has the control plane. No I/O, no timers, no globals;
// the caller reads the clock.
//
//   const memory = Cache.allocate(options, threads);   // once
//   const cache = new Cache(options, memory, thread);  // in every thread
//   cache.put(ByteBuffer.ofText("k"), ByteBuffer.ofText("v"), NEVER, Date.now());

import { SINGLE_THREAD_DEFAULTS, type CacheOptions, fitOptions, shardMemory } from "./options.ts";
import { expiryOf } from "./lifetimes.ts";
import { Clock } from "./clock.ts";
import { ChangeFeed } from "./feed.ts";
import { keyedDigest, xxh32AndKeyed } from "./hash.ts";
import { Leases } from "./leases.ts";
import { allocateCache, type CacheMemory } from "./memory.ts";
import { Maintenance } from "./maintenance.ts";
import { Prefetcher } from "./prefetch.ts";
import { HashRing } from "./ring.ts";
import { scanShards } from "./scan.ts";
import { type RoutedKey, type ByteBuffer, type Bytes, MISS, type ValueList } from "./bytes.ts";
import { Counters } from "./store/counters.ts";
import { ShardSet, Steps } from "./steps.ts";
import { WatchTable } from "./watch-table.ts";
import { ChangeHook } from "./store/change-hook.ts";
import { SequenceLock } from "./store/shared/lock.ts";
import { MapShard } from "./store/map-shard.ts";
import { SharedShard } from "./store/shared/shared-shard.ts";
import { Tables } from "./store/shared/tables.ts";
import { type Change, type Entry, type Facts, SCAN_END, type Shard } from "./store/shard.ts";
import { NOT_ADDED } from "./store/shared/add.ts";
import { type SavedEntry, ShardCopy } from "./store/shared/copy.ts";

export type { CacheStats } from "./stats.ts";
export type { CacheMemory } from "./memory.ts";
export { type CacheOptions, fitOptions } from "./options.ts";
export {
  type ChangeConsumer,
  type ChangeHook,
  type ChangeKind,
  DELETED,
  EVICTED,
  EXPIRED,
  WRITTEN,
} from "./store/change-hook.ts";
export type { ShardSet } from "./steps.ts";
export { PREFETCH_MAX } from "./prefetch.ts";
export { type RoutedKey, ByteBuffer, type Bytes, freeBytes, MISS } from "./bytes.ts";
export {
  type Change,
  type Entry,
  type Facts,
  type Meta,
  type TimedValue,
  NEVER,
  type Revision,
  type ShardStats,
} from "./store/shard.ts";
export { type SavedEntry, ShardCopy } from "./store/shared/copy.ts";
export { NOT_ADDED } from "./store/shared/add.ts";
export { type ChangeFeed, type ChangeListener } from "./feed.ts";
export { NotHeldError } from "./store/call-guard.ts";

/**
 * Each thread samples one get in this many. A prime: a client that cycles through its keys is not
 * sampled at the same key in each round.
 */
export const SAMPLE_ONE_IN = 127;
/** Attempts to read several keys without locks, before their shards are locked. */
const READ_ATTEMPTS = 3;

export class Cache {
  readonly #options: CacheOptions;
  #ring: HashRing | undefined;
  readonly #shards: readonly Shard[];
  readonly #steps: Steps;
  /** The shards of the step that `atomically` runs. */
  readonly #shardSet: ShardSet;
  readonly #counters: Counters;
  /** The clock that callers read the time from. */
  readonly clock: Clock;
  /** The keys that change, for callers that wait for one or keep copies. */
  readonly feed: ChangeFeed;
  #sampleListener: (key: Bytes) => void = () => {};
  #untilSample = SAMPLE_ONE_IN;
  /** Seed of the hashes in the index. */
  readonly #seed: number;
  /** Hash of the key that was last routed to a shard. */
  #hash = 0;
  readonly #memories: readonly Int32Array[];
  #prefetcher: Prefetcher | undefined;
  /** Versions of the shards that `consistently` reads. */
  readonly #versions: number[] = [];
  readonly maintenance: Maintenance;
  /** Reports the changes of keys by this thread. */
  readonly changes: ChangeHook;
  /** For WatchedKeys. */
  readonly watchTable: WatchTable;
  readonly leases: Leases;

  static readonly allocate = allocateCache;

  /** A cache for the calling thread only. Missing options take SINGLE_THREAD_DEFAULTS. */
  static create(options: Partial<CacheOptions> = {}): Cache {
    const all = fitOptions({ ...SINGLE_THREAD_DEFAULTS, ...options });
    return new Cache(all, Cache.allocate(all, 1), 0);
  }

  /** Attaches as thread number `thread`, from 0. Two threads must not have the same number at one time. */
  constructor(options: CacheOptions, memory: CacheMemory, thread: number) {
    this.#options = options;
    this.changes = new ChangeHook(memory.changes, thread);
    this.watchTable = new WatchTable(memory.watches, options.shards, thread, this.changes);
    const counters = new Counters(memory.counters, thread);
    const lock = new SequenceLock(thread, (micros) => {
      counters.add("lockWait");
      counters.add("lockWaitMicros", micros);
    });
    const tables = new Tables(memory.tables, lock);
    this.#shards =
      options.store === "shared"
        ? memory.shards.map((shard, n) => {
            return new SharedShard(shard, lock, this.changes.ofShard(n), tables);
          })
        : Array.from({ length: options.shards }, (_, n) => {
            const hook = this.changes.ofShard(n);
            return new MapShard(shardMemory(options), options.evicts, lock.guard, hook, tables);
          });
    const shared = this.#shards.filter((shard) => shard instanceof SharedShard);
    this.#memories = shared.map(({ layout }) => layout.words);
    this.#seed = shared[0]?.layout.field("seed") ?? 0;
    this.#steps = new Steps(this.#shards, lock.guard);
    this.#shardSet = new ShardSet(this.#shards.length);
    this.clock = new Clock(memory.clock);
    this.feed = new ChangeFeed(memory.feed, thread, this.changes);
    this.#counters = counters;
    this.maintenance = new Maintenance(this.#shards, counters, memory.counters, this);
    const locate = (key: Bytes) => ({ shard: this.#shardOf(key), hash: this.#hash });
    this.leases = new Leases(locate, tables, counters, options);
  }

  /** The ring, which the first call builds in 40 to 50 ms: the supervisor's thread needs none. */
  get ring(): HashRing {
    const { shards, virtualNodes } = this.#options;
    return (this.#ring ??= new HashRing(shards, virtualNodes));
  }

  /** Builds the ring now, so that the first request does not wait for it. */
  warmUp(): void {
    void this.ring;
  }

  /** Appends the value to `into` and returns its length in bytes, or MISS. O(1). */
  get(key: Bytes, nowMs: number, into: ByteBuffer): number {
    const length = this.#shardOf(key).get(key, nowMs, into, this.#hash);
    this.#counters.add(length === MISS ? "miss" : "hit");
    if (--this.#untilSample === 0) this.#sample(key);
    return length;
  }

  /**
   * Appends the values of several keys, all as of one moment: each version is read with its value. If another
   * thread writes meanwhile, all are read again, and after READ_ATTEMPTS with a lock. O(keys + bytes).
   */
  getAll(keys: readonly Bytes[], nowMs: number, into: ValueList, attempts = READ_ATTEMPTS): void {
    const mark = into.out.end;
    for (let n = 0; n < keys.length; n++) {
      const key = keys[n] as Bytes;
      into.endBulk(this.get(key, nowMs, into.beginBulk()));
      this.#versions[n] = this.#shardOf(key).lastVersion;
    }
    if (this.#areUnchanged(keys)) return;
    into.out.end = mark;
    if (attempts > 1) this.getAll(keys, nowMs, into, attempts - 1);
    else this.atomically(keys, () => this.getAll(keys, nowMs, into));
  }

  /** Counts a get that was part of another call. */
  countGet(wasThere: boolean): void {
    this.#counters.add(wasThere ? "hit" : "miss");
  }

  /** Counts a get whose value its caller serves as stale. */
  countStaleServed(): void {
    this.#counters.add("staleServed");
  }

  /** Calls `listener` with the key of one get in SAMPLE_ONE_IN; its bytes are valid only during the call. */
  onSample(listener: (key: Bytes) => void): void {
    this.#sampleListener = listener;
  }

  /** Prefetches the memory of the first `count` keys, at most PREFETCH_MAX, for the calls that follow. O(count). */
  prefetch(keys: readonly RoutedKey[], count: number): void {
    if (this.#memories.length === 0) return;
    this.#prefetcher ??= new Prefetcher(this.#shards as SharedShard[], this.ring, this.#seed);
    this.#prefetcher.at(keys, count);
  }

  /** Bytes of the longest key. */
  get maxKeyBytes(): number {
    return this.#options.maxKeyBytes;
  }

  /** Bytes of the largest value that any key may have. */
  get maxValueBytes(): number {
    return this.#options.maxValueBytes;
  }

  /**
   * Stores a copy of key and value until `expiresAtMs`; NEVER means that the entry does not expire.
   * Returns false if the cache is full and does not evict; then nothing changes. `usesReserve`: the
   * entry may take the room that such a cache keeps for RENAME. Throws RangeError for an entry that
   * is too large. O(1).
   */
  put(key: Bytes, value: Bytes, expiresAtMs: number, nowMs: number, usesReserve = false): boolean {
    return this.#shardOf(key).put(key, value, expiresAtMs, nowMs, this.#hash, usesReserve);
  }

  /** Returns facts about a live entry without its value. `isHit`: eviction counts it as a hit. No lock. O(1). */
  look(key: Bytes, nowMs: number, isHit = false): Facts | undefined {
    return this.#shardOf(key).look(key, nowMs, isHit, this.#hash);
  }

  /** As `get` for the bytes from `first` to `last`, as in `rangeWithin`; does not count as a get. O(last - first). */
  getRange(key: Bytes, nowMs: number, first: number, last: number, into: ByteBuffer): number {
    return this.#shardOf(key).getRange(key, nowMs, first, last, into, this.#hash);
  }

  /** Removes the entry; returns false if there was none. O(1). */
  delete(key: Bytes, nowMs: number): boolean {
    return this.#shardOf(key).delete(key, nowMs, this.#hash);
  }

  /**
   * Read-modify-write in one step: `change` gets the live entry or undefined and returns the change.
   * It must not call the cache: that throws. Returns false as `put` does. O(1).
   */
  update(key: Bytes, nowMs: number, change: (entry: Entry | undefined) => Change): boolean {
    return this.#shardOf(key).update(key, nowMs, change, this.#hash);
  }

  /**
   * Adds to a number where it lies, in one step: the fast way for a counter. `delta` is an integer of less
   * than 2^31. Returns the sum, or NOT_ADDED if it is a case for `update`: then nothing has changed. The
   * sum is 0 to 10^9 - 1. O(1).
   */
  tryAdd(key: Bytes, delta: number, nowMs: number): number {
    const shard = this.#shardOf(key);
    return shard instanceof SharedShard ? shard.tryAdd(key, delta, nowMs, this.#hash) : NOT_ADDED;
  }

  /** When an entry with this time to live expires; without one, the default time to live counts. */
  expiresAtMs(ttlMs: number | undefined, nowMs: number): number {
    return expiryOf(this.#options, ttlMs, nowMs);
  }

  /**
   * Runs `work` as one step: meanwhile no other thread reads or writes these keys, or other keys of
   * their shards. `work` may get, put, delete and update these keys; other calls throw. Inside another
   * step `work` just runs, and may use the keys of that step. With a `stride` of 2 every other element
   * is a key. O(keys) beside `work`.
   */
  atomically<T>(keys: readonly Bytes[], work: () => T, stride = 1): T {
    const shards = this.#shardSet;
    if (!this.isInStep) {
      shards.clear();
      for (let n = 0; n < keys.length; n += stride) shards.add(this.#numberOf(keys[n] as Bytes));
    }
    return this.#steps.over(shards, work);
  }

  /** As `atomically`, for the keys of a set of shards. */
  atomicallyOver<T>(shards: ShardSet, work: () => T): T {
    return this.#steps.over(shards, work);
  }

  /** As `atomically` for all keys; `work` may also scan and clear. Throws inside a step of some keys. */
  exclusively<T>(work: () => T): T {
    return this.#steps.overAll(work);
  }

  /** Finds the shard and the hash of the key, which later calls then use. Returns the shard's number. O(1). */
  route(key: RoutedKey): number {
    key.shard = this.#numberOf(key);
    key.hash = this.#hash;
    return key.shard;
  }

  /** Returns an empty set of shards. */
  shardSet(): ShardSet {
    return new ShardSet(this.#shards.length);
  }

  /** As Steps.tryExtend. */
  readonly tryExtendStep = (): boolean => this.#steps.tryExtend();

  /** Whether this thread is running the `work` of a step over shards. */
  get isInStep(): boolean {
    return this.#steps.isRunning;
  }

  /**
   * Reads several keys as of one moment. If another thread writes meanwhile, `read` is called again;
   * after READ_ATTEMPTS the shards are locked. O(keys) beside `read`.
   */
  consistently(keys: readonly Bytes[], read: () => void): void {
    const versions = this.#versions;
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      for (let n = 0; n < keys.length; n++) versions[n] = this.#shardOf(keys[n] as Bytes).version();
      read();
      if (this.#areUnchanged(keys)) return;
    }
    this.atomically(keys, read);
  }

  /** Whether no thread has written to the keys' shards since `#versions`; a step of this thread holds them. */
  #areUnchanged(keys: readonly Bytes[]): boolean {
    if (this.isInStep) return true;
    for (let n = 0; n < keys.length; n++) {
      if (!this.#shardOf(keys[n] as Bytes).isUnchanged(this.#versions[n] as number)) return false;
    }
    return true;
  }

  /**
   * Calls `visit` for about `count` live entries and returns the position of the next call. A scan
   * starts at 0; a returned 0 means the end. The cache keeps no state for a scan: any thread may
   * continue it at any time. An entry that exists from the first call to the last is shown once, or
   * twice if it is written meanwhile. `visit` must not call the cache: that throws. O(count + shards).
   */
  scan(
    nowMs: number,
    position: number,
    count: number,
    visit: (key: Bytes, entry: Entry) => void,
  ): number {
    return scanShards(this.#shards, nowMs, position, count, visit);
  }

  /** Positions of a scan are less than this. */
  get scanEnd(): number {
    return this.#shards.length * SCAN_END;
  }

  /** Bytes of memory that an entry takes, with its slot in the index. */
  entryBytes(keyBytes: number, valueBytes: number, hasExpiry: boolean): number {
    const { store, evicts } = this.#options;
    return store === "shared"
      ? SharedShard.entryBytes(keyBytes, valueBytes, hasExpiry, evicts)
      : MapShard.entryBytes(keyBytes, valueBytes);
  }

  /** Deletes every entry, in one step. O(entries). */
  clear(): void {
    this.exclusively(() => {
      for (const shard of this.#shards) shard.clear();
    });
  }

  /** Returns a buffer for copies of one shard at a time; only for a cache in shared memory. */
  shardCopy(): ShardCopy {
    const bytes = Math.max(...this.#memories.map(({ byteLength }) => byteLength));
    return new ShardCopy(bytes, this.leases.tables);
  }

  /** Copies the shard with this number as of this moment; returns false while a thread writes to it. O(bytes in use). */
  tryCopyShard(number: number, copy: ShardCopy): boolean {
    const shard = this.#shards[number];
    if (!(shard instanceof SharedShard)) throw new Error(`no shard ${number} in shared memory`);
    return shard.tryCopyTo(copy);
  }

  /** Stores an entry of a snapshot in the shard that the ring names; returns false as `put` does. O(1) on average. */
  restore(entry: SavedEntry, nowMs: number): boolean {
    const shard = this.#shards[this.#numberOf(entry.key)];
    if (!(shard instanceof SharedShard)) throw new Error("no shards in shared memory");
    return shard.restore(entry, nowMs, this.#hash);
  }

  #sample(key: Bytes): void {
    this.#untilSample = SAMPLE_ONE_IN;
    this.#sampleListener(key);
  }

  /** Returns the number of the key's shard, and sets `#hash` to the key's hash. */
  #numberOf(key: Bytes): number {
    const { shard = -1 } = key;
    if (shard >= 0) {
      this.#hash = key.hash ?? 0;
      return shard;
    }
    const ringHash = xxh32AndKeyed(key.bytes, key.start, key.end, this.#seed);
    this.#hash = keyedDigest;
    return this.ring.shardOf(ringHash);
  }

  #shardOf(key: Bytes): Shard {
    return this.#shards[this.#numberOf(key)] as Shard;
  }
}
