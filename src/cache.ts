// The cache: a ring of shards and the counters. Every call that a protocol may
// make is here. No I/O, no timers, no globals; the caller reads the clock.
//
//   const memory = Cache.allocate(options, threads);   // once
//   const cache = new Cache(options, memory, thread);  // in every thread
//   cache.put(ByteBuffer.ofText("k"), ByteBuffer.ofText("v"), NEVER, Date.now());

import { xxh32 } from "./hash.ts";
import { HashRing } from "./ring.ts";
import type { ByteBuffer, Bytes } from "./store/bytes.ts";
import { allocateCounters, Counters, sumOf } from "./store/counters.ts";
import { SequenceLock } from "./store/lock.ts";
import { MapShard } from "./store/map-shard.ts";
import { SharedShard } from "./store/shared-shard.ts";
import { type Change, type Entry, MISS, type Shard, type ShardFigures } from "./store/shard.ts";

export { ByteBuffer, type Bytes } from "./store/bytes.ts";
export { type Change, type Entry, MISS, NEVER } from "./store/shard.ts";

export interface CacheOptions {
  /** "shared": entries in shared memory, for any number of threads; "map": in this thread's Maps. */
  readonly store: "shared" | "map";
  /** 1 to 65,535. */
  readonly shards: number;
  /** Points on the ring for each shard, at least 1. */
  readonly virtualNodes: number;
  /**
   * Address space for all shards of the shared store together, in bytes; it becomes memory
   * as it is used. A shard that has no more of it evicts its oldest entries.
   */
  readonly reservedBytes: number;
  /** The largest entry to make room for, in bytes. */
  readonly maxKeyBytes: number;
  readonly maxValueBytes: number;
}

const ALONE: CacheOptions = {
  store: "shared",
  shards: 64,
  virtualNodes: 1024,
  reservedBytes: 2 ** 28,
  maxKeyBytes: 1024,
  maxValueBytes: 2 ** 16,
};

/** What the threads of a cache share: plain data that may be sent to a worker. */
export interface CacheMemory {
  readonly counters: SharedArrayBuffer;
  /** By the shard's number; none for the store "map". */
  readonly shards: readonly SharedArrayBuffer[];
}

/** Sums over all shards and threads; counts since the start. */
export interface CacheFigures extends ShardFigures {
  readonly put: number;
  readonly hit: number;
  readonly miss: number;
  readonly deleted: number;
  /** Threads that `threadLost` was told of. */
  readonly lostThreads: number;
}

export class Cache {
  readonly #options: CacheOptions;
  #ring: HashRing | undefined;
  readonly #shards: readonly Shard[];
  readonly #counterMemory: SharedArrayBuffer;
  readonly #counters: Counters;
  /** The shard that the next sweep goes on with. */
  #sweeping = 0;

  /** Memory for an empty cache that `threads` threads may attach to. */
  static allocate(options: CacheOptions, threads: number): CacheMemory {
    const largest = SharedShard.bytesFor(options.maxKeyBytes, options.maxValueBytes);
    const bytes = Math.max(options.reservedBytes / options.shards, largest);
    const shared = options.store === "shared" ? options.shards : 0;
    return {
      counters: allocateCounters(threads),
      shards: Array.from({ length: shared }, () => SharedShard.allocate(bytes)),
    };
  }

  /** A cache for this thread alone; what is not given is as the service has it, for a small machine. */
  static create(options: Partial<CacheOptions> = {}): Cache {
    const all: CacheOptions = { ...ALONE, ...options };
    return new Cache(all, Cache.allocate(all, 1), 0);
  }

  /** Attaches as thread number `thread`, from 0: no two threads have the same one at a time. */
  constructor(options: CacheOptions, memory: CacheMemory, thread: number) {
    this.#options = options;
    const lock = new SequenceLock(thread);
    this.#shards =
      options.store === "shared"
        ? memory.shards.map((shard) => new SharedShard(shard, lock))
        : Array.from({ length: options.shards }, () => new MapShard());
    this.#counterMemory = memory.counters;
    this.#counters = new Counters(memory.counters, thread);
  }

  /** Built when it is first asked for: whoever only watches over the shards needs none. */
  get ring(): HashRing {
    const { shards, virtualNodes } = this.#options;
    return (this.#ring ??= new HashRing(shards, virtualNodes));
  }

  /** Appends the value to `into` and answers its length in bytes, or MISS. O(1). */
  get(key: Bytes, nowMs: number, into: ByteBuffer): number {
    const length = this.#shardOf(key).get(key, nowMs, into);
    this.#counters.add(length === MISS ? "miss" : "hit");
    return length;
  }

  /** Stores a copy of key and value until `deadlineMs` (NEVER: for good). O(1). */
  put(key: Bytes, value: Bytes, deadlineMs: number, nowMs: number): void {
    this.#shardOf(key).put(key, value, deadlineMs, nowMs);
    this.#counters.add("put");
  }

  /** Removes the entry; false if there was none. O(1). */
  delete(key: Bytes, nowMs: number): boolean {
    const removed = this.#shardOf(key).delete(key, nowMs);
    if (removed) this.#counters.add("delete");
    return removed;
  }

  /**
   * Read-modify-write in one step: `change` sees the live entry or undefined and
   * says what becomes of it. It must not call the cache. O(1).
   */
  update(key: Bytes, nowMs: number, change: (entry: Entry | undefined) => Change): void {
    this.#shardOf(key).update(key, nowMs, change);
  }

  /** Shows every live entry once, in no order; `visit` must not call the cache. O(entries). */
  scan(nowMs: number, visit: (key: Bytes, entry: Entry) => void): void {
    for (const shard of this.#shards) shard.scan(nowMs, visit);
  }

  /** Frees expired entries among the next `maxEntries`, shard after shard. O(maxEntries + shards). */
  sweep(nowMs: number, maxEntries: number): void {
    let left = maxEntries;
    for (let ended = 0; ended < this.#shards.length && left > 0; ended++) {
      left -= this.#shards[this.#sweeping]?.sweep(nowMs, left) ?? 0;
      // A shard that used up what was left may not be at its end: the next call goes on there.
      if (left > 0) this.#sweeping = (this.#sweeping + 1) % this.#shards.length;
    }
  }

  /**
   * For whoever watches over the threads: `thread` has ended and may have held a lock. Frees it;
   * a shard that it was writing to is then empty. Its number may be given away again. O(shards).
   */
  threadLost(thread: number): void {
    this.#counters.add("lostThread");
    for (const shard of this.#shards) if (shard instanceof SharedShard) shard.release(thread);
  }

  /** What each shard holds, by its number on the ring. */
  shardFigures(): ShardFigures[] {
    return this.#shards.map((shard) => shard.figures());
  }

  /** What the cache holds and has counted since the start; exact while nobody writes. O(shards). */
  figures(): CacheFigures {
    const figures = this.shardFigures();
    const sum = (name: keyof ShardFigures) =>
      figures.reduce((total, { [name]: n }) => total + n, 0);
    return {
      entries: sum("entries"),
      bytes: sum("bytes"),
      expired: sum("expired"),
      evicted: sum("evicted"),
      emptied: sum("emptied"),
      put: sumOf(this.#counterMemory, "put"),
      hit: sumOf(this.#counterMemory, "hit"),
      miss: sumOf(this.#counterMemory, "miss"),
      deleted: sumOf(this.#counterMemory, "delete"),
      lostThreads: sumOf(this.#counterMemory, "lostThread"),
    };
  }

  /** Throws if a law of any shard does not hold. O(entries), for tests. */
  check(): void {
    for (const shard of this.#shards) shard.check();
  }

  #shardOf(key: Bytes): Shard {
    return this.#shards[this.ring.shardOf(xxh32(key.bytes, key.start, key.end))] as Shard;
  }
}
