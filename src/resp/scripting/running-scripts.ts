// The scripts that run now, one word of shared memory for each thread, for SCRIPT KILL. A script takes
// its word after its first millisecond: most scripts end before.

const NONE = 0;
/** It has written nothing, so it may be killed. */
const CLEAN = 1;
const HAS_WRITTEN = 2;
const KILLED = 3;

export function allocateRunningScripts(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * Int32Array.BYTES_PER_ELEMENT);
}

/** Clears the word of a thread that has ended. */
export function recoverRunningScript(memory: SharedArrayBuffer, thread: number): void {
  Atomics.store(new Int32Array(memory), thread, NONE);
}

export class RunningScripts {
  readonly #words: Int32Array;
  readonly #thread: number;

  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#words = new Int32Array(memory);
    this.#thread = thread;
  }

  /** The script of this thread runs for a while. */
  begin(hasWritten: boolean): void {
    Atomics.store(this.#words, this.#thread, hasWritten ? HAS_WRITTEN : CLEAN);
  }

  /** The script of this thread is about to write. Returns false if it was killed before. */
  write(): boolean {
    return Atomics.compareExchange(this.#words, this.#thread, CLEAN, HAS_WRITTEN) !== KILLED;
  }

  get isKilled(): boolean {
    return Atomics.load(this.#words, this.#thread) === KILLED;
  }

  end(): void {
    Atomics.store(this.#words, this.#thread, NONE);
  }

  /** Kills all scripts that have written nothing. Returns whether there were any, or others only, or none. */
  kill(): "killed" | "have written" | "none" {
    let killed = false;
    let written = false;
    for (let thread = 0; thread < this.#words.length; thread++) {
      const before = Atomics.compareExchange(this.#words, thread, CLEAN, KILLED);
      killed ||= before === CLEAN || before === KILLED;
      written ||= before === HAS_WRITTEN;
    }
    if (killed) return "killed";
    return written ? "have written" : "none";
  }
}
