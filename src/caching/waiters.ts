// The requests of one worker that wait for a value which the holder of a lease computes.
//
//   wait:  look at the key: a value, or a lease? done : wait for its word
//   wake, or the end of the lease:  the waiters of the key look again, in the order of their arrival,
//          until one of them gets a new lease: the others wait for that one
//
// A waiter is a callback and a timer: no thread waits, and nothing is polled. The words of wakes.ts wake
// all workers. A wake may be for another key of the same word; then the waiters wait on.

import type { Bytes, Cache } from "../cache/cache.ts";

/** Looks at the key. Returns 0 if the waiter has what it wants, else when the lease of the key ends. */
export type Attempt = () => number;

interface Waiter {
  readonly attempt: Attempt;
  readonly giveUp: () => void;
  readonly timer: Timer;
}

/** The waiters of one key. */
interface Group {
  readonly name: string;
  readonly word: number;
  readonly waiters: Set<Waiter>;
  /** Ends when the lease does. */
  timer: Timer | undefined;
}

const nothingToEnd = (): void => {};

export class Waiters {
  readonly #cache: Cache;
  readonly #max: number;
  readonly #groups = new Map<string, Group>();
  /** The groups that wait for each word. */
  readonly #words = new Map<number, Set<Group>>();
  /** The words for which a promise is pending. It stays pending without waiters: there are 1,024 words. */
  readonly #listening = new Set<number>();

  /** At most `max` requests of all workers wait at one time. */
  constructor(cache: Cache, max: number) {
    this.#cache = cache;
    this.#max = max;
  }

  /**
   * Calls `attempt` now and at each change of the key, until it returns 0; `giveUp` after `waitMs`.
   * Returns a function that ends the wait, or undefined if too many requests wait: then neither is
   * called again. O(1) beside `attempt`.
   */
  wait(key: Bytes, waitMs: number, attempt: Attempt, giveUp: () => void): (() => void) | undefined {
    const { leases } = this.#cache;
    const word = leases.wakeWordOf(key);
    // Before the attempt: an end of the lease after it changes the word.
    const seen = leases.wakeStateOf(word);
    const leaseEndsAtMs = attempt();
    if (leaseEndsAtMs === 0) return nothingToEnd;
    if (!leases.countWaiter(1, this.#max)) return undefined;
    const group = this.#groupOf(key, word);
    const timer = setTimeout(() => {
      this.#remove(group, waiter);
      giveUp();
    }, waitMs);
    const waiter: Waiter = { attempt, giveUp, timer };
    group.waiters.add(waiter);
    this.#wakeAt(group, leaseEndsAtMs);
    this.#listen(word, seen);
    return () => this.#remove(group, waiter);
  }

  /** Ends all waits without a value. */
  stop(): void {
    for (const group of [...this.#groups.values()]) {
      for (const waiter of [...group.waiters]) {
        this.#remove(group, waiter);
        waiter.giveUp();
      }
    }
  }

  #groupOf(key: Bytes, word: number): Group {
    const name = key.bytes.toString("latin1", key.start, key.end);
    const found = this.#groups.get(name);
    if (found !== undefined) return found;
    const group: Group = { name, word, waiters: new Set(), timer: undefined };
    this.#groups.set(name, group);
    const others = this.#words.get(word);
    if (others === undefined) this.#words.set(word, new Set([group]));
    else others.add(group);
    return group;
  }

  /** Waits for the word, unless an earlier call does: that one sees each change since its own `seen`. */
  #listen(word: number, seen: number): void {
    if (this.#listening.has(word)) return;
    this.#listening.add(word);
    const waking = this.#cache.leases.waitForWake(word, seen) ?? Promise.resolve();
    void waking.then(() => {
      this.#listening.delete(word);
      this.#serveWord(word);
    });
  }

  /** Lets the waiters of a word look again. */
  #serveWord(word: number): void {
    const seen = this.#cache.leases.wakeStateOf(word);
    for (const group of [...(this.#words.get(word) ?? [])]) this.#serve(group);
    if (this.#words.has(word)) this.#listen(word, seen);
  }

  #serve(group: Group): void {
    for (const waiter of [...group.waiters]) {
      // An earlier waiter may have ended this one: both may belong to one client.
      if (!group.waiters.has(waiter)) continue;
      const leaseEndsAtMs = waiter.attempt();
      if (leaseEndsAtMs > 0) return this.#wakeAt(group, leaseEndsAtMs);
      this.#remove(group, waiter);
    }
  }

  /** Lets the group look again when the lease ends. */
  #wakeAt(group: Group, atMs: number): void {
    clearTimeout(group.timer);
    const leftMs = Math.max(1, Math.ceil(atMs - this.#cache.clock.now()));
    group.timer = setTimeout(() => this.#serve(group), leftMs);
  }

  #remove(group: Group, waiter: Waiter): void {
    if (!group.waiters.delete(waiter)) return;
    clearTimeout(waiter.timer);
    this.#cache.leases.countWaiter(-1, this.#max);
    if (group.waiters.size > 0) return;
    clearTimeout(group.timer);
    this.#groups.delete(group.name);
    const groups = this.#words.get(group.word);
    groups?.delete(group);
    if (groups?.size === 0) this.#words.delete(group.word);
  }
}
