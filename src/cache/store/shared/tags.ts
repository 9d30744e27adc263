// The invalidations of tags: which tag was invalidated last, and when, as a stamp of one counter that
// all threads share. An entry keeps the counter's value of its put, or of its lease. It is valid while
// each of its tags was invalidated at or before that stamp.
//
//   put:         stamp = counter; nothing is written here
//   invalidate:  counter + 1; the tag's slot = counter
//   read:        the slot of each tag ≤ the entry's stamp ? valid : a miss
//
// So a tag takes memory only once it is invalidated, and its name takes none: a slot has 32 bits of its
// hash, and its place has 12 or more. Two tags with one hash are invalidated together. A full
// neighbourhood drops its oldest invalidation, and the floor of that bucket rises to it: older entries
// with a tag that may have been there become a miss. No invalidation is ever forgotten.
//
//   header: lock │ counter        bucket of 128 B: floor │ 10 stamps │ 10 hashes
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
const MEMORY_RATIO = 1 / 32;
const BYTES_MAX = 2 ** 26;
const HEADER_FLOATS = 16;
const BUCKET_FLOATS = 16;
const SLOTS = 10;
/** The first hash of a bucket, in 32-bit words from its beginning. */
const HASHES_AT = 2 * (1 + SLOTS);
const SLOT_BYTES = 12;
/** Indexes of the counter of invalidations, and of the number of slots in use. The lock is the first word. */
const COUNTER = 1;
const USED = 2;
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

  /** The stamp of the tag's last invalidation; for a tag without a slot the highest floor where it may have been. */
  #last(low: number, high: number): number {
    const floats = this.#floats;
    const home = this.#home(low);
    let floor = 0;
    for (let step = 0; step < NEIGHBOURHOOD; step++) {
      const bucket = this.#bucketAt(home + step);
      const slot = this.#slotIn(bucket, high);
      if (slot > 0) return floats[slot]!;
      floor = Math.max(floor, floats[bucket]!);
      // Slots are never emptied, so the tag never was behind a free one.
      if (slot < 0) break;
    }
    return floor;
  }

  /** The slot of the hash in a bucket; else its first free slot as -slot, or 0 if there is none. */
  #slotIn(bucket: number, high: number): number {
    for (let n = 0; n < SLOTS; n++) {
      const slot = bucket + 1 + n;
      if (this.#floats[slot] === 0) return -slot;
      if (this.#words[2 * bucket + HASHES_AT + n] === (high | 0)) return slot;
    }
    return 0;
  }

  #set([low, high]: TagHash, stamp: number): void {
    const home = this.#home(low);
    let found = 0;
    for (let step = 0; step < NEIGHBOURHOOD && found === 0; step++) {
      found = this.#slotIn(this.#bucketAt(home + step), high);
    }
    if (found < 0) this.#floats[USED]! += 1;
    const slot = found === 0 ? this.#dropOldest(home) : Math.abs(found);
    const bucket = slot - ((slot - HEADER_FLOATS) % BUCKET_FLOATS);
    this.#words[2 * bucket + HASHES_AT + slot - bucket - 1] = high;
    this.#floats[slot] = stamp;
  }

  /** Drops the oldest invalidation in the neighbourhood, and returns its slot. */
  #dropOldest(home: number): number {
    const floats = this.#floats;
    let bucket = this.#bucketAt(home);
    let oldest = bucket + 1;
    for (let step = 0; step < NEIGHBOURHOOD; step++) {
      const other = this.#bucketAt(home + step);
      for (let slot = other + 1; slot <= other + SLOTS; slot++) {
        if (floats[slot]! >= floats[oldest]!) continue;
        oldest = slot;
        bucket = other;
      }
    }
    floats[bucket] = Math.max(floats[bucket]!, floats[oldest]!);
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
