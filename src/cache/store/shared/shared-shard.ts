// A shard in shared memory: each thread that attaches to it reads and writes the same records.
// Index, log and ghosts lie in one SharedArrayBuffer (layout.ts), whose size bounds the shard.
//
//   get:  sequence; find in index; copy out; same sequence? mark the hit : again
//   put:  lock; find; fits where the old value was? there : append to log; unlock
//
// A full shard cleans and evicts (reclaim.ts). A failed critical section leaves the shard empty.
// Source: freecache (cache.go, `Get` and `Set`: log and index a segment).

import { type ByteBuffer, type Bytes, MISS } from "../../bytes.ts";
import { allocateShard, emptyShard } from "./allocate.ts";
import { tryAdd } from "./add.ts";
import { Changer } from "./change.ts";
import { verifyShard } from "./verify.ts";
import * as records from "./records.ts";
import { statsOf } from "./stats.ts";
import * as databases from "./database-counts.ts";
import * as index from "./key-index.ts";
import { Layout } from "./layout.ts";
import { SequenceLock } from "./lock.ts";
import { Reader } from "./read.ts";
import type { Change, Entry, Facts, Reading, Shard, ShardStats, ShownRecord } from "../shard.ts";
import type { CallGuard } from "../call-guard.ts";
import { NO_HOOK, type ShardHook } from "../change-hook.ts";
import type { SavedEntry, ShardCopy } from "./copy.ts";
import { bytesFor, entryBytes, largestValue } from "./shard-size.ts";
import { Tables } from "./tables.ts";
import * as metaPut from "./meta-put.ts";
import * as puts from "./put.ts";
import * as scans from "./scan.ts";

/** Attempts of a reader before it takes the lock. */
const READ_ATTEMPTS = 8;
/** Entries that a sweep reads before it lets other threads take the lock. */
const SWEEP_CHUNK = 128;

export class SharedShard implements Shard {
  readonly layout: Layout;
  readonly #lock: SequenceLock;
  readonly #guard: CallGuard;
  /** Set by `lock`: all calls of this thread until `unlock` are one critical section. */
  #isHeld = false;
  readonly #reader: Reader;
  readonly #shown = scans.newShownEntry();
  readonly #changer: Changer;
  lastVersion = 0;

  static readonly allocate = allocateShard;
  static readonly bytesFor = bytesFor;
  static readonly largestValue = largestValue;
  static readonly entryBytes = entryBytes;

  /** Attaches to memory with the lock of this thread, reports to the hook, and uses the cache's tables. */
  constructor(
    memory: SharedArrayBuffer,
    lock: SequenceLock,
    hook: ShardHook = NO_HOOK,
    tables = new Tables(Tables.allocate(memory.byteLength), lock),
  ) {
    this.layout = new Layout(memory);
    this.layout.listeners = hook.words;
    this.layout.hook = hook;
    this.layout.tables = tables;
    this.#lock = lock;
    this.#guard = lock.guard;
    this.#reader = new Reader(this.layout, lock);
    this.#changer = new Changer(this.layout);
  }

  get(
    key: Bytes,
    nowMs: number,
    into: ByteBuffer,
    hash = records.hashOf(this.layout, key),
  ): number {
    this.#checkCall();
    for (let attempt = this.#isHeld ? READ_ATTEMPTS : 0; attempt < READ_ATTEMPTS; attempt++) {
      const sequence = (this.lastVersion = this.#lock.readBegin(this.layout.words));
      const end = into.end;
      if (this.#lock.isFree(sequence)) {
        const length = this.#reader.value(hash, key, nowMs, into, sequence);
        if (!this.#lock.readRetry(this.layout.words, sequence)) {
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
    hash = records.hashOf(this.layout, key),
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
    hash = records.hashOf(this.layout, key),
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
    hash = records.hashOf(this.layout, key),
    usesReserve = false,
  ): boolean {
    this.#changer.checkSize(key, value.end - value.start);
    const layout = this.layout;
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
    hash = records.hashOf(this.layout, entry.key),
  ): boolean {
    this.#changer.checkSize(entry.key, entry.value.end - entry.value.start);
    return this.#locked(() => {
      this.layout.setField("isWriting", 1);
      const isStored = metaPut.restore(this.layout, hash, entry, nowMs);
      this.layout.setField("isWriting", 0);
      return isStored;
    });
  }

  /** Copies the shard as of this moment; returns false if another thread, which may be dead, has its lock. */
  tryCopyTo(copy: ShardCopy): boolean {
    if (!this.#lock.tryLock(this.layout.words)) return false;
    try {
      copy.fill(this.layout);
    } finally {
      this.#exit();
    }
    return true;
  }

  delete(key: Bytes, nowMs: number, hash = records.hashOf(this.layout, key)): boolean {
    this.#enter();
    try {
      const slot = index.find(this.layout, hash, key);
      if (slot === index.NO_SLOT) return false;
      this.layout.setField("isWriting", 1);
      const wasAlive = records.remove(this.layout, slot, nowMs, "deleted");
      this.layout.setField("isWriting", 0);
      return wasAlive;
    } finally {
      this.#exit();
    }
  }

  read(
    key: Bytes,
    nowMs: number,
    into: ByteBuffer,
    hash = records.hashOf(this.layout, key),
  ): Reading | undefined {
    const found = this.#reading(into, (sequence) =>
      this.#reader.reading(hash, key, nowMs, into, sequence),
    );
    if (found !== undefined) this.#reader.markHit();
    return found;
  }

  update(
    key: Bytes,
    nowMs: number,
    change: (entry: Entry | undefined) => Change,
    hash = records.hashOf(this.layout, key),
  ): boolean {
    return this.#update(hash, key, nowMs, scans.entryAt, change);
  }

  /** As Cache.tryAdd. */
  tryAdd(key: Bytes, delta: number, nowMs: number, hash: number): number {
    this.#enter();
    try {
      this.layout.setField("isWriting", 1);
      const sum = tryAdd(this.layout, hash, key, delta, nowMs);
      this.layout.setField("isWriting", 0);
      return sum;
    } finally {
      this.#exit();
    }
  }

  updateRecord(
    key: Bytes,
    nowMs: number,
    change: (record: ShownRecord | undefined) => Change,
    hash = records.hashOf(this.layout, key),
  ): boolean {
    return this.#update(hash, key, nowMs, scans.recordAt, change);
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
      return scans.scan(this.layout, nowMs, position, count, visit, this.#shown);
    } finally {
      this.#guard.setShowing(false);
      this.#exit();
    }
  }

  clear(): void {
    this.#locked(() => {
      this.layout.setField("isWriting", 1);
      this.layout.addToCounter("deleted", statsOf(this.layout).entries);
      emptyShard(this.layout);
    });
  }

  lock(mayWait = true): boolean {
    if (mayWait) this.#lock.lock(this.layout.words);
    else if (!this.#lock.tryLock(this.layout.words)) return false;
    this.#guard.addHeld(1);
    return (this.#isHeld = true);
  }

  unlock(): void {
    this.#isHeld = false;
    this.#guard.addHeld(-1);
    this.#exit();
  }

  version(): number {
    return this.#lock.readBegin(this.layout.words);
  }

  isUnchanged(version: number): boolean {
    return this.#lock.isFree(version) && !this.#lock.readRetry(this.layout.words, version);
  }

  /** As Shard.sweep, but skips a shard that another thread is writing to until the next round. */
  sweep(nowMs: number, maxEntries: number): number {
    let seen = 0;
    while (
      seen < maxEntries &&
      this.layout.field("expiring") > 0 &&
      this.#lock.tryLock(this.layout.words)
    ) {
      try {
        this.layout.setField("isWriting", 1);
        seen += scans.sweep(this.layout, nowMs, Math.min(SWEEP_CHUNK, maxEntries - seen));
        this.layout.setField("isWriting", 0);
      } finally {
        this.#exit();
      }
      if (this.layout.field("sweepSlot") === 0) return Math.min(seen, maxEntries - 1);
    }
    return Math.min(seen, maxEntries);
  }

  /**
   * Returns the bytes of key and value in the slot at `fraction` of the index, 0 to 1, and whether they
   * have expired; 0 bytes for an empty slot. It takes no lock, so a result may be wrong now and then.
   */
  peek(fraction: number, nowMs: number): { bytes: number; isExpired: boolean } {
    return scans.peek(this.layout, Math.floor(fraction * this.layout.field("slots")), nowMs);
  }

  stats(): ShardStats {
    return statsOf(this.layout);
  }

  addDatabaseCounts(into: Float64Array): void {
    databases.addTo(this.layout, into);
  }

  /**
   * Frees the lock if `thread`, which must have ended, holds it; if it was writing, the shard is emptied.
   * Returns whether it held the lock. For the supervisor.
   */
  recoverThread(thread: number): boolean {
    const held = this.#lock.stealFrom(this.layout.words, thread);
    if (held) this.#exit();
    // The thread may have been woken to take the lock, and may have ended before it took it.
    else this.#lock.wakeAll(this.layout.words);
    return held;
  }

  check(): void {
    this.#locked(() => verifyShard(this.layout));
  }

  /** Returns the result of a read as of one moment; repeats the read while other threads write. */
  #reading<T>(into: ByteBuffer | undefined, read: (sequence?: number) => T): T {
    this.#checkCall();
    const end = into?.end ?? 0;
    for (let attempt = this.#isHeld ? READ_ATTEMPTS : 0; attempt < READ_ATTEMPTS; attempt++) {
      const sequence = this.#lock.readBegin(this.layout.words);
      if (this.#lock.isFree(sequence)) {
        const found = read(sequence);
        if (!this.#lock.readRetry(this.layout.words, sequence)) return found;
        if (into !== undefined) into.end = end;
      }
      Atomics.pause();
    }
    return this.#locked(read);
  }

  #update<T>(
    hash: number,
    key: Bytes,
    nowMs: number,
    show: (layout: Layout, slot: number, nowMs: number, shown: scans.ShownEntry) => T | undefined,
    change: (shown: T | undefined) => Change,
  ): boolean {
    this.#enter();
    try {
      const slot = index.find(this.layout, hash, key);
      // `change` may throw: nothing is half written while it runs.
      this.#guard.setShowing(true);
      const isThere = slot !== index.NO_SLOT;
      const result = change(isThere ? show(this.layout, slot, nowMs, this.#shown) : undefined);
      if (result === "keep") return true;
      if (result !== "delete") {
        this.#changer.checkSize(key, this.#changer.bytesAfter(result, slot, nowMs));
      }
      this.layout.setField("isWriting", 1);
      const isStored = this.#changer.apply(hash, key, slot, result, nowMs);
      this.layout.setField("isWriting", 0);
      return isStored;
    } finally {
      this.#guard.setShowing(false);
      this.#exit();
    }
  }

  /** Runs `work` with the lock. The hot functions do the same without a closure. */
  #locked<T>(work: () => T): T {
    this.#enter();
    try {
      return work();
    } finally {
      this.#exit();
    }
  }

  #checkCall(): void {
    if (this.#guard.isOn) this.#guard.check(this.#isHeld);
  }

  #enter(): void {
    this.#checkCall();
    if (!this.#isHeld) this.#lock.lock(this.layout.words);
  }

  /** Ends a critical section. If it ended in the middle of a write, the shard is emptied. */
  #exit(): void {
    if (this.layout.field("isWriting") !== 0) {
      emptyShard(this.layout);
      this.layout.addToCounter("emptied", 1);
    }
    if (!this.#isHeld) this.#lock.unlock(this.layout.words);
  }
}
