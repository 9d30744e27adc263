// A shard in shared memory: each thread that attaches to it reads and writes the same records.
// Index, log and ghosts lie in one SharedArrayBuffer (layout.ts), whose size bounds the shard.
//
//   get:  sequence; find in index; copy out; same sequence? mark the hit : again
//   put:  lock; find; fits where the old value was? there : append to log; unlock
//
// A full shard cleans and evicts (reclaim.ts). A critical section that fails leaves the shard
// empty, not half written.
//
// Source: freecache (cache.go, `Get` and `Set`: log and index a segment).

import { type ByteBuffer, type Bytes, MISS } from "../../bytes.ts";
import { randomSeed } from "../../hash.ts";
import { Changer, RECORD_SHARE_MAX } from "./change.ts";
import { verifyShard } from "./verify.ts";
import * as records from "./records.ts";
import { statsOf } from "./stats.ts";
import * as index from "./key-index.ts";
import { recordBytesOf, isRoomy, Layout } from "./layout.ts";
import { SequenceLock } from "./lock.ts";
import * as log from "./log.ts";
import { Reader } from "./read.ts";
import { type Change, type Entry, type Facts, type Shard, type ShardStats } from "../shard.ts";
import type { CallGuard } from "../call-guard.ts";
import { NO_HOOK, type ShardHook } from "../change-hook.ts";
import type { SavedEntry, ShardCopy } from "./copy.ts";
import { shardBytes } from "./shard-size.ts";
import * as puts from "./put.ts";
import * as scans from "./scan.ts";

/** Attempts of a reader before it takes the lock. */
const READ_ATTEMPTS = 8;
/** Entries that a sweep reads before it lets other threads take the lock. */
const SWEEP_CHUNK = 128;

export class SharedShard implements Shard {
  readonly #layout: Layout;
  readonly #lock: SequenceLock;
  readonly #guard: CallGuard;
  /** Set by `lock`: all calls of this thread until `unlock` are one critical section. */
  #isHeld = false;
  readonly #reader: Reader;
  readonly #shown = scans.newShownEntry();
  readonly #changer: Changer;

  /**
   * Memory for an empty shard of about `bytes` (2^13 to 2^31), which become resident as they are
   * used. One that is full evicts, or else takes no new records. `seed` is that of the index's hash.
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

  /** The smallest shard, in bytes, that takes records of these lengths. */
  static bytesFor(keyBytes: number, valueBytes: number): number {
    return recordBytesOf(keyBytes, valueBytes, true) / RECORD_SHARE_MAX;
  }

  /** Bytes of the largest value that a shard of `bytes` takes with a key of this length. */
  static largestValue(bytes: number, keyBytes: number): number {
    return Math.floor(shardBytes(bytes) * RECORD_SHARE_MAX) - recordBytesOf(keyBytes, 0, true);
  }

  /** Bytes that an entry takes, with its slot in a full index. */
  static entryBytes(
    keyBytes: number,
    valueBytes: number,
    hasExpiry: boolean,
    evicts: boolean,
  ): number {
    const hasRoom = isRoomy(valueBytes, hasExpiry, evicts);
    return recordBytesOf(keyBytes, valueBytes, hasRoom) + index.BYTES_PER_ENTRY;
  }

  /** Attaches to a shard's memory with the lock of this thread, and reports changes to the hook. */
  constructor(memory: SharedArrayBuffer, lock: SequenceLock, hook: ShardHook = NO_HOOK) {
    this.#layout = new Layout(memory);
    this.#layout.listeners = hook.words;
    this.#layout.hook = hook;
    this.#lock = lock;
    this.#guard = lock.guard;
    this.#reader = new Reader(this.#layout, lock);
    this.#changer = new Changer(this.#layout);
  }

  get(
    key: Bytes,
    nowMs: number,
    into: ByteBuffer,
    hash = records.hashOf(this.#layout, key),
  ): number {
    this.#checkCall();
    for (let attempt = this.#isHeld ? READ_ATTEMPTS : 0; attempt < READ_ATTEMPTS; attempt++) {
      const sequence = this.#lock.readBegin(this.#layout.words);
      const end = into.end;
      if (this.#lock.isFree(sequence)) {
        const length = this.#reader.value(hash, key, nowMs, into, sequence);
        if (!this.#lock.readRetry(this.#layout.words, sequence)) {
          if (length !== MISS) this.#reader.markHit();
          return length;
        }
        into.end = end;
      }
      Atomics.pause();
    }
    this.#enter();
    try {
      const length = this.#reader.value(hash, key, nowMs, into);
      if (length !== MISS) this.#reader.markHit();
      return length;
    } finally {
      this.#exit();
    }
  }

  look(
    key: Bytes,
    nowMs: number,
    isHit: boolean,
    hash = records.hashOf(this.#layout, key),
  ): Facts | undefined {
    const facts = this.#reading(undefined, () => this.#reader.facts(hash, key, nowMs));
    if (isHit && facts !== undefined) this.#reader.markHit();
    return facts;
  }

  getRange(
    key: Bytes,
    nowMs: number,
    first: number,
    last: number,
    into: ByteBuffer,
    hash = records.hashOf(this.#layout, key),
  ): number {
    const bytes = this.#reading(into, (sequence) =>
      this.#reader.range(hash, key, nowMs, first, last, into, sequence),
    );
    if (bytes !== MISS) this.#reader.markHit();
    return bytes;
  }

  put(
    key: Bytes,
    value: Bytes,
    expiresAtMs: number,
    nowMs: number,
    hash = records.hashOf(this.#layout, key),
    usesReserve = false,
  ): boolean {
    this.#changer.checkSize(key, value.end - value.start);
    const layout = this.#layout;
    this.#enter();
    try {
      layout.setField("isWriting", 1);
      const slot = index.find(layout, hash, key);
      const isStored = puts.store(layout, hash, key, value, expiresAtMs, nowMs, slot, usesReserve);
      layout.setField("isWriting", 0);
      return isStored;
    } finally {
      this.#exit();
    }
  }

  /** As `put`, for an entry of a snapshot. */
  restore(
    entry: SavedEntry,
    nowMs: number,
    hash = records.hashOf(this.#layout, entry.key),
  ): boolean {
    this.#changer.checkSize(entry.key, entry.value.end - entry.value.start);
    this.#enter();
    try {
      this.#layout.setField("isWriting", 1);
      const isStored = puts.restore(this.#layout, hash, entry, nowMs);
      this.#layout.setField("isWriting", 0);
      return isStored;
    } finally {
      this.#exit();
    }
  }

  /** Copies the shard as of this moment; returns false if another thread, which may be dead, has its lock. */
  tryCopyTo(copy: ShardCopy): boolean {
    if (!this.#lock.tryLock(this.#layout.words)) return false;
    try {
      copy.fill(this.#layout);
    } finally {
      this.#exit();
    }
    return true;
  }

  get seed(): number {
    return this.#layout.field("seed");
  }

  get layout(): Layout {
    return this.#layout;
  }

  delete(key: Bytes, nowMs: number, hash = records.hashOf(this.#layout, key)): boolean {
    this.#enter();
    try {
      const slot = index.find(this.#layout, hash, key);
      if (slot === index.NO_SLOT) return false;
      this.#layout.setField("isWriting", 1);
      const wasAlive = records.remove(this.#layout, slot, nowMs, "deleted");
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
    hash = records.hashOf(this.#layout, key),
  ): boolean {
    this.#enter();
    try {
      const slot = index.find(this.#layout, hash, key);
      // `change` may throw: nothing is half written while it runs.
      this.#guard.setShowing(true);
      const result = change(
        slot === index.NO_SLOT ? undefined : scans.entryAt(this.#layout, slot, nowMs, this.#shown),
      );
      if (result === "keep") return true;
      if (result !== "delete") {
        this.#changer.checkSize(key, this.#changer.bytesAfter(result, slot, nowMs));
      }
      this.#layout.setField("isWriting", 1);
      const isStored = this.#changer.apply(hash, key, slot, result, nowMs);
      this.#layout.setField("isWriting", 0);
      return isStored;
    } finally {
      this.#guard.setShowing(false);
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
      this.#guard.setShowing(true);
      return scans.scan(this.#layout, nowMs, position, count, visit, this.#shown);
    } finally {
      this.#guard.setShowing(false);
      this.#exit();
    }
  }

  clear(): void {
    this.#enter();
    try {
      this.#layout.setField("isWriting", 1);
      this.#layout.addToCounter("deleted", this.#layout.field("entries"));
      this.#empty();
    } finally {
      this.#exit();
    }
  }

  lock(): void {
    this.#lock.lock(this.#layout.words);
    this.#isHeld = true;
    this.#guard.addHeld(1);
  }

  unlock(): void {
    this.#isHeld = false;
    this.#guard.addHeld(-1);
    this.#exit();
  }

  version(): number {
    return this.#lock.readBegin(this.#layout.words);
  }

  isUnchanged(version: number): boolean {
    return this.#lock.isFree(version) && !this.#lock.readRetry(this.#layout.words, version);
  }

  /** As Shard.sweep, but skips a shard that another thread is writing to until the next round. */
  sweep(nowMs: number, maxEntries: number): number {
    let seen = 0;
    while (
      seen < maxEntries &&
      this.#layout.field("expiring") > 0 &&
      this.#lock.tryLock(this.#layout.words)
    ) {
      try {
        this.#layout.setField("isWriting", 1);
        seen += scans.sweep(this.#layout, nowMs, Math.min(SWEEP_CHUNK, maxEntries - seen));
        this.#layout.setField("isWriting", 0);
      } finally {
        this.#exit();
      }
      if (this.#layout.field("sweepSlot") === 0) return Math.min(seen, maxEntries - 1);
    }
    return Math.min(seen, maxEntries);
  }

  /**
   * Returns the bytes of key and value in the slot at `fraction` of the index, 0 to 1, and whether they
   * have expired; 0 bytes for an empty slot. It takes no lock, so a result may be wrong now and then.
   */
  peek(fraction: number, nowMs: number): { bytes: number; isExpired: boolean } {
    return scans.peek(this.#layout, Math.floor(fraction * this.#layout.field("slots")), nowMs);
  }

  stats(): ShardStats {
    return statsOf(this.#layout);
  }

  /**
   * Frees the lock if `thread`, which must have ended, holds it; if it was writing, the shard is emptied.
   * Returns whether it held the lock. For the supervisor.
   */
  recoverThread(thread: number): boolean {
    const held = this.#lock.stealFrom(this.#layout.words, thread);
    if (held) this.#exit();
    // The thread may have been woken to take the lock, and may have ended before it took it.
    else this.#lock.wakeAll(this.#layout.words);
    return held;
  }

  check(): void {
    this.#enter();
    try {
      verifyShard(this.#layout);
    } finally {
      this.#exit();
    }
  }

  /** Returns the result of a read as of one moment; repeats the read while other threads write. */
  #reading<T>(into: ByteBuffer | undefined, read: (sequence?: number) => T): T {
    this.#checkCall();
    const end = into?.end ?? 0;
    for (let attempt = this.#isHeld ? READ_ATTEMPTS : 0; attempt < READ_ATTEMPTS; attempt++) {
      const sequence = this.#lock.readBegin(this.#layout.words);
      if (this.#lock.isFree(sequence)) {
        const found = read(sequence);
        if (!this.#lock.readRetry(this.#layout.words, sequence)) return found;
        if (into !== undefined) into.end = end;
      }
      Atomics.pause();
    }
    this.#enter();
    try {
      return read();
    } finally {
      this.#exit();
    }
  }

  #checkCall(): void {
    if (this.#guard.isOn) this.#guard.check(this.#isHeld);
  }

  #enter(): void {
    this.#checkCall();
    if (!this.#isHeld) this.#lock.lock(this.#layout.words);
  }

  /** Ends a critical section. If it ended in the middle of a write, the shard is emptied. */
  #exit(): void {
    if (this.#layout.field("isWriting") !== 0) {
      this.#empty();
      this.#layout.addToCounter("emptied", 1);
    }
    if (!this.#isHeld) this.#lock.unlock(this.#layout.words);
  }

  #empty(): void {
    index.clear(this.#layout);
    log.reset(this.#layout);
    for (const field of ["bytes", "expiring", "sweepSlot", "isWriting"] as const) {
      this.#layout.setField(field, 0);
    }
    if (Atomics.load(this.#layout.listeners, 0) !== 0) this.#layout.hook?.emptied();
  }
}
