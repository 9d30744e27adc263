// Large bodies are parsed one by one. After some time of it other requests have a turn of the event loop.

/** Time for bodies between two turns of the event loop. */
const SLICE_MS = 10;

export class Turns {
  readonly #waiters: (() => void)[] = [];
  #isTaken = false;
  #startMs = 0;
  #usedMs = 0;

  /** Takes a turn at once, or waits for it. */
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
