// The invalidations of tags: which tag was invalidated last, and when, as a stamp of one counter that
// all threads share. An entry keeps the counter's value of its put, or of its lease. It is valid while
// each of its tags was invalidated at or before that stamp.
//
//   put:         stamp = counter; nothing is written here
//   invalidate:  counter + 1; the tag's slot = counter
//   read:        the slot of each tag ≤ the entry's stamp ? valid : a miss
//
// So a tag takes memory only once it is invalidated, and its name takes none: a slot has the 64 bits
// of its hash. Two tags with one hash are invalidated together. A full neighbourhood drops its oldest
// invalidation. The bucket's floor rises to it: older entries with a tag of this bucket become a miss.
// No invalidation is ever forgotten.
//
//   header: lock │ counter        bucket of 128 B: floor │ – │ 7 slots: stamp, hash
//
// The slots are no records of the store, because a thread that has locked one shard may not wait for
// another, and because a full shard would evict them.
//
// The lock is a leaf: its owner takes no other lock, so a read may wait for it with a shard locked.
// Typed arrays: indexes are in range by construction.

import { fnv1a, xxh32 } from "../../hash.ts";
import type { Bytes } from "../../bytes.ts";
import type { SequenceLock } from "./lock.ts";

/** The part of --memory that the table takes, and its largest size. */
const MEMORY_RATIO = 1 / 64;
const BYTES_MAX = 2 ** 26;
const HEADER_FLOATS = 16;
/** Floats of a bucket: the floor, one that is not used, and its slots. */
const BUCKET_FLOATS = 16;
const SLOTS = 7;
const SLOTS_AT = 2;
/** Indexes of the counter of invalidations, and of the number of slots in use. The lock is the first word. */
const COUNTER = 1;
const USED = 2;
const SLOT_BYTES = 16;
/** Buckets in which a tag may lie, from its own on. */
const NEIGHBOURHOOD = 8;
/** Attempts of a reader before it takes the lock. */
const READ_ATTEMPTS = 32;

/** Two halves of a tag's hash. */
export type TagHash = readonly [low: number, high: number];

/** The hash of a tag's name. It is part of the format of snapshots. */
export function tagHash({ bytes, start, end }: Bytes): TagHash {
  return [xxh32(bytes, start, end), fnv1a(bytes, start, end)];
}

/** Bytes of the table of a cache with this memory, of which it is a part. */
export function tagTableBytes(memoryBytes: number): number {
  const bytes = Math.min(BYTES_MAX, memoryBytes * MEMORY_RATIO);
  const buckets = Math.max(1, Math.floor(bytes / 8 / BUCKET_FLOATS) - 1);
  return (HEADER_FLOATS + buckets * BUCKET_FLOATS) * 8;
}

export class TagTable {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #buckets: number;
  readonly #lock: SequenceLock;

  /** Attaches to memory of `tagTableBytes`, zeroed or in use. */
  constructor(memory: SharedArrayBuffer, lock: SequenceLock) {
    this.#words = new Int32Array(memory);
    this.#floats = new Float64Array(memory);
    this.#buckets = (this.#floats.length - HEADER_FLOATS) / BUCKET_FLOATS;
    this.#lock = lock;
  }

  /** The stamp of an entry that is made now. O(1). */
  get stamp(): number {
    return this.#reading(() => this.#floats[COUNTER]!);
  }

  /** Bytes of the table. */
  get bytes(): number {
    return this.#floats.byteLength;
  }

  /** Bytes of the slots in use. */
  get usedBytes(): number {
    return this.#floats[USED]! * SLOT_BYTES;
  }

  /** Makes each entry with one of these tags and an earlier stamp a miss. O(tags). */
  invalidate(tags: readonly TagHash[]): void {
    this.#lock.lock(this.#words);
    try {
      const stamp = this.#floats[COUNTER]! + 1;
      this.#floats[COUNTER] = stamp;
      for (const tag of tags) this.#set(tag, stamp);
    } finally {
      this.#lock.unlock(this.#words);
    }
  }

  /** Whether no one of the tags was invalidated after the stamp. O(tags). */
  areCurrent(tags: readonly TagHash[], stamp: number): boolean {
    return tags.every(([low, high]) => this.isCurrent(low, high, stamp));
  }

  /** Whether the tag was not invalidated after the stamp. O(1). */
  isCurrent(low: number, high: number, stamp: number): boolean {
    return this.#reading(() => stamp >= this.#floats[COUNTER]! || this.#last(low, high) <= stamp);
  }

  /** Frees the lock if `thread`, which has ended, holds it. Its invalidation had not been acknowledged. */
  recoverThread(thread: number): void {
    if (this.#lock.stealFrom(this.#words, thread)) this.#lock.unlock(this.#words);
    else this.#lock.wakeAll(this.#words);
  }

  #reading<T>(read: () => T): T {
    const lock = this.#lock;
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      const sequence = lock.readBegin(this.#words);
      if (lock.isFree(sequence)) {
        const found = read();
        if (!lock.readRetry(this.#words, sequence)) return found;
      }
      Atomics.pause();
    }
    lock.lock(this.#words);
    try {
      return read();
    } finally {
      lock.unlock(this.#words);
    }
  }

  /** The stamp of the tag's last invalidation; for a tag without a slot the floor of its bucket. */
  #last(low: number, high: number): number {
    const slot = this.#find(low, high);
    if (slot >= 0) return this.#floats[slot]!;
    return this.#floats[this.#bucketAt(this.#home(low))]!;
  }

  /** The slot of the tag; else the first free slot where it may lie as -slot, or 0 if there is none. */
  #find(low: number, high: number): number {
    const floats = this.#floats;
    const words = this.#words;
    const home = this.#home(low);
    for (let step = 0; step < NEIGHBOURHOOD; step++) {
      const first = this.#bucketAt(home + step) + SLOTS_AT;
      for (let slot = first; slot < first + 2 * SLOTS; slot += 2) {
        // Slots are never emptied, so the tag is not behind a free one.
        if (floats[slot] === 0) return -slot;
        const word = 2 * slot + 2;
        if (words[word] === (low | 0) && words[word + 1] === (high | 0)) return slot;
      }
    }
    return 0;
  }

  #set([low, high]: TagHash, stamp: number): void {
    const found = this.#find(low, high);
    if (found < 0) this.#floats[USED]! += 1;
    const slot = found === 0 ? this.#dropOldest(this.#home(low)) : Math.abs(found);
    this.#words[2 * slot + 2] = low;
    this.#words[2 * slot + 3] = high;
    this.#floats[slot] = stamp;
  }

  /** Drops the oldest invalidation in the neighbourhood, and returns its slot. */
  #dropOldest(home: number): number {
    const floats = this.#floats;
    let oldest = this.#bucketAt(home) + SLOTS_AT;
    for (let step = 0; step < NEIGHBOURHOOD; step++) {
      const first = this.#bucketAt(home + step) + SLOTS_AT;
      for (let slot = first; slot < first + 2 * SLOTS; slot += 2) {
        if (floats[slot]! < floats[oldest]!) oldest = slot;
      }
    }
    const itsHome = this.#bucketAt(this.#home(this.#words[2 * oldest + 2]! >>> 0));
    floats[itsHome] = Math.max(floats[itsHome]!, floats[oldest]!);
    return oldest;
  }

  #home(low: number): number {
    return Math.floor(((low >>> 0) * this.#buckets) / 2 ** 32);
  }

  /** Index of the first float of a bucket; numbers behind the last bucket begin again. */
  #bucketAt(bucket: number): number {
    return HEADER_FLOATS + (bucket % this.#buckets) * BUCKET_FLOATS;
  }
}
