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
  readonly #numbers = new Int32Array(PREFETCH_MAX);
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

  /** Sets `shard` and `hash` of each key. O(count). */
  at(keys: readonly RoutedKey[], count: number): void {
    const numbers = this.#numbers;
    const memories = this.#memories;
    const ring = this.#ring;
    let seen = 0;
    for (let n = 0; n < count; n++) {
      const key = keys[n] as RoutedKey;
      numbers[n] = xxh32AndKeyed(key.bytes, key.start, key.end, this.#seed);
      key.hash = keyedDigest;
    }
    for (let n = 0; n < count; n++) seen += ring.lineOf(numbers[n] as number);
    for (let n = 0; n < count; n++) {
      const key = keys[n] as RoutedKey;
      key.shard = ring.shardOf((numbers[n] as number) >>> 0);
      numbers[n] = locate.firstWord(this.#layouts[key.shard] as Layout, key.hash);
    }
    for (let n = 0; n < count; n++) {
      seen += (memories[(keys[n] as RoutedKey).shard] as Int32Array)[numbers[n] as number] ?? 0;
    }
    for (let n = 0; n < count; n++) {
      const { shard, hash } = keys[n] as RoutedKey;
      numbers[n] = locate.recordWord(this.#layouts[shard] as Layout, hash);
    }
    const ends = this.#ends;
    for (let n = 0; n < count; n++) {
      const layout = this.#layouts[(keys[n] as RoutedKey).shard] as Layout;
      ends[n] = locate.recordEndWord(layout, numbers[n] as number);
    }
    for (let n = 0; n < count; n++) {
      const memory = memories[(keys[n] as RoutedKey).shard] as Int32Array;
      const word = numbers[n] as number;
      // Without a record, and without the lock, the end may be any number.
      const last = Math.max(
        word,
        Math.min((ends[n] as number) - 1, word + RECORD_LINES_MAX * LINE_WORDS),
      );
      for (let at = word + LINE_WORDS; at < last; at += LINE_WORDS) seen += memory[at] ?? 0;
      seen += memory[last] ?? 0;
    }
    this.seen = seen | 0;
  }
}
