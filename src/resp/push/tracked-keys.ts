// The keys that clients of a worker may keep copies of, each with the numbers of the clients. The key that was
// added first is the first one to be forgotten.

import type { ByteBudget } from "../../shared-memory/byte-budget.ts";
import type { RespCounters } from "../counters.ts";

/** Bytes of a key beside its own, and of each further client: 120 measured with 300,000 keys of one client. */
const KEY_BYTES = 150;
const SET_BYTES = 250;
const CLIENT_BYTES = 50;

type Ids = number | Set<number>;

export class TrackedKeys {
  readonly #keys = new Map<string, Ids>();
  readonly #budget: ByteBudget;
  readonly #counters: RespCounters;

  constructor(budget: ByteBudget, counters: RespCounters) {
    this.#budget = budget;
    this.#counters = counters;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** The key that was added first, if there is one. O(1). */
  get oldest(): string | undefined {
    return this.#keys.keys().next().value;
  }

  /** Adds a client to a key, a byte string. Returns false if there is no room. O(1). */
  add(key: string, id: number): boolean {
    const ids = this.#keys.get(key);
    if (ids === id || (typeof ids === "object" && ids.has(id))) return true;
    const before = costOf(key, ids);
    const next = withId(ids, id);
    if (!this.#budget.tryResize(before, before + addedCost(key, ids))) return false;
    if (ids === undefined) this.#counters.add("trackedKeys", 1);
    this.#counters.add("trackedItems", 1);
    if (next !== ids) this.#keys.set(key, next);
    if (typeof next === "object") next.add(id);
    return true;
  }

  /** Removes a key. Returns its clients, if it is in the table. O(clients). */
  take(key: string): Iterable<number> | undefined {
    const ids = this.#keys.get(key);
    if (ids === undefined) return undefined;
    this.#keys.delete(key);
    this.#budget.resize(costOf(key, ids), 0);
    this.#counters.add("trackedKeys", -1);
    this.#counters.add("trackedItems", -countOf(ids));
    return typeof ids === "number" ? [ids] : ids;
  }

  /** Removes all keys. O(keys). */
  clear(): void {
    for (const key of this.#keys.keys()) this.take(key);
  }
}

function withId(ids: Ids | undefined, id: number): Ids {
  if (ids === undefined) return id;
  return typeof ids === "number" ? new Set([ids]) : ids;
}

function countOf(ids: Ids | undefined): number {
  if (ids === undefined) return 0;
  return typeof ids === "number" ? 1 : ids.size;
}

function costOf(key: string, ids: Ids | undefined): number {
  const count = countOf(ids);
  if (count === 0) return 0;
  const own = KEY_BYTES + key.length;
  return typeof ids === "number" ? own : own + SET_BYTES + CLIENT_BYTES * count;
}

function addedCost(key: string, ids: Ids | undefined): number {
  if (ids === undefined) return KEY_BYTES + key.length;
  return typeof ids === "number" ? SET_BYTES + 2 * CLIENT_BYTES : CLIENT_BYTES;
}
