// The words on which threads wait for the end of a lease. A key belongs to one word by its hash, so a
// wake may be for another key: the waiting thread looks again and waits on.
//
//   waiting thread:  seen = word; is the lease still open? waitAsync(word, seen)
//   end of a lease:  word + 1; notify
//
// Guard: none. The word is read before the lease is looked at, so no end between the two is lost.

import { THREADS_MAX } from "./lock.ts";

const WORDS = 1024;

/** The words, and behind them for each thread the number of its requests that wait. */
export const WAKE_BYTES = (WORDS + THREADS_MAX) * Int32Array.BYTES_PER_ELEMENT;

export class Wakes {
  readonly #words: Int32Array;
  readonly #waiting: Int32Array;
  readonly #thread: number;

  /** Attaches thread number `thread` to memory of WAKE_BYTES. */
  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#words = new Int32Array(memory, 0, WORDS);
    this.#waiting = new Int32Array(memory, WORDS * Int32Array.BYTES_PER_ELEMENT);
    this.#thread = thread;
  }

  /** Counts a request of this thread that begins or ends to wait; returns false if `max` wait already. */
  count(change: 1 | -1, max: number): boolean {
    if (change > 0 && this.#waiting.reduce((sum, waiting) => sum + waiting, 0) >= max) return false;
    Atomics.add(this.#waiting, this.#thread, change);
    return true;
  }

  /** Forgets the requests of a thread that has ended. */
  recoverThread(thread: number): void {
    Atomics.store(this.#waiting, thread, 0);
  }

  /** The word of a key's hash in the index. */
  wordOf(hash: number): number {
    return hash & (WORDS - 1);
  }

  /** The state of a word, for `waitAsync`. */
  load(word: number): number {
    return Atomics.load(this.#words, word);
  }

  /** Resolves once the word is no longer in the state `seen`; undefined if it is not now. */
  waitAsync(word: number, seen: number): Promise<unknown> | undefined {
    const waiting = Atomics.waitAsync(this.#words, word, seen);
    return waiting.async ? waiting.value : undefined;
  }

  /** Wakes the threads that wait for a key with this hash. O(waiting threads). */
  wake(hash: number): void {
    const word = this.wordOf(hash);
    Atomics.add(this.#words, word, 1);
    Atomics.notify(this.#words, word);
  }

  /** Wakes all threads that wait. O(words). */
  wakeAll(): void {
    for (let word = 0; word < WORDS; word++) this.wake(word);
  }
}
