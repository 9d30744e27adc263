// One call of a function that several callers wait for. It is aborted once all of them have left.

export class Flight<T> {
  readonly #controller = new AbortController();
  readonly #result: Promise<T>;
  readonly #left: () => void;
  #callers = 0;

  /** `left`: called once all callers have left before the end. */
  constructor(run: (signal: AbortSignal) => Promise<T>, left: () => void) {
    this.#left = left;
    this.#result = run(this.#controller.signal);
    // Callers that have left do not see an error of the call.
    this.#result.catch(() => {});
  }

  /** Waits for the result; rejects with the reason of the signal if that comes first. */
  async join(signal: AbortSignal | undefined): Promise<T> {
    this.#callers++;
    if (signal === undefined) return await this.#result;
    let leave = () => {};
    const aborted = new Promise<never>((_, reject) => {
      leave = () => {
        reject(signal.reason);
        if (--this.#callers > 0) return;
        this.#left();
        this.#controller.abort(signal.reason);
      };
    });
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([this.#result, aborted]);
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }
}
