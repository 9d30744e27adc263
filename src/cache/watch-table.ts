// The watch table: which connections watch which keys, in memory that all threads share.
// Typed arrays: indexes are in range by construction.
//
// Each shard has some chains of entries, and its lock guards them. The store reports each change of a key
// under that lock, and the entries of the key become dirty. An entry names its key by two hashes of 32
// bits, one of them secret: a key that has both hashes by chance makes it dirty too. So a watch may
// report a change too many, and never one too few.
//
// Each thread owns a range of entries. It links an entry, or takes it out, by writing one word; so a
// thread that ends in between leaves whole chains. Its successor takes its entries out, before its own
// first watch: the supervisor must not wait for a lock, which another thread may hold that has ended.

import type { Bytes } from "./bytes.ts";
import { xxh32 } from "./hash.ts";
import {
  type ChangeConsumer,
  type ChangeHook,
  type ChangeKind,
  EXPIRED,
} from "./store/change-hook.ts";

/** The most keys that the connections of one thread watch together. */
export const WATCHES_MAX = 16_384;
/** Chains of all shards together, unless there are more shards. */
const CHAINS = 16_384;
/** Words of an entry. An entry is named by its number from 1; 0 is the end of a chain. */
const ENTRY_WORDS = 4;
const NEXT = 0;
const HASH = 1;
const SECOND_HASH = 2;
const STATE = 3;
/** Bits of the state. MISSING: the key was not there when the watch began. */
const MISSING = 1;
const DIRTY = 2;

function chainsOf(shards: number): number {
  return Math.max(1, 2 ** Math.floor(Math.log2(CHAINS / shards)));
}

/** Zeroed memory for the watches of `threads` threads, 256 KiB each, which become resident as they are used. */
export function allocateWatchTable(shards: number, threads: number): SharedArrayBuffer {
  const words = shards * chainsOf(shards) + threads * (WATCHES_MAX * ENTRY_WORDS + 1);
  return new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT);
}

/** One thread's view. Guard of all calls that name a shard: that shard's lock. */
export class WatchTable implements ChangeConsumer {
  readonly #words: Int32Array;
  readonly #hook: ChangeHook;
  readonly #chains: number;
  readonly #firstEntryWord: number;
  readonly #firstEntry: number;
  /** The word with the number of entries that this thread, or an earlier one with its number, has used. */
  readonly #usedWord: number;
  /** Whether entries of an earlier thread may be in the chains. */
  #hasOldEntries: boolean;
  readonly #shards: number;
  readonly #free: number[] = [];
  /** Entries of this thread that have been in use. */
  #used = 0;

  constructor(memory: SharedArrayBuffer, shards: number, thread: number, hook: ChangeHook) {
    this.#words = new Int32Array(memory);
    this.#hook = hook;
    this.#chains = chainsOf(shards);
    // Entry 0 would lie in the last words of the chains.
    this.#firstEntryWord = shards * this.#chains - ENTRY_WORDS;
    this.#firstEntry = 1 + thread * WATCHES_MAX;
    // The words behind all entries.
    const threads = Math.floor(
      (this.#words.length - shards * this.#chains) / (WATCHES_MAX * ENTRY_WORDS + 1),
    );
    this.#usedWord = this.#words.length - threads + thread;
    this.#hasOldEntries = this.#words[this.#usedWord] !== 0;
    this.#shards = shards;
    hook.attach("watch", this);
  }

  /** Whether this thread has room for another watch. */
  get hasRoom(): boolean {
    return this.#free.length > 0 || this.#used < WATCHES_MAX;
  }

  /**
   * Begins a watch of the key, which `isMissing` at this moment. Returns its entry. The caller has
   * called `listen` before it took the lock. There must be room. O(1).
   */
  add(shard: number, hash: number, key: Bytes, isMissing: boolean): number {
    const entry = this.#free.pop() ?? this.#firstEntry + this.#used++;
    this.#words[this.#usedWord] = Math.max(1, this.#used);
    const word = this.#wordOf(entry);
    const chain = this.#chainOf(shard, hash);
    this.#words[word + HASH] = hash | 0;
    this.#words[word + SECOND_HASH] = xxh32(key.bytes, key.start, key.end) | 0;
    this.#words[word + STATE] = isMissing ? MISSING : 0;
    this.#words[word + NEXT] = this.#words[chain]!;
    Atomics.store(this.#words, chain, entry);
    return entry;
  }

  /** Counts a watch before its shard is locked: writes that take the lock later are reported. */
  listen(change: 1 | -1): void {
    this.#hook.listen("watch", change);
  }

  /** Returns whether the key was changed since `add`, or has expired, which shows in `isMissingNow`. */
  isChanged(entry: number, isMissingNow: boolean): boolean {
    const state = this.#words[this.#wordOf(entry) + STATE]!;
    return (state & DIRTY) !== 0 || (isMissingNow && (state & MISSING) === 0);
  }

  /** Ends a watch. O(watches in the chain). */
  remove(shard: number, hash: number, entry: number): void {
    this.#takeOut(this.#chainOf(shard, hash), (other) => other === entry);
    this.#free.push(entry);
  }

  /** Whether `takeOutOldEntries` must be called before `add`. */
  get hasOldEntries(): boolean {
    return this.#hasOldEntries;
  }

  /** Ends the watches of an earlier thread with this number. Guard: the locks of all shards. O(chains and watches). */
  takeOutOldEntries(): void {
    const first = this.#firstEntry;
    for (let chain = 0; chain < this.#shards * this.#chains; chain++) {
      this.#takeOut(chain, (entry) => entry >= first && entry < first + WATCHES_MAX);
    }
    this.#words[this.#usedWord] = 0;
    this.#hasOldEntries = false;
  }

  changed(shard: number, hash: number, key: Bytes, kind: ChangeKind): void {
    const words = this.#words;
    let second: number | undefined;
    for (let entry = words[this.#chainOf(shard, hash)]!; entry !== 0;) {
      const word = this.#wordOf(entry);
      entry = words[word + NEXT]!;
      if (words[word + HASH] !== (hash | 0)) continue;
      second ??= xxh32(key.bytes, key.start, key.end) | 0;
      if (words[word + SECOND_HASH] !== second) continue;
      // The key had expired when the watch began: its removal changes nothing.
      const isNoChange = kind === EXPIRED && (words[word + STATE]! & MISSING) !== 0;
      if (!isNoChange) words[word + STATE]! |= DIRTY;
    }
  }

  /** A key that was missing is still missing, unless it was written, which was reported. */
  emptied(shard: number): void {
    const words = this.#words;
    for (let chain = 0; chain < this.#chains; chain++) {
      for (let entry = words[shard * this.#chains + chain]!; entry !== 0;) {
        const word = this.#wordOf(entry);
        entry = words[word + NEXT]!;
        if ((words[word + STATE]! & MISSING) === 0) words[word + STATE]! |= DIRTY;
      }
    }
  }

  #takeOut(chain: number, isMeant: (entry: number) => boolean): void {
    const words = this.#words;
    for (let link = chain; words[link] !== 0;) {
      const entry = words[link]!;
      const word = this.#wordOf(entry);
      if (isMeant(entry)) Atomics.store(words, link, words[word + NEXT]!);
      else link = word + NEXT;
    }
  }

  #chainOf(shard: number, hash: number): number {
    return shard * this.#chains + (hash & (this.#chains - 1));
  }

  #wordOf(entry: number): number {
    return this.#firstEntryWord + entry * ENTRY_WORDS;
  }
}
