// Steps over several shards: the locks of a set of shards, taken in ascending order.

import type { CallGuard } from "./store/call-guard.ts";
import type { Shard } from "./store/shard.ts";

/** A set of numbers of shards that is filled, used for a step and filled again. */
export class ShardSet {
  readonly #isIn: Uint8Array;
  /** Ascending after `sort`. */
  readonly numbers: number[] = [];

  constructor(shards: number) {
    this.#isIn = new Uint8Array(shards);
  }

  clear(): void {
    for (const number of this.numbers) this.#isIn[number] = 0;
    this.numbers.length = 0;
  }

  add(number: number): void {
    if (this.#isIn[number] !== 0) return;
    this.#isIn[number] = 1;
    this.numbers.push(number);
  }

  has(number: number): boolean {
    return this.#isIn[number] !== 0;
  }

  addAll(): void {
    for (let number = 0; number < this.#isIn.length; number++) this.add(number);
  }

  /** Insertion sort: there are at most as many numbers as shards. */
  sort(): void {
    const { numbers } = this;
    for (let n = 1; n < numbers.length; n++) {
      const number = numbers[n] as number;
      let at = n;
      for (; at > 0 && (numbers[at - 1] as number) > number; at--)
        numbers[at] = numbers[at - 1] as number;
      numbers[at] = number;
    }
  }
}

/** Runs the steps of one thread. */
export class Steps {
  readonly #shards: readonly Shard[];
  readonly #guard: CallGuard;
  /** The set of the running step. */
  #running: ShardSet | undefined;
  /** Shards that were added to the running step. */
  readonly #added: Shard[] = [];

  constructor(shards: readonly Shard[], guard: CallGuard) {
    this.#shards = shards;
    this.#guard = guard;
  }

  /** Whether this thread is running the `work` of a step. */
  get isRunning(): boolean {
    return this.#guard.held > 0;
  }

  /** Runs `work` while this thread holds the shards of the set. Inside another step it just runs. */
  over<T>(shards: ShardSet, work: () => T): T {
    this.#guard.checkNotShowing();
    if (this.isRunning) return work();
    // A step that holds no shard would be none: commands of a transaction without a key would wait in it.
    if (shards.numbers.length === 0) shards.add(0);
    shards.sort();
    const { numbers } = shards;
    let held = 0;
    try {
      for (; held < numbers.length; held++) this.#shard(numbers[held]).lock();
      this.#running = shards;
      return work();
    } finally {
      while (held > 0) this.#shard(numbers[--held]).unlock();
      if (this.#added.length > 0) this.#unlockAdded();
    }
  }

  /**
   * Adds all other shards to the running step. Returns false if another thread holds one of them: it may
   * wait for a shard of this step, so that waiting for it could last forever. O(shards).
   */
  tryExtend(): boolean {
    return this.#shards.every((shard, number) => {
      if (this.#running?.has(number) === true || this.#added.includes(shard)) return true;
      return shard.lock(false) && this.#added.push(shard) > 0;
    });
  }

  /** Runs `work` while this thread holds all shards. Throws inside a step over fewer shards. */
  overAll<T>(work: () => T): T {
    // Before `work`, which could stop in the middle at the first shard that is not held.
    if (this.isRunning && this.#guard.held < this.#shards.length) this.#guard.check(false);
    const all = new ShardSet(this.#shards.length);
    all.addAll();
    return this.over(all, work);
  }

  #unlockAdded(): void {
    for (const shard of this.#added) shard.unlock();
    this.#added.length = 0;
  }

  #shard(number = -1): Shard {
    const shard = this.#shards[number];
    if (shard === undefined) throw new RangeError(`no shard ${number}`);
    return shard;
  }
}
