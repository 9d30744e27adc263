// The state of a thread's calls: it may be showing an entry to a callback, or hold locks of shards. A
// call that would wait for the thread's own lock, or change an entry while it is shown, throws instead.

/** A call inside a step used a shard that the step does not hold. The call has changed nothing. */
export class NotHeldError extends Error {}

export class CallGuard {
  /** Whether `check` can throw. Each call reads this field first and calls `check` only if it is set. */
  isOn = false;
  #isShowing = false;
  #held = 0;

  /** Counts a shard that this thread has locked, or unlocked. */
  addHeld(change: 1 | -1): void {
    this.#held += change;
    this.isOn = this.#isShowing || this.#held > 0;
  }

  /** Sets whether a callback is being shown an entry. */
  setShowing(isShowing: boolean): void {
    this.#isShowing = isShowing;
    this.isOn = isShowing || this.#held > 0;
  }

  /** Number of shards that this thread has locked. */
  get held(): number {
    return this.#held;
  }

  /** Throws if a call on a shard is not allowed now. `isHeld`: whether this thread has locked the shard. */
  check(isHeld: boolean): void {
    if (this.#isShowing) {
      throw new Error(
        "a callback of update or scan called the cache: return what to do with the entry instead",
      );
    }
    if (this.#held > 0 && !isHeld) {
      throw new NotHeldError(
        "a key was used inside atomically that is not among its keys: pass all keys to atomically",
      );
    }
  }

  /** Throws if this thread shows an entry: then it may not lock shards. */
  checkNotShowing(): void {
    if (this.#isShowing) this.check(false);
  }
}
