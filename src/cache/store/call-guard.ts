// What a thread is in the middle of: it shows an entry to a callback, or holds shards. A call that
// would wait for the thread's own lock, or change an entry while it is shown, throws instead.

export class CallGuard {
  /** Whether `check` has anything to check: calls look at this first, which costs one field read. */
  isOn = false;
  #isShowing = false;
  #held = 0;

  /** A shard is held by this thread, or no longer. */
  addHeld(change: 1 | -1): void {
    this.#held += change;
    this.isOn = this.#isShowing || this.#held > 0;
  }

  /** An entry is shown to a callback from now on, or no longer. */
  setShowing(isShowing: boolean): void {
    this.#isShowing = isShowing;
    this.isOn = isShowing || this.#held > 0;
  }

  get isHolding(): boolean {
    return this.#held > 0;
  }

  /** Before each call on a shard, which is held or not. Throws if the call must not be made now. */
  check(isHeld: boolean): void {
    if (this.#isShowing) {
      throw new Error(
        "a callback of update or scan called the cache: return what to do with the entry instead",
      );
    }
    if (this.#held > 0 && !isHeld) {
      throw new Error(
        "a key was used inside atomically that is not among its keys: pass all keys to atomically",
      );
    }
  }

  /** Before shards are taken. Throws if this thread holds some already, or shows an entry. */
  checkFree(): void {
    this.check(false);
  }
}
