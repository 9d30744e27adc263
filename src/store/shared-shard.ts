// A shard in shared memory: any thread that attaches to it reads and writes the
// same entries. Index, log and ghosts lie in one SharedArrayBuffer (layout.ts),
// whose size bounds the shard.
//
//   get:  sequence; find in index; copy out; same sequence? mark the hit : again
//   put:  lock; find; fits where the old value was? there : append to log; unlock
//
// What is full is cleaned and evicts (reclaim.ts). A critical section that fails
// leaves the shard empty, not half written.
//
// Sources: freecache (cache.go, `Get` and `Set`: log and index a segment);
// lock.ts; reclaim.ts.

import { ByteBuffer, type Bytes } from "./bytes.ts";
import { checkShard } from "./check-shard.ts";
import * as entries from "./entries.ts";
import { figuresOf } from "./figures.ts";
import * as index from "./key-index.ts";
import { extentOf, Layout, MAX_KEY_BYTES, shardBytes } from "./layout.ts";
import { SequenceLock } from "./lock.ts";
import * as log from "./log.ts";
import { type Change, type Entry, MISS, type Shard, type ShardFigures } from "./shard.ts";
import type { SavedEntry, ShardCopy } from "./shard-copy.ts";
import * as storing from "./storing.ts";
import * as walk from "./walk.ts";

/** Looks before a reader takes the lock instead. */
const READ_ATTEMPTS = 8;
/** Entries that a sweep looks at before it lets others have the lock. */
const SWEEP_CHUNK = 128;
/** A record is at most this part of the shard, and so a quarter of the least its log can be. */
const LARGEST_SHARE = 1 / 8;

/** Keys that were chosen to collide on the ring, whose hash is public, do not collide in the index. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Int32Array(1))[0] ?? 0;
}

export class SharedShard implements Shard {
  readonly #layout: Layout;
  readonly #lock: SequenceLock;
  readonly #largestExtent: number;
  /** By `hold`: what this thread does until `letGo` is one critical section. */
  #isHeld = false;
  /** What the last read found. */
  #found = index.NO_SLOT;
  #foundRecord = 0;
  /** Where `update` keeps a value that lies in the log it is about to change. */
  readonly #aside = new ByteBuffer(0);

  /**
   * Memory for an empty shard of about `bytes` (2^13 to 2^31), which become resident as they are
   * used. One that is full evicts, or else takes no new entries. `seed` is that of the index's hash.
   */
  static allocate(bytes: number, evicts = true, seed = randomSeed()): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(shardBytes(bytes));
    const layout = new Layout(memory);
    layout.setField("seed", seed);
    layout.setField("evicts", evicts ? 1 : 0);
    layout.setField("logSegments", layout.segments);
    log.reset(layout);
    return memory;
  }

  /** The least bytes of a shard that is to take records of these lengths. */
  static bytesFor(keyBytes: number, valueBytes: number): number {
    return extentOf(keyBytes, valueBytes, true) / LARGEST_SHARE;
  }

  /** Bytes of the largest value that a shard of `bytes` takes with a key of this length. */
  static largestValue(bytes: number, keyBytes: number): number {
    return Math.floor(shardBytes(bytes) * LARGEST_SHARE) - extentOf(keyBytes, 0, true);
  }

  /** What an entry takes, with a slot of an index that is full. */
  static entryBytes(keyBytes: number, valueBytes: number, isMortal: boolean): number {
    return extentOf(keyBytes, valueBytes, isMortal) + index.BYTES_AN_ENTRY;
  }

  /** Attaches to a shard's memory with the lock of this thread. */
  constructor(memory: SharedArrayBuffer, lock: SequenceLock) {
    this.#layout = new Layout(memory);
    this.#lock = lock;
    this.#largestExtent = memory.byteLength * LARGEST_SHARE;
  }

  get(
    key: Bytes,
    nowMs: number,
    into: ByteBuffer,
    hash = entries.hashOf(this.#layout, key),
  ): number {
    for (let attempt = this.#isHeld ? READ_ATTEMPTS : 0; attempt < READ_ATTEMPTS; attempt++) {
      const sequence = this.#lock.sequence(this.#layout.words);
      const end = into.end;
      if (this.#lock.isFree(sequence)) {
        const length = this.#read(hash, key, nowMs, into, sequence);
        if (this.#lock.isUnchanged(this.#layout.words, sequence)) {
          if (length !== MISS) this.#layout.markHit(this.#found, this.#foundRecord);
          return length;
        }
        into.end = end;
      }
      Atomics.pause();
    }
    this.#enter();
    try {
      const length = this.#read(hash, key, nowMs, into);
      if (length !== MISS) this.#layout.markHit(this.#found, this.#foundRecord);
      return length;
    } finally {
      this.#exit();
    }
  }

  put(
    key: Bytes,
    value: Bytes,
    deadlineMs: number,
    nowMs: number,
    hash = entries.hashOf(this.#layout, key),
  ): boolean {
    this.#refuseTooLarge(key, value);
    this.#enter();
    try {
      this.#layout.setField("isWriting", 1);
      const isStored = storing.store(this.#layout, hash, key, value, deadlineMs, nowMs);
      this.#layout.setField("isWriting", 0);
      return isStored;
    } finally {
      this.#exit();
    }
  }

  /** As `put`, for an entry of a snapshot. */
  restore(
    entry: SavedEntry,
    nowMs: number,
    hash = entries.hashOf(this.#layout, entry.key),
  ): boolean {
    this.#refuseTooLarge(entry.key, entry.value);
    this.#enter();
    try {
      this.#layout.setField("isWriting", 1);
      const isStored = storing.restore(this.#layout, hash, entry, nowMs);
      this.#layout.setField("isWriting", 0);
      return isStored;
    } finally {
      this.#exit();
    }
  }

  /**
   * Copies the shard as it is at this moment, unless another thread has its lock: then false. Whoever
   * sees to threads that have died must not wait for one of them.
   */
  tryCopyTo(copy: ShardCopy): boolean {
    if (!this.#lock.tryLock(this.#layout.words)) return false;
    try {
      copy.fill(this.#layout);
    } finally {
      this.#exit();
    }
    return true;
  }

  /** Of the hashes in the index. */
  get seed(): number {
    return this.#layout.field("seed");
  }

  /** All of the memory, for `Cache.lookAhead` to read from. */
  get words(): Int32Array {
    return this.#layout.words;
  }

  /** The word where the search for this hash begins. Without the lock it may be any. */
  firstWord(hash: number): number {
    return this.#layout.slotWord(index.homeOf(hash, this.#layout.field("slots")));
  }

  /** The word where the record of this hash begins, or 0. Without the lock it may be any. */
  recordWord(hash: number): number {
    return index.recordOfHash(this.#layout, hash) >> 2;
  }

  /** The word behind the record that begins at this one. Without the lock it may be any. */
  recordEndWord(word: number): number {
    return word + this.#layout.extentAt(word << 2) / 4;
  }

  delete(key: Bytes, nowMs: number, hash = entries.hashOf(this.#layout, key)): boolean {
    this.#enter();
    try {
      const slot = index.find(this.#layout, hash, key);
      if (slot === index.NO_SLOT) return false;
      this.#layout.setField("isWriting", 1);
      const wasAlive = entries.remove(this.#layout, slot, nowMs, "deleted");
      this.#layout.setField("isWriting", 0);
      return wasAlive;
    } finally {
      this.#exit();
    }
  }

  update(
    key: Bytes,
    nowMs: number,
    change: (entry: Entry | undefined) => Change,
    hash = entries.hashOf(this.#layout, key),
  ): boolean {
    this.#enter();
    try {
      const slot = index.find(this.#layout, hash, key);
      // Nothing is half written while `change` works: it may throw.
      const wanted = change(
        slot === index.NO_SLOT ? undefined : walk.entryAt(this.#layout, slot, nowMs),
      );
      if (wanted === "keep") return true;
      if (wanted !== "delete") this.#refuseTooLarge(key, wanted.value);
      this.#layout.setField("isWriting", 1);
      let isStored = true;
      if (wanted !== "delete") {
        const value = this.#outside(wanted.value);
        isStored = storing.store(this.#layout, hash, key, value, wanted.deadlineMs, nowMs, slot);
      } else if (slot !== index.NO_SLOT) entries.remove(this.#layout, slot, nowMs, "deleted");
      this.#layout.setField("isWriting", 0);
      return isStored;
    } finally {
      this.#exit();
    }
  }

  scan(
    nowMs: number,
    position: number,
    count: number,
    visit: (key: Bytes, entry: Entry) => void,
  ): number {
    this.#enter();
    try {
      return walk.scan(this.#layout, nowMs, position, count, visit);
    } finally {
      this.#exit();
    }
  }

  clear(): void {
    this.#enter();
    try {
      this.#layout.setField("isWriting", 1);
      this.#layout.addToTally("deleted", this.#layout.field("entries"));
      this.#empty();
    } finally {
      this.#exit();
    }
  }

  hold(): void {
    this.#lock.lock(this.#layout.words);
    this.#isHeld = true;
  }

  letGo(): void {
    this.#isHeld = false;
    this.#exit();
  }

  version(): number {
    return this.#lock.sequence(this.#layout.words);
  }

  isUnchanged(version: number): boolean {
    return this.#lock.isFree(version) && this.#lock.isUnchanged(this.#layout.words, version);
  }

  /** As Shard says, but a shard that another thread is writing to is left for the next round. */
  sweep(nowMs: number, maxEntries: number): number {
    let seen = 0;
    while (
      seen < maxEntries &&
      this.#layout.field("mortals") > 0 &&
      this.#lock.tryLock(this.#layout.words)
    ) {
      try {
        this.#layout.setField("isWriting", 1);
        seen += walk.sweep(this.#layout, nowMs, Math.min(SWEEP_CHUNK, maxEntries - seen));
        this.#layout.setField("isWriting", 0);
      } finally {
        this.#exit();
      }
      if (this.#layout.field("sweepSlot") === 0) return Math.min(seen, maxEntries - 1);
    }
    return Math.min(seen, maxEntries);
  }

  /**
   * Bytes of key and value in the slot of the index at `part` of it, 0 to 1, and whether they are
   * expired; 0 of an empty one. Without the lock: it may be nonsense now and then.
   */
  peek(part: number, nowMs: number): { bytes: number; isExpired: boolean } {
    return walk.peek(this.#layout, Math.floor(part * this.#layout.field("slots")), nowMs);
  }

  figures(): ShardFigures {
    return figuresOf(this.#layout);
  }

  /**
   * Frees the lock if `thread`, which must be no more, holds it; if it was writing, the shard is
   * then empty. Answers whether it held the lock. For the supervisor.
   */
  release(thread: number): boolean {
    const held = this.#lock.takeFrom(this.#layout.words, thread);
    if (held) this.#exit();
    // It may have been woken to take the lock and have ended instead.
    else this.#lock.wakeAll(this.#layout.words);
    return held;
  }

  check(): void {
    this.#enter();
    try {
      checkShard(this.#layout);
    } finally {
      this.#exit();
    }
  }

  /**
   * `sequence`: what was read of the lock before; none if this thread has it. Without the lock what
   * this reads may be nonsense: it stays inside the memory and ends.
   */
  #read(hash: number, key: Bytes, nowMs: number, into: ByteBuffer, sequence?: number): number {
    const layout = this.#layout;
    const slot = index.find(layout, hash, key);
    if (slot === index.NO_SLOT) return MISS;
    const record = layout.recordAt(slot);
    if (layout.deadlineOf(record) <= nowMs) return MISS;
    const start = layout.valueStart(record);
    const length = layout.valueLengthOf(record);
    if (!(length >= 0 && start + length <= layout.bytes.length)) return MISS;
    // A length that is nonsense must not make the buffer grow by a gigabyte.
    const mustGrow = into.end + length > into.bytes.length;
    if (mustGrow && sequence !== undefined && !this.#lock.isUnchanged(layout.words, sequence))
      return MISS;
    into.appendRun(layout.bytes, start, start + length);
    this.#found = slot;
    this.#foundRecord = record;
    return length;
  }

  #enter(): void {
    if (!this.#isHeld) this.#lock.lock(this.#layout.words);
  }

  /** Ends a critical section; one that has ended in the middle of a write leaves the shard empty. */
  #exit(): void {
    if (this.#layout.field("isWriting") !== 0) {
      this.#empty();
      this.#layout.addToTally("emptied", 1);
    }
    if (!this.#isHeld) this.#lock.unlock(this.#layout.words);
  }

  #empty(): void {
    index.clear(this.#layout);
    log.reset(this.#layout);
    for (const field of ["bytes", "mortals", "sweepSlot", "isWriting"] as const) {
      this.#layout.setField(field, 0);
    }
  }

  /** The value where a write to the log cannot change it. */
  #outside(value: Bytes): Bytes {
    if (value.bytes !== this.#layout.bytes) return value;
    this.#aside.clear();
    this.#aside.appendRun(value.bytes, value.start, value.end);
    return this.#aside;
  }

  #refuseTooLarge(key: Bytes, value: Bytes): void {
    const keyBytes = key.end - key.start;
    const extent = extentOf(keyBytes, value.end - value.start, true);
    if (keyBytes <= MAX_KEY_BYTES && extent <= this.#largestExtent) return;
    throw new RangeError(
      `a key of ${keyBytes} and a value of ${value.end - value.start} bytes: together at most ` +
        `${this.#largestExtent}, and the key ${MAX_KEY_BYTES}`,
    );
  }
}
