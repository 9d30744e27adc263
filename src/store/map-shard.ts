// A shard in a JavaScript Map: the plain implementation, and the oracle for others.
//
// Keys and values are kept as byte strings, one character a byte: a string is
// half the memory of a Buffer and the Map compares it natively. Not bounded.

import { ByteBuffer, type Bytes } from "./bytes.ts";
import { type Change, type Entry, MISS, NEVER, type Shard, type ShardFigures } from "./shard.ts";

interface Stored {
  readonly value: string;
  readonly deadlineMs: number;
}

export class MapShard implements Shard {
  readonly #map = new Map<string, Stored>();
  #bytes = 0;
  #expired = 0;
  /** Entries with a deadline; while there is none, a sweep has nothing to look at. */
  #mortal = 0;
  /** Where the sweep stands. A Map's iterator stays valid while entries come and go. */
  #sweeping: MapIterator<[string, Stored]> | undefined;

  get(key: Bytes, nowMs: number, into: ByteBuffer): number {
    const stored = this.#live(byteString(key), nowMs);
    if (stored === undefined) return MISS;
    into.appendByteString(stored.value);
    return stored.value.length;
  }

  put(key: Bytes, value: Bytes, deadlineMs: number, nowMs: number): void {
    const name = byteString(key);
    this.#replace(name, this.#live(name, nowMs), { value: byteString(value), deadlineMs });
  }

  delete(key: Bytes, nowMs: number): boolean {
    const name = byteString(key);
    const stored = this.#live(name, nowMs);
    if (stored !== undefined) this.#replace(name, stored, undefined);
    return stored !== undefined;
  }

  update(key: Bytes, nowMs: number, change: (entry: Entry | undefined) => Change): void {
    const name = byteString(key);
    const stored = this.#live(name, nowMs);
    const wanted = change(stored && shown(stored));
    if (wanted === "keep") return;
    if (wanted === "delete") return this.#replace(name, stored, undefined);
    const { value, deadlineMs } = wanted;
    this.#replace(name, stored, { value: byteString(value), deadlineMs });
  }

  scan(nowMs: number, visit: (key: Bytes, entry: Entry) => void): void {
    for (const [name, stored] of this.#map) {
      if (stored.deadlineMs > nowMs) visit(bytesOf(name), shown(stored));
    }
  }

  sweep(nowMs: number, maxEntries: number): number {
    if (this.#mortal === 0) return 0;
    this.#sweeping ??= this.#map.entries();
    for (let seen = 0; seen < maxEntries; seen++) {
      const next = this.#sweeping.next();
      if (next.done) {
        this.#sweeping = undefined;
        return seen;
      }
      this.#expireIfDue(next.value[0], next.value[1], nowMs);
    }
    return maxEntries;
  }

  figures(): ShardFigures {
    const { size: entries } = this.#map;
    return { entries, bytes: this.#bytes, expired: this.#expired, evicted: 0 };
  }

  check(): void {
    let bytes = 0;
    let mortal = 0;
    for (const [name, stored] of this.#map) {
      bytes += name.length + stored.value.length;
      if (stored.deadlineMs !== NEVER) mortal++;
    }
    if (bytes !== this.#bytes) throw new Error(`shard counts ${this.#bytes} bytes, holds ${bytes}`);
    if (mortal !== this.#mortal) {
      throw new Error(`shard counts ${this.#mortal} deadlines, holds ${mortal}`);
    }
  }

  /** The entry if it is alive; one that is due is freed on the way. */
  #live(name: string, nowMs: number): Stored | undefined {
    const stored = this.#map.get(name);
    if (stored === undefined || this.#expireIfDue(name, stored, nowMs)) return undefined;
    return stored;
  }

  #expireIfDue(name: string, stored: Stored, nowMs: number): boolean {
    if (stored.deadlineMs > nowMs) return false;
    this.#replace(name, stored, undefined);
    this.#expired++;
    return true;
  }

  /** The one place where the map changes and where bytes and deadlines are counted. */
  #replace(name: string, before: Stored | undefined, after: Stored | undefined): void {
    if (before !== undefined) this.#count(name, before, -1);
    if (after === undefined) {
      this.#map.delete(name);
    } else {
      this.#map.set(name, after);
      this.#count(name, after, 1);
    }
  }

  #count(name: string, stored: Stored, sign: 1 | -1): void {
    this.#bytes += sign * (name.length + stored.value.length);
    if (stored.deadlineMs !== NEVER) this.#mortal += sign;
  }
}

function byteString(run: Bytes): string {
  return run.bytes.toString("latin1", run.start, run.end);
}

function bytesOf(text: string): Bytes {
  const buffer = new ByteBuffer(text.length);
  buffer.appendByteString(text);
  return buffer;
}

function shown(stored: Stored): Entry {
  return { value: bytesOf(stored.value), deadlineMs: stored.deadlineMs };
}
