// The keys that one connection watches, until its transaction runs.

import type { Bytes, RoutedKey } from "./bytes.ts";
import type { Cache } from "./cache.ts";
import type { ShardSet } from "./steps.ts";

/** Bytes of memory that a watched key takes beside its own bytes. */
const OVERHEAD_BYTES = 256;

interface Watch {
  readonly key: RoutedKey;
  readonly entry: number;
}

export class WatchedKeys {
  readonly #cache: Cache;
  readonly #claim: (fromBytes: number, toBytes: number) => boolean;
  /** By key, one character for each byte. */
  readonly #watches = new Map<string, Watch>();
  #claimed = 0;

  /** `claim` changes a claim on memory, and returns false if there is no room. */
  constructor(cache: Cache, claim: (fromBytes: number, toBytes: number) => boolean) {
    this.#cache = cache;
    this.#claim = claim;
  }

  /** Watches a key; a key that is watched already keeps its state. Returns false if there is no room. O(1). */
  add(key: Bytes, nowMs: number): boolean {
    const cache = this.#cache;
    const { watchTable } = cache;
    const name = key.bytes.toString("latin1", key.start, key.end);
    if (this.#watches.has(name)) return true;
    const bytes = this.#claimed + OVERHEAD_BYTES + 2 * (key.end - key.start);
    if (!watchTable.hasRoom || !this.#claim(this.#claimed, bytes)) return false;
    this.#claimed = bytes;
    if (watchTable.hasOldEntries) cache.exclusively(() => watchTable.takeOutOldEntries());
    const copy = Buffer.from(key.bytes.subarray(key.start, key.end));
    const routed = { bytes: copy, start: 0, end: copy.length, shard: -1, hash: 0, slot: -1 };
    cache.route(routed);
    watchTable.listen(1);
    cache.atomically([routed], () => {
      const isMissing = cache.look(routed, nowMs) === undefined;
      const entry = watchTable.add(routed.shard, routed.hash, routed, isMissing);
      this.#watches.set(name, { key: routed, entry });
    });
    return true;
  }

  /** Adds the shards of the keys to the set. */
  addShardsTo(shards: ShardSet): void {
    for (const { key } of this.#watches.values()) shards.add(key.shard);
  }

  /** Returns whether no key has changed. Guard: a step over the shards of the keys. */
  areUnchanged(nowMs: number): boolean {
    const cache = this.#cache;
    for (const { key, entry } of this.#watches.values()) {
      const isMissing = cache.look(key, nowMs) === undefined;
      if (cache.watchTable.isChanged(entry, isMissing)) return false;
    }
    return true;
  }

  /** Ends all watches. Must be called before the connection is forgotten. */
  clear(): void {
    const cache = this.#cache;
    const { watchTable } = cache;
    for (const { key, entry } of this.#watches.values()) {
      cache.atomically([key], () => watchTable.remove(key.shard, key.hash, entry));
      watchTable.listen(-1);
    }
    this.#watches.clear();
    this.#claim(this.#claimed, 0);
    this.#claimed = 0;
  }
}
