// Large bodies are parsed one at a time. After SLICE_MS of parsing, the event loop runs other requests
// before the next body.

/** Parsing time between two turns of the event loop. */
const SLICE_MS = 10;

export class ParseTurns {
  readonly #waiters: (() => void)[] = [];
  #isTaken = false;
  #startMs = 0;
  #usedMs = 0;

  /** Takes the turn at once and returns undefined, or returns the wait for it. */
  begin(): Promise<void> | undefined {
    if (!this.#isTaken) {
      this.#start();
      return undefined;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.push(() => {
      this.#start();
      resolve();
    });
    return promise;
  }

  end(): void {
    this.#usedMs += performance.now() - this.#startMs;
    if (this.#usedMs < SLICE_MS) return this.#next();
    setImmediate(() => {
      this.#usedMs = 0;
      this.#next();
    });
  }

  #start(): void {
    this.#isTaken = true;
    this.#startMs = performance.now();
  }

  #next(): void {
    this.#isTaken = false;
    this.#waiters.shift()?.();
  }
}
