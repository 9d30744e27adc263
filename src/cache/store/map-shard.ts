// A shard in a JavaScript Map: the plain implementation, and the oracle for others.
//
// Keys and values are byte strings, one character a byte: a string takes half the
// memory of a Buffer, and the Map compares it natively. Expiries are in a Map of
// their own, so an entry without one is only its two strings (measured in one run:
// a put over 100,000 entries 550 ns, 1,070 ns with an object an entry), and a sweep
// reads only entries that expire.
//
// A Map keeps the order in which its keys were added. A hit adds its key again, so
// that the first key is the least recently used one, which a full shard evicts.

import { bytesOf, byteString, hashOf } from "./byte-strings.ts";
import { Metas } from "./map-metas.ts";
import { CallGuard } from "./call-guard.ts";
import {
  type ChangeKind,
  DELETED,
  EVICTED,
  EXPIRED,
  NO_HOOK,
  type ShardHook,
  WRITTEN,
} from "./change-hook.ts";
import { type ByteBuffer, type Bytes, MISS, rangeWithin } from "../bytes.ts";
import type { Tables } from "./shared/tables.ts";
import { databaseOf, DATABASES_MAX, INTERNAL, PREFIX_MARK } from "../databases.ts";
import {
  type Change,
  type Entry,
  type Facts,
  type Meta,
  type TimedValue,
  NEVER,
  NO_STATS,
  type Reading,
  type Revision,
  SCAN_END,
  type Shard,
  type ShardStats,
  type ShownRecord,
  withExpiry,
} from "./shard.ts";

/** Bytes that a Map and two strings take beside their characters, measured with a million entries. */
const ENTRY_BYTES = 142;
/** Ratio of the memory of a shard without eviction that is reserved for RENAME. */
const RESERVED_RATIO = 1 / 16;

/** Why an entry is removed, as the stats count it, and how that is reported; an overwrite is reported once, as WRITTEN. */
const REMOVALS = {
  overwritten: undefined,
  deleted: DELETED,
  expired: EXPIRED,
  evicted: EVICTED,
} as const;
interface StoredEntry {
  readonly value: string;
  readonly expiresAtMs: number;
  readonly meta: Meta | undefined;
}

export class MapShard implements Shard {
  readonly #memory: number;
  readonly #evicts: boolean;
  readonly #guard: CallGuard;
  readonly #hook: ShardHook;
  #isHeld = false;
  readonly #values = new Map<string, string>();
  /** Expiries of the entries that have one. */
  readonly #expiries = new Map<string, number>();
  readonly #metas: Metas;
  readonly #stats = { ...NO_STATS };
  /** Position of the sweep. A Map's iterator stays valid while entries are added and removed. */
  #sweeping: MapIterator<[string, number]> | undefined;

  /** Estimated bytes of an entry. */
  static entryBytes(keyBytes: number, valueBytes: number): number {
    return keyBytes + valueBytes + ENTRY_BYTES;
  }

  /** Bounded by `memoryBytes` as nearly as an estimate of what a Map takes allows. */
  constructor(
    memoryBytes: number,
    evicts = true,
    guard = new CallGuard(),
    hook = NO_HOOK,
    tables?: Tables,
  ) {
    this.#memory = memoryBytes;
    this.#evicts = evicts;
    this.#guard = guard;
    this.#hook = hook;
    this.#metas = new Metas(tables);
  }

  get(key: Bytes, nowMs: number, into: ByteBuffer): number {
    const name = byteString(key);
    const value = this.#live(name, nowMs);
    if (value === undefined) return MISS;
    this.#hit(name, value);
    into.appendByteString(value);
    return value.length;
  }

  look(key: Bytes, nowMs: number, isHit: boolean): Facts | undefined {
    const name = byteString(key);
    const value = this.#live(name, nowMs);
    if (value === undefined) return undefined;
    if (isHit) this.#hit(name, value);
    const expiresAtMs = this.#expiries.get(name) ?? NEVER;
    return { valueBytes: value.length, expiresAtMs, hits: 0 };
  }

  getRange(key: Bytes, nowMs: number, first: number, last: number, into: ByteBuffer): number {
    const name = byteString(key);
    const value = this.#live(name, nowMs);
    if (value === undefined) return MISS;
    this.#hit(name, value);
    const { start, end } = rangeWithin(value.length, first, last);
    into.appendByteString(value.slice(start, end));
    return end - start;
  }

  put(
    key: Bytes,
    value: Bytes,
    expiresAtMs: number,
    nowMs: number,
    _hash?: number,
    usesReserve = false,
  ): boolean {
    const name = byteString(key);
    const before = this.#live(name, nowMs);
    const entry = { value: byteString(value), expiresAtMs, meta: undefined };
    return this.#store(name, before, entry, nowMs, usesReserve);
  }

  delete(key: Bytes, nowMs: number): boolean {
    const name = byteString(key);
    const value = this.#live(name, nowMs);
    if (value !== undefined) this.#remove(name, value, "deleted");
    else this.#expire(name);
    return value !== undefined;
  }

  read(key: Bytes, nowMs: number, into: ByteBuffer): Reading | undefined {
    const name = byteString(key);
    const live = this.#live(name, nowMs);
    const value = live ?? this.#values.get(name);
    if (value === undefined || this.#stateOf(name, nowMs) === "gone") return undefined;
    if (live !== undefined) this.#hit(name, value);
    into.appendByteString(value);
    const expiresAtMs = this.#expiries.get(name) ?? NEVER;
    const meta = this.#metas.get(name);
    return { length: value.length, expiresAtMs, isStale: live === undefined, meta };
  }

  update(key: Bytes, nowMs: number, change: (entry: Entry | undefined) => Change): boolean {
    const name = byteString(key);
    const value = this.#live(name, nowMs);
    const wanted = this.#showing(() =>
      change(value === undefined ? undefined : this.#entry(name, value)),
    );
    return this.#apply(name, value, wanted, nowMs);
  }

  updateRecord(
    key: Bytes,
    nowMs: number,
    change: (record: ShownRecord | undefined) => Change,
  ): boolean {
    const name = byteString(key);
    const live = this.#live(name, nowMs);
    const value = this.#values.get(name);
    const wanted = this.#showing(() => {
      if (value === undefined) return change(undefined);
      const state = this.#stateOf(name, nowMs);
      return change({ ...this.#entry(name, value), state });
    });
    return this.#apply(name, live, wanted, nowMs);
  }

  /** As Shard.scan, but shows all entries in one call: a hit changes their order, so a scan has no position. */
  scan(
    nowMs: number,
    _position: number,
    _count: number,
    visit: (key: Bytes, entry: Entry) => void,
  ): number {
    this.#checkCall();
    this.#showing(() => {
      for (const [name, value] of this.#values) {
        if (this.#stateOf(name, nowMs) === "fresh") visit(bytesOf(name), this.#entry(name, value));
      }
    });
    return SCAN_END;
  }

  clear(): void {
    this.#checkCall();
    this.#stats.deleted += this.#values.size - this.#metas.hiddenCount;
    this.#stats.bytes = 0;
    this.#values.clear();
    this.#expiries.clear();
    this.#metas.clear();
    if (Atomics.load(this.#hook.words, 0) !== 0) this.#hook.emptied();
  }

  // One thread: its calls are one step anyway.
  lock(): boolean {
    if (this.#isHeld) throw new Error("this thread holds the shard already");
    this.#guard.addHeld(1);
    return (this.#isHeld = true);
  }
  unlock(): void {
    this.#isHeld = false;
    this.#guard.addHeld(-1);
  }
  readonly lastVersion = 0;
  version(): number {
    return 0;
  }
  isUnchanged(): boolean {
    return true;
  }

  sweep(nowMs: number, maxEntries: number): number {
    this.#checkCall();
    this.#sweeping ??= this.#expiries.entries();
    for (let seen = 0; seen < maxEntries; seen++) {
      const next = this.#sweeping.next();
      if (next.done) {
        this.#sweeping = undefined;
        return seen;
      }
      const [name, expiresAtMs] = next.value;
      if (this.#isGone(name, nowMs)) this.#expire(name);
      else if (expiresAtMs <= nowMs && this.#metas.hide(name)) this.#stats.expired++;
    }
    return maxEntries;
  }

  stats(): ShardStats {
    const hidden = this.#metas.hiddenCount;
    const entries = this.#values.size - hidden;
    const expiring = this.#expiries.size - hidden;
    return { ...this.#stats, entries, expiring, hidden, memory: this.#memory, used: this.#used };
  }

  addDatabaseCounts(into: Float64Array): void {
    const count = (name: string, offset: number): void => {
      const database = name.charCodeAt(0) === PREFIX_MARK ? databaseOf(bytesOf(name)) : 0;
      if (database !== INTERNAL) into[offset + database] = (into[offset + database] ?? 0) + 1;
    };
    for (const name of this.#values.keys()) if (!this.#metas.isHidden(name)) count(name, 0);
    for (const name of this.#expiries.keys()) count(name, DATABASES_MAX);
  }

  check(): void {
    let bytes = 0;
    for (const [name, value] of this.#values) bytes += name.length + value.length;
    const { bytes: counted } = this.#stats;
    if (bytes !== counted) throw new Error(`shard counts ${counted} bytes, holds ${bytes}`);
    if (this.#used > this.#memory) throw new Error(`shard uses ${this.#used} of ${this.#memory} B`);
    for (const name of [...this.#expiries.keys(), ...this.#metas.names()]) {
      if (!this.#values.has(name)) throw new Error("shard keeps facts of an entry that it lost");
    }
  }

  get #used(): number {
    return this.#stats.bytes + this.#values.size * ENTRY_BYTES;
  }

  #checkCall(): void {
    if (this.#guard.isOn) this.#guard.check(this.#isHeld);
  }

  #showing<T>(work: () => T): T {
    this.#guard.setShowing(true);
    try {
      return work();
    } finally {
      this.#guard.setShowing(false);
    }
  }

  /** The value if the entry is alive; one that is due is freed on the way. Each call on a key begins with it. */
  #live(name: string, nowMs: number): string | undefined {
    this.#checkCall();
    if (this.#expiries.size > 0 || this.#metas.size > 0) {
      if (this.#isGone(name, nowMs)) this.#expire(name);
      if (this.#stateOf(name, nowMs) !== "fresh") return undefined;
    }
    return this.#values.get(name);
  }

  #stateOf(name: string, nowMs: number): ShownRecord["state"] {
    return this.#metas.stateOf(name, this.#expiries.get(name) ?? NEVER, nowMs);
  }

  #isGone(name: string, nowMs: number): boolean {
    return this.#metas.isGone(name, this.#expiries.get(name) ?? NEVER, nowMs);
  }

  #apply(name: string, live: string | undefined, wanted: Change, nowMs: number): boolean {
    if (wanted === "keep") return true;
    if (wanted === "delete") {
      if (live !== undefined) this.#remove(name, live, "deleted");
      else this.#expire(name);
      return true;
    }
    const { expiresAtMs } = wanted;
    const isNew = wanted.value !== undefined && !wanted.keepsMeta;
    const old = isNew || live === undefined ? undefined : this.#metas.get(name);
    const kept = old && withExpiry(old, this.#expiries.get(name) ?? NEVER, expiresAtMs);
    const meta = (wanted.value && wanted.meta) ?? kept;
    return this.#store(name, live, { value: valueAfter(live, wanted), expiresAtMs, meta }, nowMs);
  }

  #hit(name: string, value: string): void {
    this.#values.delete(name);
    this.#values.set(name, value);
  }

  /** Removes a record that is not alive, if it is there. */
  #expire(name: string): void {
    const value = this.#values.get(name);
    if (value !== undefined) this.#remove(name, value, "expired");
  }

  /** `before` is the entry's live value, if there is one. */
  #store(
    name: string,
    before: string | undefined,
    { value, expiresAtMs, meta }: StoredEntry,
    nowMs: number,
    usesReserve = false,
  ): boolean {
    const takes = name.length + value.length + ENTRY_BYTES;
    if (takes > this.#memory) {
      throw new RangeError(`an entry of ${takes} bytes: at most ${this.#memory}`);
    }
    const had = before === undefined ? 0 : name.length + before.length + ENTRY_BYTES;
    const kept = usesReserve ? 0 : Math.floor(this.#memory * RESERVED_RATIO);
    const isLonger = takes > had;
    if (!this.#evicts && isLonger && this.#used - had + takes > this.#memory - kept) return false;
    if (before !== undefined) this.#remove(name, before, "overwritten");
    else if (this.#metas.size > 0) this.#expire(name);
    this.#evict(this.#memory - takes, nowMs);
    this.#values.set(name, value);
    if (expiresAtMs !== NEVER) this.#expiries.set(name, expiresAtMs);
    if (meta !== undefined) this.#metas.set(name, meta);
    this.#stats.bytes += name.length + value.length;
    // To users, a record that is stored when it is not fresh is no entry.
    if (expiresAtMs <= nowMs && meta !== undefined) this.#metas.hide(name);
    else this.#stats.inserted++;
    this.#report(name, WRITTEN);
    return true;
  }

  /** Evicts the least recently used entries until no more than `room` bytes are in use. */
  #evict(room: number, nowMs: number): void {
    if (this.#used <= room) return;
    for (const [name, value] of this.#values) {
      const isDue = this.#stateOf(name, nowMs) !== "fresh";
      this.#remove(name, value, isDue ? "expired" : "evicted");
      if (this.#used <= room) return;
    }
  }

  #remove(name: string, value: string, reason: keyof typeof REMOVALS): void {
    this.#values.delete(name);
    if (this.#expiries.size > 0) this.#expiries.delete(name);
    this.#stats.bytes -= name.length + value.length;
    if (!this.#metas.remove(name)) this.#stats[reason]++;
    const kind = REMOVALS[reason];
    if (kind !== undefined) this.#report(name, kind);
  }

  /** Reports a change of the key, if a consumer listens. */
  #report(name: string, kind: ChangeKind): void {
    if (Atomics.load(this.#hook.words, 0) === 0) return;
    const key = bytesOf(name);
    this.#hook.changed(hashOf(key), key, kind);
  }

  #entry(name: string, value: string): Entry {
    const expiresAtMs = this.#expiries.get(name) ?? NEVER;
    return { value: bytesOf(value), expiresAtMs, hits: 0, meta: this.#metas.get(name) };
  }
}

function valueAfter(before = "", wanted: TimedValue | Revision): string {
  if (wanted.value !== undefined) return byteString(wanted.value);
  if (wanted.part === undefined) return before;
  const { at = 0, part } = wanted;
  const head = before.slice(0, at).padEnd(at, "\0");
  const middle = byteString(part);
  return head + middle + before.slice(at + middle.length);
}
