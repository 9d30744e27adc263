// The number of HTTP connections, and which of them may stay while there are more than
// --max-connections. In shared memory: the supervisor writes, the workers read.
//
//   words: count of connections or -1, mode, two halves
//   mode:  0 all may stay; 1 and 2 those in this half may not; 3 and 4 only those in half 1 or 2 may
//   half:  a hash table of KEY_WORDS words a slot; the last word is the port, 0 in an empty slot
//
// A new set is written into the other half, so a reader always has a complete one for the 250 ms
// between two counts.
//
// Typed arrays: indexes are in range by construction.

import { KEY_LENGTH } from "../../linux/endpoints.ts";

const COUNT = 0;
const MODE = 1;
const HEAD_WORDS = 2;
const KEY_WORDS = 5;
const UNKNOWN = -1;

/** Allocates memory for `limit` connections. Its pages are not resident before the limit is reached. */
export function allocateConnections(limit: number): SharedArrayBuffer {
  const slots = 2 ** Math.ceil(Math.log2(2 * limit));
  const bytes = Int32Array.BYTES_PER_ELEMENT * (HEAD_WORDS + 2 * slots * KEY_WORDS);
  const memory = new SharedArrayBuffer(bytes);
  new Int32Array(memory)[COUNT] = UNKNOWN;
  return memory;
}

/** The keys of the only connections that may stay, or of those that may not. */
export interface Verdict {
  readonly mayStay: boolean;
  readonly keys: ReadonlySet<string>;
}

export class ConnectionTable {
  readonly #words: Int32Array;
  readonly #slots: number;
  readonly #key = new Int32Array(KEY_WORDS);

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#slots = (this.#words.length - HEAD_WORDS) / KEY_WORDS / 2;
  }

  /** Connections of the port at the last count; undefined if it is not known. */
  get count(): number | undefined {
    const count = Atomics.load(this.#words, COUNT);
    return count === UNKNOWN ? undefined : count;
  }

  /** Whether there were more than the limit at the last count. */
  get isExceeded(): boolean {
    return Atomics.load(this.#words, MODE) !== 0;
  }

  /** Whether the connection with this key may stay. O(1). */
  mayStay(key: string): boolean {
    const mode = Atomics.load(this.#words, MODE);
    if (mode === 0) return true;
    const isListed = this.#words[this.#find(halfOf(mode), key) + KEY_WORDS - 1] !== 0;
    return isListed === mode > 2;
  }

  /** Publishes a count; without a verdict all connections may stay. Takes at most `limit` keys. O(keys). */
  publish(count: number, verdict: Verdict | undefined): void {
    Atomics.store(this.#words, COUNT, count);
    let mode = 0;
    if (verdict !== undefined) {
      const half = halfOf(Atomics.load(this.#words, MODE)) === 1 ? 2 : 1;
      const start = this.#startOf(half);
      this.#words.fill(0, start, start + this.#slots * KEY_WORDS);
      for (const key of verdict.keys) {
        const index = this.#find(half, key);
        this.#words.set(this.#key, index);
      }
      mode = verdict.mayStay ? half + 2 : half;
    }
    Atomics.store(this.#words, MODE, mode);
  }

  /** Returns the index of the key's slot in a half, or of its empty slot. Writes the key's words to `#key`. */
  #find(half: number, key: string): number {
    const words = this.#key.fill(0);
    let hash = 0;
    for (let position = 0; position < KEY_LENGTH; position++) {
      const code = key.charCodeAt(position);
      words[position >> 2] = (words[position >> 2]! << 8) | code;
      hash = Math.imul(hash ^ code, 0x0100_0193);
    }
    hash ^= hash >>> 15;
    for (let slot = hash & (this.#slots - 1); ; slot = (slot + 1) & (this.#slots - 1)) {
      const index = this.#startOf(half) + slot * KEY_WORDS;
      const isEmpty = this.#words[index + KEY_WORDS - 1] === 0;
      if (isEmpty || words.every((word, n) => this.#words[index + n] === word)) return index;
    }
  }

  #startOf(half: number): number {
    return HEAD_WORDS + (half - 1) * this.#slots * KEY_WORDS;
  }
}

function halfOf(mode: number): number {
  return mode > 2 ? mode - 2 : mode;
}
