// The prefixes of clients that track in broadcast mode, and the keys with these prefixes that have changed.

import type { Receiver } from "./subscriber.ts";

export interface Prefix {
  readonly receivers: Set<Receiver>;
  /** The changed keys, as byte strings, each with the client that changed it last. */
  readonly changed: Map<string, number>;
}

export class BroadcastPrefixes {
  readonly #prefixes = new Map<string, Prefix>();
  /** The number of prefixes of each length: a key is compared once for each length. */
  readonly #lengths = new Map<number, number>();

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

  /** Records a changed key at its prefixes. O(lengths of prefixes). */
  changed(key: string, origin: number): void {
    for (const length of this.#lengths.keys()) {
      if (length <= key.length) this.#prefixes.get(key.slice(0, length))?.changed.set(key, origin);
    }
  }

  /** Calls `visit` for each prefix with changed keys, and forgets these keys. O(prefixes). */
  take(visit: (prefix: Prefix) => void): void {
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
