// The change feed: the keys that any thread has changed, for the threads that listen. An invalidation
// for a client's own cache and a request that waits for an entry come from it.
//
//   store, under the lock of the shard → change hook → ring of this thread → listeners of all threads
//
// A change is in the feed before the lock is released. A listener that first registers a key and then
// reads it therefore misses no change: the read sees the change, or the feed shows it later.
// A listener that is too slow is told that everything may have changed.

import { allocateBroadcast, Broadcast, type BroadcastRecord } from "./broadcast.ts";
import type { Bytes } from "./bytes.ts";
import {
  type ChangeConsumer,
  type ChangeHook,
  type ChangeKind,
  DELETED,
  WRITTEN,
} from "./store/change-hook.ts";

/** Bytes of the ring of each thread: about 5,000 changes of short keys. */
const RING_BYTES = 2 ** 18;
const CHANGED = 1;
const EVERYTHING = 2;
const NO_KEY: Bytes = { bytes: Buffer.alloc(0), start: 0, end: 0 };

/** Returns memory for the feed of `threads` threads. */
export function allocateFeed(threads: number): SharedArrayBuffer {
  return allocateBroadcast(threads, RING_BYTES);
}

export interface ChangeListener {
  /**
   * The key, as it is stored, was written or removed. Its bytes are valid only during the call. `origin`
   * is that of the ChangeFeed in the thread of the change; 0 if the entry has expired or was evicted.
   */
  changed(key: Bytes, origin: number): void;
  /** All keys may have changed: the cache was emptied, or this thread was too slow. */
  everythingChanged(): void;
  /** All changes that were known have been shown. */
  shown?(): void;
}

/** One thread's view. The hook calls it only while some thread listens. */
export class ChangeFeed implements ChangeConsumer {
  /** The client that changes keys in this thread, as a number for the listeners; 0: no client. */
  origin = 0;
  readonly #broadcast: Broadcast;
  readonly #hook: ChangeHook;
  readonly #listeners = new Set<ChangeListener>();
  #stop: (() => void) | undefined;
  #willWake = false;
  #willDrain = false;
  /** Whether the last record that `drain` has shown meant everything. */
  #isEverything = false;

  constructor(memory: SharedArrayBuffer, thread: number, hook: ChangeHook) {
    this.#broadcast = new Broadcast(memory, thread);
    this.#hook = hook;
    hook.attach("feed", this);
  }

  /** Called by the hook: writes the key to the ring. O(key). */
  changed(_shard: number, _hash: number, key: Bytes, kind: ChangeKind): void {
    if (key.end - key.start > this.#broadcast.maxBytes) return this.emptied();
    const isByClient = kind === WRITTEN || kind === DELETED;
    this.#broadcast.write(CHANGED, isByClient ? this.origin : 0, key);
    this.#wakeSoon();
  }

  /** Reports that everything has changed, also if nothing was there: clients may keep that a key is missing. */
  flushed(): void {
    if (Atomics.load(this.#hook.words, 0) !== 0) this.emptied();
  }

  /** Called by the hook, and for keys that do not fit the ring. */
  emptied(): void {
    this.#broadcast.write(EVERYTHING, 0, NO_KEY);
    this.#wakeSoon();
  }

  /** Shows all changes of all threads that begin after this call. Returns a function that ends this. */
  listen(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    if (this.#stop === undefined) {
      this.#stop = this.#broadcast.listen({
        news: () => this.#drainSoon(),
        read: (record) => this.#read(record),
        lost: () => this.#everything(),
      });
      this.#hook.listen("feed", 1);
    }
    return () => {
      if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
      this.#hook.listen("feed", -1);
      this.#stop?.();
      this.#stop = undefined;
    };
  }

  /** Shows the changes that are known by now, instead of a moment later. O(threads) without changes. */
  drain(): void {
    if (this.#stop !== undefined && this.#broadcast.hasNews) this.#drain();
  }

  /** Records that a thread has ended. */
  recoverThread(thread: number): void {
    this.#broadcast.recoverThread(thread);
  }

  #drain(): void {
    this.#isEverything = false;
    this.#broadcast.drain();
    for (const listener of this.#listeners) listener.shown?.();
  }

  #read({ kind, number, first }: BroadcastRecord): void {
    if (kind === EVERYTHING) return this.#everything();
    this.#isEverything = false;
    for (const listener of this.#listeners) listener.changed(first, number);
  }

  /** An emptied cache reports each of its shards: the listeners are told once. */
  #everything(): void {
    if (this.#isEverything) return;
    this.#isEverything = true;
    for (const listener of this.#listeners) listener.everythingChanged();
  }

  /** Wakes the listeners after the current command, so that they see all its changes together. */
  #wakeSoon(): void {
    if (this.#willWake) return;
    this.#willWake = true;
    queueMicrotask(() => {
      this.#willWake = false;
      this.#broadcast.wakeAll();
    });
  }

  #drainSoon(): void {
    if (this.#willDrain) return;
    this.#willDrain = true;
    setImmediate(() => {
      this.#willDrain = false;
      this.#drain();
    });
  }
}
