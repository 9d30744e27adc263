// The bytes in flight of the whole process: requests that have not been answered and answers that
// have not been read, on both ports. All threads share one counter.
//
// A claim is a number of bytes that its owner keeps. To change a claim, the owner passes the old
// and the new number. A claim always fits while it is the only one, so that a limit below the size
// of one request does not stop the service.

/** Claims are counted in units of 64 bytes: then 2^36 bytes fit a 32-bit word. */
const UNIT_BITS = 6;
const TOTAL = 0;

/** Memory for the budget of `threads` threads: the total, then the part of each thread. */
export function allocateBudget(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer((1 + threads) * Int32Array.BYTES_PER_ELEMENT);
}

/** Takes back the claims of a thread that has ended. */
export function recoverBudget(memory: SharedArrayBuffer, thread: number): void {
  const words = new Int32Array(memory);
  Atomics.sub(words, TOTAL, Atomics.exchange(words, 1 + thread, 0));
}

/** One thread's view. Guard: the total changes atomically; each part has its thread as only writer. */
export class ByteBudget {
  readonly #words: Int32Array;
  readonly #part: number;
  readonly limitBytes: number;
  readonly #limit: number;

  constructor(memory: SharedArrayBuffer, thread: number, limitBytes: number) {
    this.#words = new Int32Array(memory);
    this.#part = 1 + thread;
    this.limitBytes = limitBytes;
    this.#limit = unitsOf(limitBytes);
  }

  /** Bytes that all threads have claimed. */
  get usedBytes(): number {
    return Atomics.load(this.#words, TOTAL) * 2 ** UNIT_BITS;
  }

  /** Changes a claim of `fromBytes` to `toBytes`. Returns false, and changes nothing, if that exceeds the limit. O(1). */
  tryResize(fromBytes: number, toBytes: number): boolean {
    const from = unitsOf(fromBytes);
    const change = unitsOf(toBytes) - from;
    if (change === 0) return true;
    const before = Atomics.add(this.#words, TOTAL, change);
    const isAlone = before === from;
    if (change > 0 && !isAlone && before + change > this.#limit) {
      Atomics.sub(this.#words, TOTAL, change);
      return false;
    }
    Atomics.add(this.#words, this.#part, change);
    return true;
  }

  /** As `tryResize`, without asking: for a claim that shrinks, or for bytes that are there already. O(1). */
  resize(fromBytes: number, toBytes: number): void {
    const change = unitsOf(toBytes) - unitsOf(fromBytes);
    Atomics.add(this.#words, TOTAL, change);
    Atomics.add(this.#words, this.#part, change);
  }
}

function unitsOf(bytes: number): number {
  return Math.ceil(bytes / 2 ** UNIT_BITS);
}
