// The number of HTTP connections, and which of them may stay while there are more than
// --max-connections. In shared memory: the supervisor writes, the workers read.
//
//   words: count of connections or -1, mode, two halves
//   mode:  0 all may stay; 1 and 2 those in this half may not; 3 and 4 only those in half 1 or 2 may
//   half:  a hash table of KEY_WORDS words a slot; the last word is the port, 0 in an empty slot
//
// A new set is written into the other half, so a reader always has a whole one for the 250 ms
// between two looks.

import { KEY_LENGTH } from "../../linux/endpoints.ts";

const COUNT = 0;
const MODE = 1;
const HEAD_WORDS = 2;
const KEY_WORDS = 5;
const UNKNOWN = -1;

/** Memory for a limit of so many connections. Pages are not resident before the limit is reached. */
export function allocateConnections(limit: number): SharedArrayBuffer {
  const slots = 2 ** Math.ceil(Math.log2(2 * limit));
  const bytes = Int32Array.BYTES_PER_ELEMENT * (HEAD_WORDS + 2 * slots * KEY_WORDS);
  const memory = new SharedArrayBuffer(bytes);
  new Int32Array(memory)[COUNT] = UNKNOWN;
  return memory;
}

/** Keys of connections that may stay, or of those that may not. */
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

  /** Connections of the port at the last look, or undefined if that is not known. */
  get count(): number | undefined {
    const count = Atomics.load(this.#words, COUNT);
    return count === UNKNOWN ? undefined : count;
  }

  /** Whether there were more than the limit at the last look. */
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

  /** Publishes a look; without a verdict all may stay. At most as many keys as the limit. O(keys). */
  publish(count: number, verdict: Verdict | undefined): void {
    Atomics.store(this.#words, COUNT, count);
    let mode = 0;
    if (verdict !== undefined) {
      const half = halfOf(Atomics.load(this.#words, MODE)) === 1 ? 2 : 1;
      const start = this.#startOf(half);
      this.#words.fill(0, start, start + this.#slots * KEY_WORDS);
      for (const key of verdict.keys) {
        const place = this.#find(half, key);
        this.#words.set(this.#key, place);
      }
      mode = verdict.mayStay ? half + 2 : half;
    }
    Atomics.store(this.#words, MODE, mode);
  }

  /** Place of the key in a half, or of the empty slot where it belongs. Leaves its words in `#key`. */
  #find(half: number, key: string): number {
    const words = this.#key.fill(0);
    let hash = 0;
    for (let at = 0; at < KEY_LENGTH; at++) {
      const code = key.charCodeAt(at);
      words[at >> 2] = ((words[at >> 2] ?? 0) << 8) | code;
      hash = Math.imul(hash ^ code, 0x0100_0193);
    }
    hash ^= hash >>> 15;
    for (let slot = hash & (this.#slots - 1); ; slot = (slot + 1) & (this.#slots - 1)) {
      const at = this.#startOf(half) + slot * KEY_WORDS;
      const isEmpty = this.#words[at + KEY_WORDS - 1] === 0;
      if (isEmpty || words.every((word, n) => this.#words[at + n] === word)) return at;
    }
  }

  #startOf(half: number): number {
    return HEAD_WORDS + (half - 1) * this.#slots * KEY_WORDS;
  }
}

function halfOf(mode: number): number {
  return mode > 2 ? mode - 2 : mode;
}
