// Log lines on their way from a worker to standard output, within bounds: a reader of the log that
// hangs costs lines, and no memory.
//
//   worker → message → supervisor's thread → standard output
//
// Each arrow has a limit of waiting characters. Lines beyond it are dropped and counted.

/** Most characters that wait for the supervisor's thread, for each worker, and for the stream. */
export const WAITING_CHARACTERS_MAX = 2 ** 20;

const FIELDS = 2;
const WAITING = 0;
const DROPPED = 1;

/** Memory for the counters of `threads` workers. */
export function allocateLogLines(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * FIELDS * Int32Array.BYTES_PER_ELEMENT);
}

/** The lines of workers that wait for the supervisor's thread. Guard: each counter changes atomically. */
export class LogLines {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** Returns whether the worker may send a line. False, and counted as dropped, if too many lines wait. */
  trySend(thread: number, line: string): boolean {
    const row = thread * FIELDS;
    if (Atomics.load(this.#words, row + WAITING) + line.length > WAITING_CHARACTERS_MAX) {
      Atomics.add(this.#words, row + DROPPED, 1);
      return false;
    }
    Atomics.add(this.#words, row + WAITING, line.length);
    return true;
  }

  /** Records that the supervisor's thread has received the line. */
  received(thread: number, line: string): void {
    Atomics.sub(this.#words, thread * FIELDS + WAITING, line.length);
  }

  /** Records that the worker has ended: none of its lines waits any more. */
  recover(thread: number): void {
    Atomics.store(this.#words, thread * FIELDS + WAITING, 0);
  }

  /** The number of lines that all workers have dropped. */
  get dropped(): number {
    let sum = 0;
    for (let index = DROPPED; index < this.#words.length; index += FIELDS) {
      sum += Atomics.load(this.#words, index);
    }
    return sum;
  }
}

/** Writes a line to a stream. Calls `done` once the line is written, or with an error. */
export type WriteLine = (line: string, done: (error?: Error | null) => void) => void;

/** The stream of all lines, on the supervisor's thread. */
export class LogOutput {
  readonly #write: WriteLine;
  readonly #lines: LogLines;
  /** Called once the reader reads again after lines were dropped, with their number since the last call. */
  readonly #recovered: (dropped: number) => void;
  #waiting = 0;
  #dropped = 0;
  #reported = 0;

  constructor(write: WriteLine, lines: LogLines, recovered: (dropped: number) => void) {
    this.#write = write;
    this.#lines = lines;
    this.#recovered = recovered;
  }

  /** The number of lines dropped since the start, here and by workers. */
  get dropped(): number {
    return this.#dropped + this.#lines.dropped;
  }

  /** Writes a line, or drops it if too many lines wait. */
  write(line: string): void {
    if (this.#waiting + line.length > WAITING_CHARACTERS_MAX) {
      this.#dropped++;
      return;
    }
    this.#waiting += line.length;
    this.#write(line, (error) => {
      this.#waiting -= line.length;
      if (error) this.#dropped++;
      else this.#reportDropped();
    });
  }

  /** Writes a line that a worker has sent. */
  writeFrom(thread: number, line: string): void {
    this.#lines.received(thread, line);
    this.write(line);
  }

  /** Waits until half of the room is free, so that the line about dropped lines is not dropped itself. */
  #reportDropped(): void {
    const { dropped } = this;
    if (dropped === this.#reported || this.#waiting > WAITING_CHARACTERS_MAX / 2) return;
    const since = dropped - this.#reported;
    this.#reported = dropped;
    this.#recovered(since);
  }
}
