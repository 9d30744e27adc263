// Loads the memory that calls for several keys are going to read into the processor's cache, and
// routes the keys to their shards. Each step is a loop of its own and takes one number for each key
// from the step before, so the processor waits for all keys at once and not for one after another.

import { keyedDigest, xxh32AndKeyed } from "./hash.ts";
import type { HashRing } from "./ring.ts";
import type { RoutedKey } from "./bytes.ts";
import type { Layout } from "./store/shared/layout.ts";
import * as locate from "./store/shared/locate.ts";
import type { SharedShard } from "./store/shared/shared-shard.ts";

/** The most keys of one call. */
export const PREFETCH_MAX = 256;
/** Words in a line of the processor's cache. */
const LINE_WORDS = 16;
/** Lines of one record that are read: beyond them the processor itself prefetches a sequential read. */
const RECORD_LINES_MAX = 16;

export class Prefetcher {
  readonly #layouts: readonly Layout[];
  readonly #memories: readonly Int32Array[];
  readonly #ring: HashRing;
  readonly #seed: number;
  readonly #shards = new Int32Array(PREFETCH_MAX);
  readonly #hashes = new Uint32Array(PREFETCH_MAX);
  readonly #numbers = new Uint32Array(PREFETCH_MAX);
  readonly #ends = new Int32Array(PREFETCH_MAX);
  /** Uses the results of the reads, so that the compiler keeps them. */
  protected seen = 0;

  /** `seed` is that of the hashes in the index of all shards. */
  constructor(shards: readonly SharedShard[], ring: HashRing, seed: number) {
    this.#layouts = shards.map(({ layout }) => layout);
    this.#memories = this.#layouts.map(({ words }) => words);
    this.#ring = ring;
    this.#seed = seed;
  }

  /**
   * Sets `shard` and `hash` of each key. O(count).
   *
   * The loops that only read memory have as few instructions as possible: the processor overlaps the
   * reads that fit into its window of about 500 instructions.
   */
  at(keys: readonly RoutedKey[], count: number): void {
    const shards = this.#shards;
    const hashes = this.#hashes;
    const numbers = this.#numbers;
    const layouts = this.#layouts;
    const memories = this.#memories;
    const ring = this.#ring;
    let seen = 0;
    for (let n = 0; n < count; n++) {
      const key = keys[n] as RoutedKey;
      numbers[n] = xxh32AndKeyed(key.bytes, key.start, key.end, this.#seed);
      hashes[n] = key.hash = keyedDigest;
    }
    for (let n = 0; n < count; n++) seen ^= ring.lineOf(numbers[n] as number);
    for (let n = 0; n < count; n++) {
      const shard = ring.shardOf(numbers[n] as number);
      shards[n] = (keys[n] as RoutedKey).shard = shard;
      numbers[n] = locate.firstWord(layouts[shard] as Layout, hashes[n] as number);
    }
    for (let n = 0; n < count; n++) {
      seen ^= (memories[shards[n] as number] as Int32Array)[numbers[n] as number] as number;
    }
    for (let n = 0; n < count; n++) {
      numbers[n] = locate.recordWord(layouts[shards[n] as number] as Layout, hashes[n] as number);
    }
    for (let n = 0; n < count; n++) {
      seen ^= (memories[shards[n] as number] as Int32Array)[numbers[n] as number] as number;
    }
    const ends = this.#ends;
    for (let n = 0; n < count; n++) {
      const word = numbers[n] as number;
      const end = locate.recordEndWord(layouts[shards[n] as number] as Layout, word);
      // Without a record, and without the lock, the end may be any number.
      ends[n] = Math.max(word, Math.min(end - 1, word + RECORD_LINES_MAX * LINE_WORDS));
    }
    for (let n = 0; n < count; n++) {
      const memory = memories[shards[n] as number] as Int32Array;
      const last = ends[n] as number;
      for (let at = (numbers[n] as number) + LINE_WORDS; at < last; at += LINE_WORDS)
        seen ^= memory[at] as number;
      seen ^= memory[last] as number;
    }
    this.seen = seen;
  }
}
