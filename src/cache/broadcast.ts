// Records from each thread to all threads that listen: a ring in shared memory for each thread.
//
//   write:  reserve; copy the record; publish its end; wake the listeners that sleep
//   read:   record before the published end? copy it; overwritten meanwhile? lost : show it
//
// A thread is the only writer of its ring, so a write takes no lock. A thread that ends in the middle of a
// write has not published the record, and its successor overwrites it. Records of one thread are
// read in their order; there is no order between threads.
//
// A writer does not wait for listeners. It asks for room first (`hasRoom`), or it overwrites the oldest
// records. A listener detects that a record was overwritten, continues with the newest record, and reports the loss.
//
// Positions count units of 8 bytes and wrap after 2^32 of them, so only their differences are compared.
// Typed arrays: indexes are in range by construction.

import { ByteBuffer, type Bytes } from "./bytes.ts";

const UNIT_BITS = 3;
/** Words of a record before its bytes: number of bytes, kind, length of the first part, number. */
const HEAD_WORDS = 4;
const HEAD_BYTES = HEAD_WORDS * Int32Array.BYTES_PER_ELEMENT;
/** Number of bytes of the filler at the end of the ring, before a record that needs more room. */
const FILLER = -1;

// Words of the memory: the size of a ring, and the threads; then the rows of the threads.
const RING_BYTES = 0;
const THREADS = 1;
/** A row begins a cache line: other threads write to other rows. */
const LINE_WORDS = 16;
const RESERVED = 0;
const END = 1;
const IS_LISTENING = LINE_WORDS;
/** 1 while the listener waits for a wake-up. */
const IS_ASLEEP = LINE_WORDS + 1;
/** The position of the listener in the ring of each thread. */
const POSITIONS = 2 * LINE_WORDS;

/** Where memory may be seen in another order than the program's, atomics alone do not fence it. */
const NEEDS_FENCE = process.arch !== "x64";
const fenceWord = new Int32Array(1);

/** Returns memory for `threads` threads, each with a ring of `ringBytes`, a power of two. */
export function allocateBroadcast(threads: number, ringBytes: number): SharedArrayBuffer {
  const headWords = LINE_WORDS + threads * rowWords(threads);
  const memory = new SharedArrayBuffer(headWords * 4 + threads * ringBytes);
  const words = new Int32Array(memory);
  words[RING_BYTES] = ringBytes;
  words[THREADS] = threads;
  return memory;
}

/** A record; its bytes are valid only during the call that shows it. */
export interface BroadcastRecord {
  readonly kind: number;
  readonly number: number;
  readonly first: Bytes;
  readonly second: Bytes;
}

export interface BroadcastListener {
  /** There may be new records: the listener calls `drain` soon. Called again after the next `drain` only. */
  readonly news: () => void;
  readonly read: (record: BroadcastRecord) => void;
  /** Records of some thread were overwritten before they were read. */
  readonly lost: () => void;
}

interface Part extends Bytes {
  bytes: Buffer;
  start: number;
  end: number;
}

/** One thread's view. */
export class Broadcast {
  readonly #words: Int32Array;
  readonly #bytes: Buffer;
  readonly #thread: number;
  readonly #threads: number;
  readonly #ringUnits: number;
  /** Index of the first word of the ring of thread 0. */
  readonly #rings: number;
  readonly #row: number;
  /** End of the records in this thread's ring. */
  #end: number;
  /** This end, and no later one, is known to overwrite no record that a listener has not read. */
  #roomEnd: number;
  #listener: BroadcastListener | undefined;
  #isArmed = false;
  #isDraining = false;
  /** The thread of the record that is shown, and its position. */
  #shownThread = 0;
  #shownPosition = 0;
  /** A copy of the record that is shown, and its parts. */
  readonly #copy = new ByteBuffer(1024, true);
  readonly #first: Part = { bytes: this.#copy.bytes, start: 0, end: 0 };
  readonly #second: Part = { bytes: this.#copy.bytes, start: 0, end: 0 };

  /** Attaches as this thread. An earlier thread with this number no longer listens. */
  constructor(memory: SharedArrayBuffer, thread: number) {
    const words = new Int32Array(memory);
    this.#words = words;
    this.#bytes = Buffer.from(memory) as Buffer;
    this.#thread = thread;
    this.#threads = words[THREADS]!;
    this.#ringUnits = words[RING_BYTES]! >> UNIT_BITS;
    this.#rings = LINE_WORDS + this.#threads * rowWords(this.#threads);
    this.#row = this.#rowOf(thread);
    this.#end = this.#roomEnd = Atomics.load(words, this.#row + END);
    this.recoverThread(thread);
  }

  /** Bytes of the longest record: half of a ring, so that there is room for it after the filler. */
  get maxBytes(): number {
    return (this.#ringUnits << UNIT_BITS) / 2 - HEAD_BYTES;
  }

  /** Records that a thread has ended, so that writers do not wait for it. */
  recoverThread(thread: number): void {
    const row = this.#rowOf(thread);
    Atomics.store(this.#words, row + IS_ASLEEP, 0);
    Atomics.store(this.#words, row + IS_LISTENING, 0);
  }

  /** Returns whether a record of `bytes` overwrites no record that a listener has not read. O(1); O(threads) at times. */
  hasRoom(bytes: number): boolean {
    const end = this.#endAfter(bytes);
    if (((this.#roomEnd - end) | 0) >= 0) return true;
    let mostBehind = 0;
    for (let thread = 0; thread < this.#threads; thread++) {
      const row = this.#rowOf(thread);
      if (Atomics.load(this.#words, row + IS_LISTENING) === 0) continue;
      const position = Atomics.load(this.#words, row + POSITIONS + this.#thread);
      mostBehind = Math.max(mostBehind, (this.#end - position) >>> 0);
    }
    this.#roomEnd = (this.#end - mostBehind + this.#ringUnits) | 0;
    return ((this.#roomEnd - end) | 0) >= 0;
  }

  /**
   * Writes a record of two parts, at most `maxBytes` together, over the oldest records if there is no
   * room. The caller wakes the listeners. O(bytes).
   */
  write(kind: number, number: number, first: Bytes, second: Bytes = NO_BYTES): void {
    const words = this.#words;
    const firstBytes = first.end - first.start;
    const bytes = firstBytes + second.end - second.start;
    const end = this.#endAfter(bytes);
    const units = unitsOf(bytes);
    Atomics.store(words, this.#row + RESERVED, end);
    fence();
    const start = (end - units) | 0;
    if (start !== this.#end) words[this.#wordAt(this.#thread, this.#end)] = FILLER;
    const word = this.#wordAt(this.#thread, start);
    words[word] = bytes;
    words[word + 1] = kind;
    words[word + 2] = firstBytes;
    words[word + 3] = number;
    const at = (word + HEAD_WORDS) * 4;
    first.bytes.copy(this.#bytes, at, first.start, first.end);
    if (second.end > second.start) {
      second.bytes.copy(this.#bytes, at + firstBytes, second.start, second.end);
    }
    this.#end = end;
    Atomics.store(words, this.#row + END, end);
  }

  /** Wakes the listener of a thread if it sleeps. One load if it does not. */
  wake(thread: number): void {
    if (thread === this.#thread) {
      this.#listener?.news();
      return;
    }
    const word = this.#rowOf(thread) + IS_ASLEEP;
    if (Atomics.load(this.#words, word) === 0) return;
    if (Atomics.exchange(this.#words, word, 0) === 1) Atomics.notify(this.#words, word);
  }

  /** Wakes the listeners of all threads. O(threads). */
  wakeAll(): void {
    for (let thread = 0; thread < this.#threads; thread++) this.wake(thread);
  }

  /** Shows all records from now on to `listener`. One listener at a time. Returns a function that ends this. */
  listen(listener: BroadcastListener): () => void {
    if (this.#listener !== undefined) throw new Error("this thread already has a listener");
    const words = this.#words;
    for (let thread = 0; thread < this.#threads; thread++) {
      const end = Atomics.load(words, this.#rowOf(thread) + END);
      Atomics.store(words, this.#row + POSITIONS + thread, end);
    }
    this.#listener = listener;
    Atomics.store(words, this.#row + IS_LISTENING, 1);
    this.#arm();
    return () => {
      this.#listener = undefined;
      this.recoverThread(this.#thread);
      Atomics.notify(words, this.#row + IS_ASLEEP);
    };
  }

  /** Whether `drain` would show a record. O(threads). */
  get hasNews(): boolean {
    const words = this.#words;
    for (let thread = 0; thread < this.#threads; thread++) {
      const end = Atomics.load(words, this.#rowOf(thread) + END);
      if (words[this.#row + POSITIONS + thread] !== end) return true;
    }
    return false;
  }

  /** Returns the end of the records of each thread, for `isSince`. O(threads). */
  ends(): Int32Array {
    return Int32Array.from({ length: this.#threads }, (_, thread) =>
      Atomics.load(this.#words, this.#rowOf(thread) + END),
    );
  }

  /** Whether the record that is shown now was written after these ends were read. */
  isSince(ends: Int32Array): boolean {
    return ((this.#shownPosition - (ends[this.#shownThread] ?? 0)) | 0) >= 0;
  }

  /** Shows the records that were published before this call, and then waits for news. O(threads + bytes). */
  drain(): void {
    const listener = this.#listener;
    if (listener === undefined || this.#isDraining) return;
    this.#isDraining = true;
    try {
      for (let thread = 0; thread < this.#threads; thread++) this.#drainRing(thread, listener);
    } finally {
      this.#isDraining = false;
      this.#arm();
    }
  }

  #drainRing(thread: number, listener: BroadcastListener): void {
    const words = this.#words;
    const own = this.#row + POSITIONS + thread;
    const row = this.#rowOf(thread);
    const end = Atomics.load(words, row + END);
    let position = words[own]!;
    while (position !== end && this.#listener === listener) {
      const next = this.#copyRecord(thread, position);
      if (next === undefined) {
        position = Atomics.load(words, row + END);
        Atomics.store(words, own, position);
        listener.lost();
        return;
      }
      this.#shownThread = thread;
      this.#shownPosition = position;
      position = next;
      Atomics.store(words, own, position);
      if (this.#record.kind !== FILLER) listener.read(this.#record);
    }
  }

  readonly #record = { kind: 0, number: 0, first: this.#first, second: this.#second };

  /** Copies the record at a position. Returns the position of the next one, or undefined if it was overwritten. */
  #copyRecord(thread: number, position: number): number | undefined {
    const words = this.#words;
    const word = this.#wordAt(thread, position);
    const bytes = words[word]!;
    const kind = words[word + 1]!;
    const firstBytes = words[word + 2]!;
    const number = words[word + 3]!;
    if (this.#isOverwritten(thread, position)) return undefined;
    if (bytes === FILLER) {
      this.#record.kind = FILLER;
      return (position + this.#ringUnits - (position & (this.#ringUnits - 1))) | 0;
    }
    const copy = this.#copy;
    copy.clear();
    const at = (word + HEAD_WORDS) * 4;
    copy.appendRun(this.#bytes, at, at + bytes);
    if (this.#isOverwritten(thread, position)) return undefined;
    this.#record.kind = kind;
    this.#record.number = number;
    this.#first.bytes = this.#second.bytes = copy.bytes;
    this.#first.end = this.#second.start = firstBytes;
    this.#second.end = bytes;
    return (position + unitsOf(bytes)) | 0;
  }

  #isOverwritten(thread: number, position: number): boolean {
    fence();
    const reserved = Atomics.load(this.#words, this.#rowOf(thread) + RESERVED);
    return (reserved - position) >>> 0 > this.#ringUnits;
  }

  /** Sleeps until a writer wakes this thread, unless there are new records already. */
  #arm(): void {
    const listener = this.#listener;
    if (listener === undefined || this.#isArmed) return;
    const words = this.#words;
    const word = this.#row + IS_ASLEEP;
    Atomics.store(words, word, 1);
    if (this.hasNews) {
      Atomics.store(words, word, 0);
      listener.news();
      return;
    }
    this.#isArmed = true;
    const woken = (): void => {
      this.#isArmed = false;
      this.#listener?.news();
    };
    const { async: isAsync, value } = Atomics.waitAsync(words, word, 1);
    if (isAsync) void value.then(woken);
    else woken();
  }

  /** Returns the end of a record of `bytes` that is written next, behind the filler if it needs one. */
  #endAfter(bytes: number): number {
    const units = unitsOf(bytes);
    const left = this.#ringUnits - (this.#end & (this.#ringUnits - 1));
    return (this.#end + (units > left ? left : 0) + units) | 0;
  }

  #rowOf(thread: number): number {
    return LINE_WORDS + thread * rowWords(this.#threads);
  }

  #wordAt(thread: number, position: number): number {
    const unit = thread * this.#ringUnits + (position & (this.#ringUnits - 1));
    return this.#rings + unit * 2;
  }
}

const NO_BYTES: Bytes = { bytes: Buffer.alloc(0), start: 0, end: 0 };

function rowWords(threads: number): number {
  return POSITIONS + Math.ceil(threads / LINE_WORDS) * LINE_WORDS;
}

function unitsOf(bytes: number): number {
  return (HEAD_BYTES + bytes + (1 << UNIT_BITS) - 1) >> UNIT_BITS;
}

function fence(): void {
  if (NEEDS_FENCE) Atomics.add(fenceWord, 0, 1);
}
