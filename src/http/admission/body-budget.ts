// The bytes of the requests and responses of one worker: their claims on the budget of the process, and
// the garbage that they leave.

import type { Service } from "../../service/service.ts";

/** A body or response of this size claims nothing: the connection pays for it. */
export const SMALL_BYTES = 16 * 1024;

const WAIT_MS_MAX = 1000;
const POLL_MS = 10;

/**
 * Garbage, as fractions of --max-pending-bytes, after which the young objects are collected (0.3 ms),
 * and after which all objects are (2 ms). Only the full collection frees an object that was in use
 * during a young one.
 */
const YOUNG_COLLECTION_RATIO = 1 / 4;
const FULL_COLLECTION_RATIO = 1 / 2;
/**
 * The part of the garbage of small bodies that a young collection may find in use: those of the requests in
 * flight. With all of it, puts of 100 bytes had a full collection every 32,000, and 1 % more CPU time.
 */
const SMALL_SURVIVING_RATIO = 1 / 8;

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
  /** In order of arrival. */
  readonly #waiters: Waiter[] = [];
  #timer: Timer | undefined;
  #youngBytes = 0;
  #survivingBytes = 0;

  constructor(budget: Service["budget"], collector: Collector) {
    this.#budget = budget;
    this.#collector = collector;
  }

  /** Changes a claim of `fromBytes` to `toBytes`. Returns false, and changes nothing, if there is no room. O(1). */
  tryResize(fromBytes: number, toBytes: number): boolean {
    return this.#budget.tryResize(fromBytes, toBytes);
  }

  /** Changes a claim even without room: it shrinks, or its bytes are in memory already. */
  resize(fromBytes: number, toBytes: number): void {
    this.#budget.resize(fromBytes, toBytes);
    if (toBytes < fromBytes && this.#waiters.length > 0) this.#serveWaiters();
  }

  /** Claims bytes for a response. Returns false if there is no room, or if others wait for room. */
  tryClaim(bytes: number): boolean {
    return this.#waiters.length === 0 && this.#budget.tryResize(0, bytes);
  }

  /** Waits at most WAIT_MS_MAX for room for a response, and claims it. Returns false without room. */
  waitToClaim(bytes: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const untilMs = performance.now() + WAIT_MS_MAX;
    this.#waiters.push({ bytes, untilMs, resolve });
    // For the room that other threads release.
    this.#timer ??= setInterval(() => this.#serveWaiters(), POLL_MS);
    return promise;
  }

  /** Counts garbage, and collects it once it is a fraction of the limit. */
  leave(bytes: number): void {
    this.#leave(bytes, bytes);
  }

  /** Counts the garbage of a small body that was in use for a moment. */
  leaveSmall(bytes: number): void {
    this.#leave(bytes, bytes * SMALL_SURVIVING_RATIO);
  }

  /** `surviving`: the part that a young collection may find in use. */
  #leave(bytes: number, surviving: number): void {
    this.#youngBytes += bytes;
    this.#survivingBytes += surviving;
    const { limitBytes } = this.#budget;
    if (this.#youngBytes < YOUNG_COLLECTION_RATIO * limitBytes) return;
    this.#youngBytes = 0;
    if (this.#survivingBytes < FULL_COLLECTION_RATIO * limitBytes) return this.#collector.young();
    this.#survivingBytes = 0;
    this.#collector.all();
  }

  /** Ends all waits without room. */
  stop(): void {
    clearInterval(this.#timer);
    for (const { resolve } of this.#waiters.splice(0)) resolve(false);
  }

  #serveWaiters(): void {
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
