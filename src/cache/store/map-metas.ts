// The metas of the entries of a MapShard.

import { bytesOf, hashOf } from "./byte-strings.ts";
import type { Tables } from "./shared/tables.ts";
import { type Meta, RECORD_KEPT_MS, type ShownRecord } from "./shard.ts";

export class Metas {
  readonly #tables: Tables | undefined;
  readonly #metas = new Map<string, Meta>();
  /** Records that are no entries to users: stale ones that the sweep has seen, and leases of missing keys. */
  readonly #hidden = new Set<string>();

  constructor(tables: Tables | undefined) {
    this.#tables = tables;
  }

  /** Number of records with meta. */
  get size(): number {
    return this.#metas.size;
  }

  get hiddenCount(): number {
    return this.#hidden.size;
  }

  names(): Iterable<string> {
    return new Set([...this.#metas.keys(), ...this.#hidden]);
  }

  get(name: string): Meta | undefined {
    return this.#metas.get(name);
  }

  set(name: string, meta: Meta): void {
    this.#metas.set(name, meta);
  }

  /** Whether the record is no entry to users. */
  isHidden(name: string): boolean {
    return this.#hidden.has(name);
  }

  /** Hides a record from users; returns false if it was hidden before. */
  hide(name: string): boolean {
    if (this.#hidden.has(name)) return false;
    this.#hidden.add(name);
    return true;
  }

  /** Forgets a record, and wakes the threads that wait for its lease; returns whether it was hidden. */
  remove(name: string): boolean {
    const wasHidden = this.#hidden.delete(name);
    const hadLease = this.#metas.get(name)?.lease !== undefined;
    this.#metas.delete(name);
    if (hadLease) this.#tables?.wakes.wake(hashOf(bytesOf(name)));
    return wasHidden;
  }

  clear(): void {
    this.#metas.clear();
    this.#hidden.clear();
    this.#tables?.wakes.wakeAll();
  }

  stateOf(name: string, expiresAtMs: number, nowMs: number): ShownRecord["state"] {
    const meta = this.#metas.get(name);
    if (meta !== undefined && !this.#isCurrent(meta)) return "gone";
    if (expiresAtMs > nowMs) return "fresh";
    return meta !== undefined && meta.staleUntilMs > nowMs ? "stale" : "gone";
  }

  /** Whether the memory of the record may be freed. */
  isGone(name: string, expiresAtMs: number, nowMs: number): boolean {
    const meta = this.#metas.get(name);
    if (meta === undefined) return expiresAtMs <= nowMs;
    const keptUntilMs = meta.lease === undefined ? 0 : meta.lease.endsAtMs + RECORD_KEPT_MS;
    return Math.max(meta.staleUntilMs, keptUntilMs, expiresAtMs) <= nowMs || !this.#isCurrent(meta);
  }

  #isCurrent({ tags, stamp }: Meta): boolean {
    return tags.length === 0 || (this.#tables?.tags.areCurrent(tags, stamp) ?? true);
  }
}
