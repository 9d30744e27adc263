// Brings what calls for several keys are going to read near to the processor, and finds the
// places of the keys. Each step is a loop of its own that needs nothing of the one before
// but a number, so that the processor waits for all keys at once and not for one after
// the other.

import { keyedDigest, xxh32AndKeyed } from "./hash.ts";
import type { HashRing } from "./ring.ts";
import type { RoutedKey } from "./bytes.ts";
import type { Layout } from "./store/shared/layout.ts";
import * as places from "./store/shared/locate.ts";
import type { SharedShard } from "./store/shared/shared-shard.ts";

/** Keys that are looked at, at most. */
export const PREFETCH_MAX = 256;
/** Words from one line of the processor's cache to the next. */
const LINE_WORDS = 16;
/** Of a record: the processor itself notices what is read on and on. */
const MOST_LINES = 16;

export class Prefetcher {
  readonly #layouts: readonly Layout[];
  readonly #memories: readonly Int32Array[];
  readonly #ring: HashRing;
  readonly #seed: number;
  readonly #numbers = new Int32Array(PREFETCH_MAX);
  readonly #ends = new Int32Array(PREFETCH_MAX);
  /** Keeps the reads from being left out as useless. */
  protected seen = 0;

  /** `seed`: of the hashes in the index of all shards. */
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
      numbers[n] = places.firstWord(this.#layouts[key.shard] as Layout, key.hash);
    }
    for (let n = 0; n < count; n++) {
      seen += (memories[(keys[n] as RoutedKey).shard] as Int32Array)[numbers[n] as number] ?? 0;
    }
    for (let n = 0; n < count; n++) {
      const { shard, hash } = keys[n] as RoutedKey;
      numbers[n] = places.recordWord(this.#layouts[shard] as Layout, hash);
    }
    const ends = this.#ends;
    for (let n = 0; n < count; n++) {
      const layout = this.#layouts[(keys[n] as RoutedKey).shard] as Layout;
      ends[n] = places.recordEndWord(layout, numbers[n] as number);
    }
    for (let n = 0; n < count; n++) {
      const memory = memories[(keys[n] as RoutedKey).shard] as Int32Array;
      const word = numbers[n] as number;
      // Without a record, or without the lock, the end may be any number.
      const last = Math.max(
        word,
        Math.min((ends[n] as number) - 1, word + MOST_LINES * LINE_WORDS),
      );
      for (let at = word + LINE_WORDS; at < last; at += LINE_WORDS) seen += memory[at] ?? 0;
      seen += memory[last] ?? 0;
    }
    this.seen = seen | 0;
  }
}
