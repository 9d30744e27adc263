// The way of log lines from the workers over the supervisor's thread to a stream, within bounds: a
// reader of the log that hangs costs lines, and no memory.
//
//   worker → message → supervisor's thread → standard output
//
// Each arrow has a limit of bytes that wait at it. Lines beyond it are dropped and counted.

/** Characters of lines that may wait for the supervisor's thread, for each worker, or for the stream. */
export const MOST_WAITING = 2 ** 20;

const FIELDS = 2;
const WAITING = 0;
const DROPPED = 1;

/** Memory for the counts of `threads` workers. */
export function allocateLogLines(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * FIELDS * Int32Array.BYTES_PER_ELEMENT);
}

/** The lines of workers that wait for the supervisor's thread. Guard: each count changes atomically. */
export class LogLines {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** Whether a worker may send a line; false, and counted, if too many of its lines wait. */
  maySend(thread: number, line: string): boolean {
    const at = thread * FIELDS;
    if (Atomics.load(this.#words, at + WAITING) + line.length > MOST_WAITING) {
      Atomics.add(this.#words, at + DROPPED, 1);
      return false;
    }
    Atomics.add(this.#words, at + WAITING, line.length);
    return true;
  }

  /** The supervisor's thread has the line. */
  received(thread: number, line: string): void {
    Atomics.sub(this.#words, thread * FIELDS + WAITING, line.length);
  }

  /** The worker has ended: its lines have come, or never will. */
  lost(thread: number): void {
    Atomics.store(this.#words, thread * FIELDS + WAITING, 0);
  }

  /** Lines that all workers have dropped. */
  get dropped(): number {
    let sum = 0;
    for (let at = DROPPED; at < this.#words.length; at += FIELDS) {
      sum += Atomics.load(this.#words, at);
    }
    return sum;
  }
}

/** Writes a line to a stream and calls `done` once it is written, or cannot be. */
export type WriteLine = (line: string, done: (error?: Error | null) => void) => void;

/** The stream that all lines go to, on the supervisor's thread. */
export class LogOutput {
  readonly #write: WriteLine;
  readonly #lines: LogLines;
  /** Called when lines were dropped and the reader reads again; with how many since the last call. */
  readonly #readsAgain: (dropped: number) => void;
  #waiting = 0;
  #dropped = 0;
  #told = 0;

  constructor(write: WriteLine, lines: LogLines, readsAgain: (dropped: number) => void) {
    this.#write = write;
    this.#lines = lines;
    this.#readsAgain = readsAgain;
  }

  /** Lines that were dropped since the start, here and by workers. */
  get dropped(): number {
    return this.#dropped + this.#lines.dropped;
  }

  /** Writes a line, or drops it if too many wait. */
  write(line: string): void {
    if (this.#waiting + line.length > MOST_WAITING) {
      this.#dropped++;
      return;
    }
    this.#waiting += line.length;
    this.#write(line, (error) => {
      this.#waiting -= line.length;
      if (error) this.#dropped++;
      else this.#tell();
    });
  }

  /** Writes a line of a worker. */
  writeOf(thread: number, line: string): void {
    this.#lines.received(thread, line);
    this.write(line);
  }

  /** Only once there is room again, so that the line about the others is not dropped itself. */
  #tell(): void {
    const { dropped } = this;
    if (dropped === this.#told || this.#waiting > MOST_WAITING / 2) return;
    const since = dropped - this.#told;
    this.#told = dropped;
    this.#readsAgain(since);
  }
}
