// The bytes in flight of the whole process, on both ports: unfinished requests and unread responses.
// All threads share one counter.
//
// A claim is a number of bytes that its owner keeps. To change a claim, the owner passes the old
// and the new number. A claim always fits while it is the only one, so that a limit below the size
// of one request does not stop the service.
//
// An owner that can wait asks for room within a quarter of the limit. The rest is for bytes that have
// already arrived: 50 clients that begin a command of 1 MB at once have sent about 100 KB each before
// the service can make them wait. Owners that hold a part and wait for the rest could wait for each
// other forever. So one owner of the process at a time has the lane: its bytes are not counted, and
// it bounds them by the limit itself. The process then holds at most twice the limit.

/** Claims are counted in units of 64 bytes, so that 2^36 bytes fit a 32-bit word. */
const UNIT_BITS = 6;
const TOTAL = 0;
/** 1 + the thread that has the lane, or 0. */
const LANE = 1;
const FIRST_PART = 2;

/** Memory for the budget of `threads` threads: the total, the lane, then the part of each thread. */
export function allocateBudget(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer((FIRST_PART + threads) * Int32Array.BYTES_PER_ELEMENT);
}

/** Releases the claims of a thread that has ended. */
export function recoverBudget(memory: SharedArrayBuffer, thread: number): void {
  const words = new Int32Array(memory);
  Atomics.sub(words, TOTAL, Atomics.exchange(words, FIRST_PART + thread, 0));
  Atomics.compareExchange(words, LANE, 1 + thread, 0);
}

/** One thread's view. Guard: the total changes atomically; only its own thread writes a part. */
export class ByteBudget {
  readonly #words: Int32Array;
  readonly #thread: number;
  readonly #part: number;
  readonly limitBytes: number;
  readonly #limit: number;

  constructor(memory: SharedArrayBuffer, thread: number, limitBytes: number) {
    this.#words = new Int32Array(memory);
    this.#thread = thread;
    this.#part = FIRST_PART + thread;
    this.limitBytes = limitBytes;
    this.#limit = unitsOf(limitBytes);
  }

  /** The bytes that all threads have claimed. */
  get usedBytes(): number {
    return Atomics.load(this.#words, TOTAL) * 2 ** UNIT_BITS;
  }

  /** Whether owners that can wait should do so. */
  get isTight(): boolean {
    return Atomics.load(this.#words, TOTAL) > this.#limit / 4;
  }

  /** Changes a claim from `fromBytes` to `toBytes`. Returns false, without a change, if that exceeds the limit. O(1). */
  tryResize(fromBytes: number, toBytes: number): boolean {
    return this.#resizeWithin(fromBytes, toBytes, this.#limit);
  }

  /** Like `tryResize`, within a quarter of the limit: for an owner that can wait. */
  tryReserve(fromBytes: number, toBytes: number): boolean {
    return this.#resizeWithin(fromBytes, toBytes, this.#limit / 4);
  }

  /** Like `tryResize`, without a limit: for a claim that shrinks, or for bytes that have already arrived. O(1). */
  resize(fromBytes: number, toBytes: number): void {
    const change = unitsOf(toBytes) - unitsOf(fromBytes);
    Atomics.add(this.#words, TOTAL, change);
    Atomics.add(this.#words, this.#part, change);
  }

  /** Takes the lane if it is free, and returns whether it was. The thread knows for which owner. */
  tryEnterLane(): boolean {
    return Atomics.compareExchange(this.#words, LANE, 0, 1 + this.#thread) === 0;
  }

  leaveLane(): void {
    Atomics.compareExchange(this.#words, LANE, 1 + this.#thread, 0);
  }

  #resizeWithin(fromBytes: number, toBytes: number, limit: number): boolean {
    const from = unitsOf(fromBytes);
    const change = unitsOf(toBytes) - from;
    if (change === 0) return true;
    const before = Atomics.add(this.#words, TOTAL, change);
    const isAlone = before === from;
    if (change > 0 && !isAlone && before + change > limit) {
      Atomics.sub(this.#words, TOTAL, change);
      return false;
    }
    Atomics.add(this.#words, this.#part, change);
    return true;
  }
}

function unitsOf(bytes: number): number {
  return Math.ceil(bytes / 2 ** UNIT_BITS);
}
