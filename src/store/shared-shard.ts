// A shard in shared memory: any thread that attaches to it reads and writes the
// same entries. Index and log lie in one SharedArrayBuffer (layout.ts).
//
//   get:  sequence; find in index; copy out; same sequence? else again
//   put:  lock; find; fits where the old value was? there : append to log; unlock
//
// The log is kept at most about a quarter dead: each append cleans a little of
// the segment with most dead bytes. When no segment is free the oldest is evicted.
// A critical section that fails leaves the shard empty, not half written.
//
// Sources: freecache (cache.go, `Get` and `Set`: log and index a segment);
// M. Rosenblum, J. K. Ousterhout, "The Design and Implementation of a
// Log-Structured File System", SOSP 1991, section 3.5 (cleaning); lock.ts.

import { xxh32 } from "../hash.ts";
import { ByteBuffer, type Bytes } from "./bytes.ts";
import { checkShard } from "./check-shard.ts";
import * as index from "./key-index.ts";
import { extentOf, Layout, MAX_KEY_BYTES, NO_SEGMENT, shardBytes } from "./layout.ts";
import { SequenceLock } from "./lock.ts";
import * as log from "./log.ts";
import { type Change, type Entry, MISS, type Shard, type ShardFigures } from "./shard.ts";

/** Looks before a reader takes the lock instead. */
const READ_ATTEMPTS = 8;
/** Bytes of a segment that an append looks through, for each byte it appends: more than the
 * four that keep a log in which every append kills a record at a quarter dead. */
const CLEANING_RATE = 5;
/** Entries that a sweep looks at before it lets others have the lock. */
const SWEEP_CHUNK = 128;
/** Empty slots that take as long to pass as one entry takes to look at: 4 ns each. */
const SLOTS_AN_ENTRY = 16;
/** A record is at most this part of the log: then two such runs in use leave room for a third. */
const LARGEST_SHARE = 1 / 8;

export class SharedShard implements Shard {
  readonly #layout: Layout;
  readonly #lock: SequenceLock;
  readonly #largestExtent: number;
  /** Where `update` keeps a value that lies in the log it is about to change. */
  readonly #aside = new ByteBuffer(0);

  /** Memory for an empty shard that reserves about `bytes` of address space (2^20 to 2^31). */
  static allocate(bytes: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(shardBytes(bytes));
    const layout = new Layout(memory);
    // Keys that were chosen to collide on the ring, whose hash is public, do not collide here.
    layout.setField("seed", crypto.getRandomValues(new Int32Array(1))[0] ?? 0);
    log.reset(layout);
    return memory;
  }

  /** Address space to reserve for a shard that is to take records of these lengths. */
  static bytesFor(keyBytes: number, valueBytes: number): number {
    // The log is more than half of the shard.
    return (2 * extentOf(keyBytes, valueBytes, true)) / LARGEST_SHARE;
  }

  /** Attaches to a shard's memory with the lock of this thread. */
  constructor(memory: SharedArrayBuffer, lock: SequenceLock) {
    this.#layout = new Layout(memory);
    this.#lock = lock;
    this.#largestExtent = this.#layout.logBytes * LARGEST_SHARE;
  }

  get(key: Bytes, nowMs: number, into: ByteBuffer): number {
    const hash = this.#hash(key);
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      const sequence = this.#lock.sequence(this.#layout.words);
      const end = into.end;
      if (this.#lock.isFree(sequence)) {
        const length = this.#read(hash, key, nowMs, into, sequence);
        if (this.#lock.isUnchanged(this.#layout.words, sequence)) return length;
        into.end = end;
      }
      Atomics.pause();
    }
    this.#lock.lock(this.#layout.words);
    try {
      return this.#read(hash, key, nowMs, into);
    } finally {
      this.#unlock();
    }
  }

  put(key: Bytes, value: Bytes, deadlineMs: number, nowMs: number): void {
    this.#refuseTooLarge(key, value);
    const hash = this.#hash(key);
    this.#lock.lock(this.#layout.words);
    try {
      this.#layout.setField("isWriting", 1);
      this.#store(hash, key, value, deadlineMs, nowMs);
      this.#layout.setField("isWriting", 0);
    } finally {
      this.#unlock();
    }
  }

  delete(key: Bytes, nowMs: number): boolean {
    const hash = this.#hash(key);
    this.#lock.lock(this.#layout.words);
    try {
      const slot = index.find(this.#layout, hash, key);
      if (slot === index.NO_SLOT) return false;
      this.#layout.setField("isWriting", 1);
      const wasAlive = this.#remove(slot, nowMs);
      this.#layout.setField("isWriting", 0);
      return wasAlive;
    } finally {
      this.#unlock();
    }
  }

  update(key: Bytes, nowMs: number, change: (entry: Entry | undefined) => Change): void {
    const hash = this.#hash(key);
    this.#lock.lock(this.#layout.words);
    try {
      const slot = index.find(this.#layout, hash, key);
      // Nothing is half written while `change` works: it may throw.
      const wanted = change(slot === index.NO_SLOT ? undefined : this.#entryAt(slot, nowMs));
      if (wanted === "keep") return;
      if (wanted !== "delete") this.#refuseTooLarge(key, wanted.value);
      this.#layout.setField("isWriting", 1);
      if (wanted !== "delete") {
        this.#store(hash, key, this.#outside(wanted.value), wanted.deadlineMs, nowMs);
      } else if (slot !== index.NO_SLOT) this.#remove(slot, nowMs);
      this.#layout.setField("isWriting", 0);
    } finally {
      this.#unlock();
    }
  }

  scan(nowMs: number, visit: (key: Bytes, entry: Entry) => void): void {
    const layout = this.#layout;
    this.#lock.lock(this.#layout.words);
    try {
      for (let slot = 0; slot < layout.field("slots"); slot++) {
        const record = layout.recordAt(slot);
        const entry = record === 0 ? undefined : this.#entryAt(slot, nowMs);
        if (entry !== undefined) visit(layout.keyOf(record), entry);
      }
    } finally {
      this.#unlock();
    }
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
        seen += this.#sweepChunk(nowMs, Math.min(SWEEP_CHUNK, maxEntries - seen));
        this.#layout.setField("isWriting", 0);
      } finally {
        this.#unlock();
      }
      if (this.#layout.field("sweepSlot") === 0) return Math.min(seen, maxEntries - 1);
    }
    return Math.min(seen, maxEntries);
  }

  figures(): ShardFigures {
    const layout = this.#layout;
    return {
      entries: layout.field("entries"),
      bytes: layout.field("bytes"),
      expired: layout.tally("expired"),
      evicted: layout.tally("evicted"),
      emptied: layout.tally("emptied"),
    };
  }

  /**
   * Frees the lock if `thread`, which must be no more, holds it; if it was writing, the shard is
   * then empty. Answers whether it held the lock. For the supervisor.
   */
  release(thread: number): boolean {
    const held = this.#lock.takeFrom(this.#layout.words, thread);
    if (held) this.#unlock();
    // It may have been woken to take the lock and have ended instead.
    else this.#lock.wakeAll(this.#layout.words);
    return held;
  }

  check(): void {
    this.#lock.lock(this.#layout.words);
    try {
      checkShard(this.#layout);
    } finally {
      this.#unlock();
    }
  }

  #hash(key: Bytes): number {
    return xxh32(key.bytes, key.start, key.end, this.#layout.field("seed"));
  }

  /**
   * `sequence`: what was read of the lock before; none if this thread has it. Without the lock what this reads may be nonsense: it stays inside the memory and ends.
   */
  #read(hash: number, key: Bytes, nowMs: number, into: ByteBuffer, sequence?: number): number {
    const layout = this.#layout;
    const slot = index.find(this.#layout, hash, key);
    if (slot === index.NO_SLOT) return MISS;
    const record = layout.recordAt(slot);
    if (layout.deadlineOf(record) <= nowMs) return MISS;
    const start = layout.valueStart(record);
    const length = layout.valueLengthOf(record);
    if (!(length >= 0 && start + length <= layout.bytes.length)) return MISS;
    // A length that is nonsense must not make the buffer grow by a gigabyte.
    const mustGrow = into.end + length > into.bytes.length;
    if (mustGrow && sequence !== undefined && !this.#lock.isUnchanged(this.#layout.words, sequence))
      return MISS;
    into.appendRun(layout.bytes, start, start + length);
    return length;
  }

  #store(hash: number, key: Bytes, value: Bytes, deadlineMs: number, nowMs: number): void {
    const layout = this.#layout;
    const keyBytes = key.end - key.start;
    const extent = extentOf(keyBytes, value.end - value.start, deadlineMs !== Infinity);
    const slot = index.find(this.#layout, hash, key);
    if (slot !== index.NO_SLOT) {
      const record = layout.recordAt(slot);
      if (layout.deadlineOf(record) <= nowMs) layout.addToTally("expired", 1);
      this.#count(record, -1);
      if (layout.extentAt(record) === extent || log.refit(this.#layout, record, extent)) {
        this.#write(record, key, value, deadlineMs);
        return;
      }
      index.remove(this.#layout, slot);
      log.release(this.#layout, record);
    }
    while (index.isFull(this.#layout)) this.#evictOldest(nowMs);
    // Making room may move every slot, so the record's own comes last.
    const record = this.#reserve(extent, nowMs);
    this.#write(record, key, value, deadlineMs);
    index.insert(this.#layout, hash, record);
    this.#clean(extent * CLEANING_RATE, nowMs);
  }

  #write(record: number, key: Bytes, value: Bytes, deadlineMs: number): void {
    const layout = this.#layout;
    const keyBytes = key.end - key.start;
    layout.writeHeader(record, keyBytes, value.end - value.start, deadlineMs);
    const start = layout.keyStart(record);
    key.bytes.copy(layout.bytes, start, key.start, key.end);
    value.bytes.copy(layout.bytes, start + keyBytes, value.start, value.end);
    this.#count(record, 1);
  }

  /** The one place where a shard's bytes and mortal entries are counted. */
  #count(record: number, sign: 1 | -1): void {
    const layout = this.#layout;
    layout.addToField("bytes", sign * (layout.keyLengthOf(record) + layout.valueLengthOf(record)));
    if (layout.isMortal(record)) layout.addToField("mortals", sign);
  }

  /** Removes the slot's entry; false, and counted as expired, if it was due. */
  #remove(slot: number, nowMs: number): boolean {
    const layout = this.#layout;
    const record = layout.recordAt(slot);
    const wasAlive = layout.deadlineOf(record) > nowMs;
    if (!wasAlive) layout.addToTally("expired", 1);
    this.#count(record, -1);
    index.remove(this.#layout, slot);
    log.release(this.#layout, record);
    return wasAlive;
  }

  #reserve(extent: number, nowMs: number): number {
    for (;;) {
      const record = log.reserve(this.#layout, extent);
      if (record !== 0) return record;
      this.#evictOldest(nowMs);
    }
  }

  /** Throws out what is left in the oldest closed segment. */
  #evictOldest(nowMs: number): void {
    const run = log.oldest(this.#layout);
    if (run === NO_SEGMENT) throw new Error("the log is full and has no closed segment");
    log.eachLive(
      this.#layout,
      this.#layout.segmentStart(run),
      log.endOf(this.#layout, run),
      Infinity,
      (record) => {
        // The last one to go frees the run.
        if (this.#remove(this.#slotOf(record), nowMs)) this.#layout.addToTally("evicted", 1);
      },
    );
  }

  /** Looks through `budget` bytes of the run being cleaned and moves what lives to the log's end. */
  #clean(budget: number, nowMs: number): void {
    const layout = this.#layout;
    if (layout.field("victim") === NO_SEGMENT) {
      const run = log.deadest(this.#layout);
      if (run === NO_SEGMENT) return;
      layout.setField("victim", run);
      layout.setField("victimAt", layout.segmentStart(run));
    }
    const victim = layout.field("victim");
    const end = log.endOf(this.#layout, victim);
    const reached = log.eachLive(this.#layout, layout.field("victimAt"), end, budget, (record) => {
      this.#move(record, nowMs);
    });
    layout.setField("victimAt", reached);
    if (reached < end) return;
    log.free(this.#layout, victim);
    layout.setField("victim", NO_SEGMENT);
  }

  #move(record: number, nowMs: number): void {
    const layout = this.#layout;
    const slot = this.#slotOf(record);
    if (layout.deadlineOf(record) <= nowMs) {
      this.#remove(slot, nowMs);
      return;
    }
    const extent = layout.extentAt(record);
    const to = this.#reserve(extent, nowMs);
    layout.bytes.copyWithin(to, record, record + extent);
    index.replace(this.#layout, this.#slotOf(record), to);
    log.release(this.#layout, record);
  }

  /** Looks at entries worth `maxEntries`, where so many empty slots count as one. */
  #sweepChunk(nowMs: number, maxEntries: number): number {
    const layout = this.#layout;
    let slot = layout.field("sweepSlot");
    let seen = 0;
    while (seen < maxEntries && slot < layout.field("slots")) {
      const record = layout.recordAt(slot);
      seen += record === 0 ? 1 / SLOTS_AN_ENTRY : 1;
      if (record !== 0 && layout.deadlineOf(record) <= nowMs) {
        // That may move another entry into this slot, which is looked at next, or all of them.
        layout.setField("sweepSlot", slot);
        this.#remove(slot, nowMs);
        slot = layout.field("sweepSlot");
      } else slot++;
    }
    layout.setField("sweepSlot", slot < layout.field("slots") ? slot : 0);
    return Math.ceil(seen);
  }

  /** Ends a critical section; one that has ended in the middle of a write leaves the shard empty. */
  #unlock(): void {
    if (this.#layout.field("isWriting") !== 0) this.#empty();
    this.#lock.unlock(this.#layout.words);
  }

  #empty(): void {
    index.clear(this.#layout);
    log.reset(this.#layout);
    for (const field of ["bytes", "mortals", "sweepSlot", "isWriting"] as const) {
      this.#layout.setField(field, 0);
    }
    this.#layout.addToTally("emptied", 1);
  }

  #slotOf(record: number): number {
    return index.slotOf(this.#layout, this.#hash(this.#layout.keyOf(record)), record);
  }

  #entryAt(slot: number, nowMs: number): Entry | undefined {
    const layout = this.#layout;
    const record = layout.recordAt(slot);
    const deadlineMs = layout.deadlineOf(record);
    if (deadlineMs <= nowMs) return undefined;
    const start = layout.valueStart(record);
    const value = { bytes: layout.bytes, start, end: start + layout.valueLengthOf(record) };
    return { value, deadlineMs };
  }

  /** The value where a write to the log cannot change it. */
  #outside(value: Bytes): Bytes {
    if (value.bytes.buffer !== this.#layout.memory) return value;
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
