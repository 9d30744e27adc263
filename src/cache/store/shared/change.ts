// What `update` and `put` make of an entry of a shard. Guard: the shard's lock, in a write.

import { ByteBuffer, type Bytes } from "../../bytes.ts";
import * as entries from "./records.ts";
import * as index from "./key-index.ts";
import { recordBytesOf, type Layout, MAX_KEY_BYTES } from "./layout.ts";
import * as log from "./log.ts";
import type { Change, TimedValue, Revision } from "../shard.ts";
import * as storing from "./put.ts";

/** A record is at most this part of the shard, and so a quarter of the least its log can be. */
export const RECORD_SHARE_MAX = 1 / 8;
/**
 * A value that grows and has to move gets this part of its length beyond what it needs, so that it is
 * copied once in so many bytes: 10,000 appends of 100 bytes to one value copy 9 MB instead of 5 GB.
 */
const SLACK_SHARE = 1 / 8;
/** A shorter record is as quickly copied as not. */
const LEAST_WITH_SLACK = 2 ** 10;

export class Changer {
  readonly #layout: Layout;
  readonly #largestExtent: number;
  /** For a value that lies in the log that is about to change, or that is put together. */
  readonly #aside = new ByteBuffer(0);

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#largestExtent = layout.memory.byteLength * RECORD_SHARE_MAX;
  }

  /** Bytes of the value after this change of the entry in the slot, or of no entry. */
  bytesAfter(wanted: TimedValue | Revision, slot: number, nowMs: number): number {
    if (wanted.value !== undefined) return wanted.value.end - wanted.value.start;
    const { part, at = 0 } = wanted;
    const bytes = this.#isAlive(slot, nowMs)
      ? this.#layout.valueLengthOf(this.#layout.recordAt(slot))
      : 0;
    return part === undefined ? bytes : Math.max(bytes, at + part.end - part.start);
  }

  /** Throws RangeError for an entry that is too large. To be called before anything is written. */
  refuseTooLarge(key: Bytes, valueBytes: number): void {
    const keyBytes = key.end - key.start;
    const recordBytes = recordBytesOf(keyBytes, valueBytes, true);
    if (keyBytes <= MAX_KEY_BYTES && recordBytes <= this.#largestExtent) return;
    throw new RangeError(
      `a key of ${keyBytes} and a value of ${valueBytes} bytes: together at most ` +
        `${this.#largestExtent}, and the key ${MAX_KEY_BYTES}`,
    );
  }

  /** Does what `update` wants to the entry in the slot, or to none. False as Shard.put. */
  apply(
    hash: number,
    key: Bytes,
    slot: number,
    wanted: Exclude<Change, "keep">,
    nowMs: number,
  ): boolean {
    const layout = this.#layout;
    if (wanted === "delete") {
      if (slot !== index.NO_SLOT) entries.remove(layout, slot, nowMs, "deleted");
      return true;
    }
    if (wanted.value === undefined) return this.#revise(hash, key, slot, wanted, nowMs);
    const value = this.#outside(wanted.value);
    const options = { slot, usesReserve: false, slackBytes: 0 };
    return storing.store(layout, hash, key, value, wanted.expiresAtMs, nowMs, options);
  }

  /** In the entry's place if it can be, else by way of a copy. */
  #revise(hash: number, key: Bytes, slot: number, revision: Revision, nowMs: number): boolean {
    const layout = this.#layout;
    const { part, at = 0, expiresAtMs } = revision;
    const bytes = this.bytesAfter(revision, slot, nowMs);
    const isAlive = this.#isAlive(slot, nowMs);
    const record = isAlive ? layout.recordAt(slot) : 0;
    const outside = part && this.#outside(part);
    if (isAlive && this.#reviseInPlace(slot, record, bytes, outside, at, expiresAtMs)) return true;
    const old = isAlive ? layout.valueLengthOf(record) : 0;
    const start = isAlive ? layout.valueStart(record) : 0;
    const whole = new ByteBuffer(bytes);
    whole.appendRun(layout.bytes, start, start + old);
    whole.bytes.fill(0, old, bytes);
    whole.end = bytes;
    if (outside) outside.bytes.copy(whole.bytes, at, outside.start, outside.end);
    const recordBytes = layout.extentFor(key.end - key.start, bytes, expiresAtMs);
    const slack =
      bytes > old && recordBytes >= LEAST_WITH_SLACK ? (recordBytes * SLACK_SHARE) & -8 : 0;
    const slackBytes = recordBytes + slack <= this.#largestExtent ? slack : 0;
    const options = { slot, usesReserve: false, slackBytes };
    return storing.store(layout, hash, key, whole, expiresAtMs, nowMs, options);
  }

  /** False if the record has no room for the deadline, or there is none behind it. */
  #reviseInPlace(
    slot: number,
    record: number,
    bytes: number,
    part: Bytes | undefined,
    at: number,
    expiresAtMs: number,
  ): boolean {
    const layout = this.#layout;
    const isRoomy = layout.hasDeadlineRoom(record);
    if (!isRoomy && expiresAtMs !== Infinity) return false;
    const old = layout.valueLengthOf(record);
    const recordBytes = recordBytesOf(layout.keyLengthOf(record), bytes, isRoomy);
    if (layout.recordBytesAt(record) !== recordBytes && !log.refit(layout, record, recordBytes))
      return false;
    layout.markHit(slot, record);
    entries.count(layout, record, -1);
    layout.words[(record >> 2) + 1] = bytes;
    if (isRoomy) layout.setDeadline(record, expiresAtMs);
    entries.count(layout, record, 1);
    const start = layout.valueStart(record);
    if (part !== undefined) {
      if (at > old) layout.bytes.fill(0, start + old, start + at);
      part.bytes.copy(layout.bytes, start + at, part.start, part.end);
    }
    // Counted as a write of the whole value is: a snapshot is due for it.
    layout.addToCounter("overwritten", 1);
    layout.addToCounter("inserted", 1);
    return true;
  }

  #isAlive(slot: number, nowMs: number): boolean {
    const layout = this.#layout;
    return slot !== index.NO_SLOT && layout.expiresAtOf(layout.recordAt(slot)) > nowMs;
  }

  /** The value where a write to the log cannot change it. */
  #outside(value: Bytes): Bytes {
    if (value.bytes !== this.#layout.bytes) return value;
    this.#aside.clear();
    this.#aside.appendRun(value.bytes, value.start, value.end);
    return this.#aside;
  }
}
