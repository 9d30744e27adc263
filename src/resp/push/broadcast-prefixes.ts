// The prefixes of clients that track in broadcast mode, and the keys with these prefixes that have changed.

import type { Receiver } from "./subscriber.ts";

export interface Prefix {
  readonly receivers: Set<Receiver>;
  /** The changed keys, as byte strings, each with the client that changed it last. */
  readonly changed: Map<string, number>;
}

/** Changes that wait at all prefixes together. A key with many prefixes waits at each of them. */
const CHANGES_MAX = 4096;

export class BroadcastPrefixes {
  readonly #prefixes = new Map<string, Prefix>();
  /** The number of prefixes of each length: a key is compared once for each length. */
  readonly #lengths = new Map<number, number>();
  #changes = 0;

  get size(): number {
    return this.#prefixes.size;
  }

  add(text: string, receiver: Receiver): void {
    let prefix = this.#prefixes.get(text);
    if (prefix === undefined) {
      prefix = { receivers: new Set(), changed: new Map() };
      this.#prefixes.set(text, prefix);
      this.#lengths.set(text.length, (this.#lengths.get(text.length) ?? 0) + 1);
    }
    prefix.receivers.add(receiver);
  }

  remove(text: string, receiver: Receiver): void {
    const prefix = this.#prefixes.get(text);
    if (prefix === undefined) return;
    prefix.receivers.delete(receiver);
    if (prefix.receivers.size > 0) return;
    this.#prefixes.delete(text);
    const left = (this.#lengths.get(text.length) ?? 0) - 1;
    if (left > 0) this.#lengths.set(text.length, left);
    else this.#lengths.delete(text.length);
  }

  /** Records a changed key at its prefixes. Returns whether the changes should be taken. O(lengths of prefixes). */
  changed(key: string, origin: number): boolean {
    for (const length of this.#lengths.keys()) {
      if (length > key.length) continue;
      const prefix = this.#prefixes.get(key.slice(0, length));
      if (prefix === undefined) continue;
      prefix.changed.set(key, origin);
      this.#changes++;
    }
    return this.#changes > CHANGES_MAX;
  }

  /** Calls `visit` for each prefix with changed keys, and forgets these keys. O(prefixes). */
  take(visit: (prefix: Prefix) => void): void {
    this.#changes = 0;
    for (const prefix of this.#prefixes.values()) {
      if (prefix.changed.size === 0) continue;
      visit(prefix);
      prefix.changed.clear();
    }
  }

  /** Forgets all changed keys. */
  forgetChanges(): void {
    this.take(() => {});
  }
}
