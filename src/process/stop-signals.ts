// SIGTERM and SIGINT: the first signal stops the service, and each later one ends the current step of
// the stop.
//
// Ctrl-C under `bun run` arrives twice within milliseconds, from the terminal and from bun. Signals
// within REPEAT_MS therefore count as one request.

const REPEAT_MS = 1000;

export class StopSignals {
  readonly #now: () => number;
  #lastMs = -Infinity;
  #next = Promise.withResolvers<string>();

  constructor(now = (): number => performance.now()) {
    this.#now = now;
  }

  /** Resolves with the name of the next request. */
  get next(): Promise<string> {
    return this.#next.promise;
  }

  /** Records a signal, or another request to stop, by its name. */
  record(name: string): void {
    const nowMs = this.#now();
    if (nowMs - this.#lastMs < REPEAT_MS) return;
    this.#lastMs = nowMs;
    this.#next.resolve(name);
    this.#next = Promise.withResolvers();
  }
}
