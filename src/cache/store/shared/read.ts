// Reads an entry of a shard, with its lock or without. Without the lock a read may find nonsense: it
// stays inside the memory and ends, and the caller checks afterwards whether the read was whole.

import { type ByteBuffer, type Bytes, MISS, rangeWithin } from "../../bytes.ts";
import * as index from "./key-index.ts";
import type { Layout } from "./layout.ts";
import type { SequenceLock } from "./lock.ts";
import * as meta from "./meta.ts";
import { type Facts, type Reading } from "../shard.ts";

export class Reader {
  readonly #layout: Layout;
  readonly #lock: SequenceLock;
  /** Slot and record that the last read found. */
  #slot = index.NO_SLOT;
  #record = 0;
  /** Offset of the value, read once: the key's length at the record may change until the next look. */
  #valueStart = 0;

  constructor(layout: Layout, lock: SequenceLock) {
    this.#layout = layout;
    this.#lock = lock;
  }

  /**
   * Appends the value of the live entry to `into` and returns its length, or MISS. `sequence` is the
   * result of `readBegin`; undefined if this thread has the lock.
   */
  value(hash: number, key: Bytes, nowMs: number, into: ByteBuffer, sequence?: number): number {
    const layout = this.#layout;
    const length = this.#find(hash, key, nowMs);
    if (length === MISS) return MISS;
    if (this.#mustNotGrow(into, length, sequence)) return MISS;
    const start = this.#valueStart;
    into.appendRun(layout.bytes, start, start + length);
    return length;
  }

  /** As `value`, for the bytes from `first` to `last`, as `rangeWithin` counts them. O(bytes appended). */
  range(
    hash: number,
    key: Bytes,
    nowMs: number,
    first: number,
    last: number,
    into: ByteBuffer,
    sequence?: number,
  ): number {
    const layout = this.#layout;
    const length = this.#find(hash, key, nowMs);
    if (length === MISS) return MISS;
    const { start, end } = rangeWithin(length, first, last);
    if (this.#mustNotGrow(into, end - start, sequence)) return MISS;
    const at = this.#valueStart;
    into.appendRun(layout.bytes, at + start, at + end);
    return end - start;
  }

  /** Returns facts about the live entry without its value, or undefined. O(1). */
  facts(hash: number, key: Bytes, nowMs: number): Facts | undefined {
    const valueBytes = this.#find(hash, key, nowMs);
    if (valueBytes === MISS) return undefined;
    const expiresAtMs = this.#layout.expiresAtOf(this.#record);
    return { valueBytes, expiresAtMs, hits: this.#layout.hitsAt(this.#slot) };
  }

  /** As `value` for an entry that is fresh or stale; returns what is known of it, or undefined. */
  reading(
    hash: number,
    key: Bytes,
    nowMs: number,
    into: ByteBuffer,
    sequence?: number,
  ): Reading | undefined {
    const layout = this.#layout;
    const slot = index.find(layout, hash, key);
    if (slot === index.NO_SLOT) return undefined;
    const record = layout.recordAt(slot);
    if (!meta.isServable(layout, record, nowMs)) return undefined;
    const length = this.#checkedLength(record);
    if (length === MISS || this.#mustNotGrow(into, length, sequence)) return undefined;
    const start = this.#valueStart;
    into.appendRun(layout.bytes, start, start + length);
    this.#slot = slot;
    this.#record = record;
    const expiresAtMs = layout.expiresAtOf(record);
    const found = meta.metaOf(layout, record);
    return { length, expiresAtMs, isStale: expiresAtMs <= nowMs, meta: found };
  }

  /** Counts a hit of the entry that the last read found. */
  markHit(): void {
    this.#layout.markHit(this.#slot, this.#record);
  }

  /** The length of the live entry's value, or MISS. */
  #find(hash: number, key: Bytes, nowMs: number): number {
    const layout = this.#layout;
    const slot = index.find(layout, hash, key);
    if (slot === index.NO_SLOT) return MISS;
    const record = layout.recordAt(slot);
    if (layout.expiresAtOf(record) <= nowMs) return MISS;
    const length = this.#checkedLength(record);
    if (length === MISS) return MISS;
    if (layout.hasMeta(record) && !meta.isCurrent(layout, record)) return MISS;
    this.#slot = slot;
    this.#record = record;
    return length;
  }

  /** The length of the record's value; MISS if it reaches out of the memory: then the read is torn. */
  #checkedLength(record: number): number {
    const layout = this.#layout;
    const length = layout.valueLengthOf(record);
    const start = layout.valueStart(record);
    this.#valueStart = start;
    return length >= 0 && start + length <= layout.bytes.length ? length : MISS;
  }

  /** Whether the buffer would grow for a length that is torn: it must not grow by a gigabyte. */
  #mustNotGrow(into: ByteBuffer, length: number, sequence: number | undefined): boolean {
    if (into.end + length <= into.bytes.length || sequence === undefined) return false;
    return this.#lock.readRetry(this.#layout.words, sequence);
  }
}
