// Reads an entry of a shard, with its lock or without. Without the lock a read may find nonsense: it
// stays inside the memory and ends, and the caller checks afterwards whether the read was whole.

import { type ByteBuffer, type Bytes, MISS, rangeWithin } from "../../bytes.ts";
import * as index from "./key-index.ts";
import type { Layout } from "./layout.ts";
import type { SequenceLock } from "./lock.ts";
import { type Facts } from "../shard.ts";

export class Reader {
  readonly #layout: Layout;
  readonly #lock: SequenceLock;
  /** Slot and record that the last read found. */
  #slot = index.NO_SLOT;
  #record = 0;

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
    // A torn length must not make the buffer grow by a gigabyte.
    const mustGrow = into.end + length > into.bytes.length;
    if (mustGrow && sequence !== undefined && this.#lock.readRetry(layout.words, sequence))
      return MISS;
    const start = layout.valueStart(this.#record);
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
    const mustGrow = into.end + end - start > into.bytes.length;
    if (mustGrow && sequence !== undefined && this.#lock.readRetry(layout.words, sequence))
      return MISS;
    const valueStart = layout.valueStart(this.#record);
    into.appendRun(layout.bytes, valueStart + start, valueStart + end);
    return end - start;
  }

  /** Returns facts about the live entry without its value, or undefined. O(1). */
  facts(hash: number, key: Bytes, nowMs: number): Facts | undefined {
    const valueBytes = this.#find(hash, key, nowMs);
    if (valueBytes === MISS) return undefined;
    const expiresAtMs = this.#layout.expiresAtOf(this.#record);
    return { valueBytes, expiresAtMs, hits: this.#layout.hitsAt(this.#slot) };
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
    const length = layout.valueLengthOf(record);
    if (!(length >= 0 && layout.valueStart(record) + length <= layout.bytes.length)) return MISS;
    this.#slot = slot;
    this.#record = record;
    return length;
  }
}
