// SIGTERM and SIGINT: the first one stops the service, one that comes later ends the step that the
// stop is at.
//
// Ctrl-C under `bun run` comes twice within milliseconds, from the terminal and from bun: the second
// is the same wish.

const SAME_WISH_MS = 1000;

export class StopSignals {
  readonly #now: () => number;
  #lastMs = -Infinity;
  #next = Promise.withResolvers<string>();

  constructor(now = (): number => performance.now()) {
    this.#now = now;
  }

  /** Resolves with the name of the next signal that is another wish. */
  get next(): Promise<string> {
    return this.#next.promise;
  }

  /** Takes a signal, or another wish to stop. */
  came(name: string): void {
    const nowMs = this.#now();
    if (nowMs - this.#lastMs < SAME_WISH_MS) return;
    this.#lastMs = nowMs;
    this.#next.resolve(name);
    this.#next = Promise.withResolvers();
  }
}
