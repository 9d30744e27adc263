// The change hook: the store reports each change of a key under the lock of its shard, if a consumer
// listens. Otherwise a write costs one load of a shared word.
//
// The word counts the listeners of all threads, in one field for each kind of consumer. Each thread
// attaches the same consumers, because each thread reports its own writes. A consumer keeps what it
// needs in shared memory and must not call the cache.

import type { Bytes } from "../bytes.ts";

/** What happened to the key. Entries that a write finds expired are EXPIRED before they are WRITTEN or not at all. */
export const WRITTEN = 0;
export const DELETED = 1;
export const EXPIRED = 2;
export const EVICTED = 3;
export type ChangeKind = typeof WRITTEN | typeof DELETED | typeof EXPIRED | typeof EVICTED;

/** Fields of the word: the watches, and the threads that read the feed, for at most 257 threads. */
const FIELD_BITS = { watch: 23, feed: 9 } as const;
export type Listener = keyof typeof FIELD_BITS;
const ONE: Readonly<Record<Listener, number>> = { watch: 1, feed: 1 << FIELD_BITS.watch };
const MASK: Readonly<Record<Listener, number>> = {
  watch: ONE.watch * (2 ** FIELD_BITS.watch - 1),
  feed: ONE.feed * (2 ** FIELD_BITS.feed - 1),
};
/** Words from one thread's part to the next: a cache line. */
const PART_WORDS = 16;

/** Learns of changes. The shard's lock is held during both calls. */
export interface ChangeConsumer {
  /** `key` is valid during the call only. `hash` is its hash in the index. */
  changed(shard: number, hash: number, key: Bytes, kind: ChangeKind): void;
  /** All entries of the shard were removed. */
  emptied(shard: number): void;
}

/** Zeroed memory for the listeners of `threads` threads. */
export function allocateChangeHook(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer((1 + threads) * PART_WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/** One thread's view. */
export class ChangeHook {
  /** Word 0 is not 0 while any consumer listens. */
  readonly words: Int32Array;
  readonly #part: number;
  readonly #consumers: { readonly mask: number; readonly consumer: ChangeConsumer }[] = [];

  constructor(memory: SharedArrayBuffer, thread: number) {
    this.words = new Int32Array(memory);
    this.#part = (1 + thread) * PART_WORDS;
  }

  /** Calls `consumer` for changes by this thread, while any thread has a listener of this kind. */
  attach(kind: Listener, consumer: ChangeConsumer): void {
    this.#consumers.push({ mask: MASK[kind], consumer });
  }

  /**
   * Adds a listener of this thread, or removes one. A write that takes a shard's lock after `listen`
   * has returned is reported.
   */
  listen(kind: Listener, change: 1 | -1): void {
    const one = ONE[kind] * change;
    // In this order a thread that ends in between leaves a listener too many, never one too few.
    if (change > 0) Atomics.add(this.words, 0, one);
    Atomics.add(this.words, this.#part, one);
    if (change < 0) Atomics.add(this.words, 0, one);
  }

  /** Removes the listeners of a thread that has ended. */
  recoverThread(thread: number): void {
    Atomics.sub(this.words, 0, Atomics.exchange(this.words, (1 + thread) * PART_WORDS, 0));
  }

  /** The hook of one shard. */
  ofShard(shard: number): ShardHook {
    return new ShardHook(this, shard);
  }

  changed(shard: number, hash: number, key: Bytes, kind: ChangeKind): void {
    const seen = Atomics.load(this.words, 0);
    for (const { mask, consumer } of this.#consumers) {
      if ((seen & mask) !== 0) consumer.changed(shard, hash, key, kind);
    }
  }

  emptied(shard: number): void {
    const seen = Atomics.load(this.words, 0);
    for (const { mask, consumer } of this.#consumers) {
      if ((seen & mask) !== 0) consumer.emptied(shard);
    }
  }
}

/** The hook of one shard in one thread. The store calls it under the shard's lock. */
export class ShardHook {
  readonly #hook: ChangeHook;
  readonly #shard: number;

  constructor(hook: ChangeHook, shard: number) {
    this.#hook = hook;
    this.#shard = shard;
  }

  /** Not 0 in word 0: a change must be reported. */
  get words(): Int32Array {
    return this.#hook.words;
  }

  changed(hash: number, key: Bytes, kind: ChangeKind): void {
    this.#hook.changed(this.#shard, hash, key, kind);
  }

  emptied(): void {
    this.#hook.emptied(this.#shard);
  }
}

/** The hook of a shard that nothing listens to. */
export const NO_HOOK = new ChangeHook(allocateChangeHook(1), 0).ofShard(0);
