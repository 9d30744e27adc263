// Applies the change that a callback of `update` returns. Guard: the shard's lock, in a write.

import { ByteBuffer, type Bytes } from "../../bytes.ts";
import * as records from "./records.ts";
import * as index from "./key-index.ts";
import { recordBytesOf, type Layout, KEY_BYTES_MAX } from "./layout.ts";
import * as log from "./log.ts";
import { WRITTEN } from "../change-hook.ts";
import * as meta from "./meta.ts";
import * as metaPut from "./meta-put.ts";
import { type Change, type Meta, type TimedValue, type Revision, withExpiry } from "../shard.ts";
import * as put from "./put.ts";
import { RECORD_SHARE_MAX } from "./shard-size.ts";

/**
 * A value that grows and has to move gets this fraction of its length as slack, so that it is not copied
 * at each append: 10,000 appends of 100 bytes to one value copy 9 MB instead of 5 GB.
 */
const SLACK_RATIO = 1 / 8;
/** Shorter records get no slack: copying them costs nothing that can be measured. */
const SLACK_RECORD_BYTES_MIN = 2 ** 10;

export class Changer {
  readonly #layout: Layout;
  readonly #recordBytesMax: number;
  /** Holds a copy of a value that lies in the log, because the write may change the log. */
  readonly #aside = new ByteBuffer(0);

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#recordBytesMax = layout.memory.byteLength * RECORD_SHARE_MAX;
  }

  /** Bytes of the value after this change of the entry in the slot, or of no entry. */
  bytesAfter(change: TimedValue | Revision, slot: number, nowMs: number): number {
    if (change.value !== undefined) return change.value.end - change.value.start;
    const { part, at = 0 } = change;
    const bytes = this.#isAlive(slot, nowMs)
      ? this.#layout.valueLengthOf(this.#layout.recordAt(slot))
      : 0;
    return part === undefined ? bytes : Math.max(bytes, at + part.end - part.start);
  }

  /** Throws RangeError for an entry that is too large. Called before anything is written. */
  checkSize(key: Bytes, valueBytes: number): void {
    const keyBytes = key.end - key.start;
    const recordBytes = recordBytesOf(keyBytes, valueBytes, true);
    if (keyBytes <= KEY_BYTES_MAX && recordBytes <= this.#recordBytesMax) return;
    throw new RangeError(
      `a key of ${keyBytes} and a value of ${valueBytes} bytes: together at most ` +
        `${this.#recordBytesMax}, and the key ${KEY_BYTES_MAX}`,
    );
  }

  /** Applies the change to the entry in the slot, or to no entry. Returns false as Shard.put does. */
  apply(
    hash: number,
    key: Bytes,
    slot: number,
    change: Exclude<Change, "keep">,
    nowMs: number,
  ): boolean {
    const layout = this.#layout;
    if (change === "delete") {
      if (slot !== index.NO_SLOT) records.remove(layout, slot, nowMs, "deleted");
      return true;
    }
    if (change.value === undefined) return this.#revise(hash, key, slot, change, nowMs);
    const value = this.#copyIfInLog(change.value);
    const { expiresAtMs } = change;
    const keepsMeta = change.keepsMeta === true && this.#hasMeta(slot);
    const itsMeta = change.meta ?? (keepsMeta ? this.#metaAt(slot, expiresAtMs, nowMs) : undefined);
    return itsMeta === undefined
      ? put.store(layout, hash, key, value, expiresAtMs, nowMs, slot)
      : metaPut.store(layout, hash, key, { value, expiresAtMs, meta: itsMeta }, nowMs);
  }

  /** Revises the entry in its record if possible, else writes a new record. */
  #revise(hash: number, key: Bytes, slot: number, revision: Revision, nowMs: number): boolean {
    const layout = this.#layout;
    const { part, at = 0, expiresAtMs } = revision;
    const bytes = this.bytesAfter(revision, slot, nowMs);
    const isAlive = this.#isAlive(slot, nowMs);
    const record = isAlive ? layout.recordAt(slot) : 0;
    const source = part && this.#copyIfInLog(part);
    const itsMeta = this.#metaAt(slot, expiresAtMs, nowMs);
    const mayStay = isAlive && itsMeta === undefined;
    if (mayStay && this.#reviseInPlace(slot, record, bytes, source, at, expiresAtMs)) {
      records.report(layout, hash, key, WRITTEN);
      return true;
    }
    const old = isAlive ? layout.valueLengthOf(record) : 0;
    const start = isAlive ? layout.valueStart(record) : 0;
    const kept = new ByteBuffer(itsMeta === undefined ? old : bytes);
    kept.appendRun(layout.bytes, start, start + old);
    if (itsMeta !== undefined) {
      writePart(kept.bytes, 0, old, source, at);
      kept.end = bytes;
      return metaPut.store(layout, hash, key, { value: kept, expiresAtMs, meta: itsMeta }, nowMs);
    }
    // The buffer ends before the value does: the rest is written to the record, so that it is copied once.
    const value = { bytes: kept.bytes, start: 0, end: bytes };
    const recordBytes = layout.recordBytesFor(key.end - key.start, bytes, expiresAtMs);
    const slack =
      bytes > old && recordBytes >= SLACK_RECORD_BYTES_MIN ? (recordBytes * SLACK_RATIO) & -8 : 0;
    const slackBytes = recordBytes + slack <= this.#recordBytesMax ? slack : 0;
    if (!put.store(layout, hash, key, value, expiresAtMs, nowMs, slot, false, slackBytes))
      return false;
    const written = layout.recordAt(index.find(layout, hash, key));
    writePart(layout.bytes, layout.valueStart(written), old, source, at);
    return true;
  }

  /** Returns false if the record has no room for an expiry, or no room behind it to grow into. */
  #reviseInPlace(
    slot: number,
    record: number,
    bytes: number,
    part: Bytes | undefined,
    at: number,
    expiresAtMs: number,
  ): boolean {
    const layout = this.#layout;
    const isRoomy = layout.hasExpiryRoom(record);
    if (!isRoomy && expiresAtMs !== Infinity) return false;
    const old = layout.valueLengthOf(record);
    const recordBytes = recordBytesOf(layout.keyLengthOf(record), bytes, isRoomy);
    if (layout.recordBytesAt(record) !== recordBytes && !log.refit(layout, record, recordBytes))
      return false;
    layout.markHit(slot, record);
    records.count(layout, record, -1);
    layout.words[(record >> 2) + 1] = bytes;
    if (isRoomy) layout.setExpiry(record, expiresAtMs);
    records.count(layout, record, 1);
    const start = layout.valueStart(record);
    writePart(layout.bytes, start, old, part, at);
    // Counted as a write of the whole value, so that it makes a snapshot due.
    layout.addToCounter("overwritten", 1);
    layout.addToCounter("inserted", 1);
    return true;
  }

  #isAlive(slot: number, nowMs: number): boolean {
    const layout = this.#layout;
    return slot !== index.NO_SLOT && meta.isFresh(layout, layout.recordAt(slot), nowMs);
  }

  #hasMeta(slot: number): boolean {
    return slot !== index.NO_SLOT && this.#layout.hasMeta(this.#layout.recordAt(slot));
  }

  /** The meta of the live entry in the slot, for its next expiry; undefined if it has none. */
  #metaAt(slot: number, expiresAtMs: number, nowMs: number): Meta | undefined {
    const layout = this.#layout;
    if (!this.#isAlive(slot, nowMs)) return undefined;
    const record = layout.recordAt(slot);
    const found = meta.metaOf(layout, record);
    return found && withExpiry(found, layout.expiresAtOf(record), expiresAtMs);
  }

  /** The value, or a copy of it if it lies in the log that is about to change. */
  #copyIfInLog(value: Bytes): Bytes {
    if (value.bytes !== this.#layout.bytes) return value;
    this.#aside.clear();
    this.#aside.appendRun(value.bytes, value.start, value.end);
    return this.#aside;
  }
}

/** Writes a part at an offset of a value that begins at `start`, and zeros between its old end and the part. */
function writePart(
  bytes: Buffer,
  start: number,
  oldLength: number,
  part: Bytes | undefined,
  at: number,
): void {
  if (part === undefined) return;
  if (at > oldLength) bytes.fill(0, start + oldLength, start + at);
  part.bytes.copy(bytes, start + at, part.start, part.end);
}
