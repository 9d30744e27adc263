// The bytes that the requests and answers of one worker take: their claims on the budget of the
// process, and the garbage that they leave.

import type { Service } from "../../service/service.ts";

/** A body or an answer of this size claims nothing: the connection pays for it. */
export const SMALL_BYTES = 16 * 1024;

const MOST_WAIT_MS = 1000;
const LOOK_EVERY_MS = 10;

/**
 * Garbage after which the young objects are collected (0.3 ms), and after which all are (2 ms), in parts
 * of --max-pending-bytes. An object that was in use during a collection of the young ones is freed
 * by the other one only.
 */
const COLLECT_YOUNG_AFTER = 1 / 4;
const COLLECT_ALL_AFTER = 1 / 2;

/** The collections of the runtime. */
export interface Collector {
  /** Frees objects that were made since the last collection. */
  readonly young: () => void;
  readonly all: () => void;
}

interface Waiter {
  readonly bytes: number;
  readonly untilMs: number;
  readonly resolve: (fits: boolean) => void;
}

export class BodyBudget {
  readonly #budget: Service["budget"];
  readonly #collector: Collector;
  /** In the order in which they came. */
  readonly #waiters: Waiter[] = [];
  #timer: Timer | undefined;
  #youngBytes = 0;
  #allBytes = 0;

  constructor(budget: Service["budget"], collector: Collector) {
    this.#budget = budget;
    this.#collector = collector;
  }

  /** Changes a claim of `fromBytes` to `toBytes`. Returns false, and changes nothing, if there is no room. O(1). */
  tryResize(fromBytes: number, toBytes: number): boolean {
    return this.#budget.tryResize(fromBytes, toBytes);
  }

  /** The same without asking: for a claim that shrinks, or for bytes that will be there in any case. */
  resize(fromBytes: number, toBytes: number): void {
    this.#budget.resize(fromBytes, toBytes);
    if (toBytes < fromBytes && this.#waiters.length > 0) this.#look();
  }

  /** Claims bytes for an answer. Returns false if there is no room, or others wait for it. */
  tryClaim(bytes: number): boolean {
    return this.#waiters.length === 0 && this.#budget.tryResize(0, bytes);
  }

  /** Waits for room for an answer, at most a second, and claims it. Returns false if there was none. */
  waitToClaim(bytes: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const untilMs = performance.now() + MOST_WAIT_MS;
    this.#waiters.push({ bytes, untilMs, resolve });
    // For the room that other threads give back.
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
    return promise;
  }

  /** Counts garbage, and collects it if it is much. */
  leave(bytes: number): void {
    this.#youngBytes += bytes;
    const { limitBytes } = this.#budget;
    if (this.#youngBytes < COLLECT_YOUNG_AFTER * limitBytes) return;
    this.#allBytes += this.#youngBytes;
    this.#youngBytes = 0;
    if (this.#allBytes < COLLECT_ALL_AFTER * limitBytes) return this.#collector.young();
    this.#allBytes = 0;
    this.#collector.all();
  }

  /** Ends the waiting. */
  stop(): void {
    clearInterval(this.#timer);
    for (const { resolve } of this.#waiters.splice(0)) resolve(false);
  }

  #look(): void {
    const nowMs = performance.now();
    for (let first = this.#waiters[0]; first !== undefined; first = this.#waiters[0]) {
      const fits = this.#budget.tryResize(0, first.bytes);
      if (!fits && nowMs < first.untilMs) return;
      this.#waiters.shift();
      first.resolve(fits);
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
