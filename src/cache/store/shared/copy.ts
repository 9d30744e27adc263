// A copy of a shard as it was at one moment, to be read without its lock. Copying is
// two moves of memory, so writers wait for no more than that: 16 MiB take some 4 ms.
//
// The memory is used again for other shards; what the largest has used stays resident.

import type { Bytes } from "../../bytes.ts";
import * as entries from "./records.ts";
import { HITS_MAX, Layout, MAIN, ROUND, SMALL } from "./layout.ts";
import * as meta from "./meta.ts";
import * as runs from "./runs.ts";
import type { Meta } from "../shard.ts";
import type { Tables } from "./tables.ts";

/** An entry with what eviction knows of it. */
export interface SavedEntry {
  readonly key: Bytes;
  readonly value: Bytes;
  readonly expiresAtMs: number;
  /** Whether it has been asked for often enough to be in the main queue of S3-FIFO. */
  readonly isMain: boolean;
  /** 0 to 3 each. */
  readonly hits: number;
  readonly rounds: number;
  readonly meta?: Meta | undefined;
}

export class ShardCopy {
  readonly #layout: Layout;
  /** State of the iteration: the runs that follow, and the position in the current run. */
  #runs: number[] = [];
  #at = 0;
  #end = 0;
  #nowMs = 0;
  readonly #entry;

  /** Memory for copies of shards that have `bytes`, of a cache with these tables. */
  constructor(bytes: number, tables: Tables) {
    this.#layout = new Layout(new SharedArrayBuffer(bytes));
    this.#layout.tables = tables;
    const run = () => ({ bytes: this.#layout.bytes, start: 0, end: 0 });
    const numbers = { expiresAtMs: 0, isMain: false, hits: 0, rounds: 0 };
    this.#entry = { key: run(), value: run(), ...numbers, meta: undefined as Meta | undefined };
  }

  /** Copies the shard in place of what was there. Guard: the shard's lock. O(bytes in use). */
  fill(from: Layout): void {
    const { words } = this.#layout;
    const logEnd = from.segmentStart(Math.min(from.field("everUsed"), from.field("logSegments")));
    const indexStart = from.indexStart(from.field("slots"));
    words.set(from.words.subarray(0, logEnd / 4));
    words.set(from.words.subarray(indexStart), indexStart);
  }

  /**
   * Goes to the first live record, in the order of eviction: the small queue and then the main one,
   * each oldest first. Returns as `next` does.
   */
  first(nowMs: number): number {
    const layout = this.#layout;
    const all = [...runs.runs(layout)];
    this.#runs = [SMALL, MAIN].flatMap((queue) => {
      const queued = all.filter((run) => layout.queueOf(run) === queue);
      return queued.sort((a, b) => runs.age(layout, b) - runs.age(layout, a));
    });
    this.#nowMs = nowMs;
    this.#at = this.#end = 0;
    return this.next();
  }

  /** The offset of the next live record, or 0. No object is made for each: a shard has thousands. */
  next(): number {
    const layout = this.#layout;
    for (;;) {
      while (this.#at < this.#end) {
        const record = this.#at;
        this.#at += layout.recordBytesAt(record);
        if (!layout.isDead(record) && meta.isServable(layout, record, this.#nowMs)) return record;
      }
      const run = this.#runs.shift();
      if (run === undefined) return 0;
      this.#at = layout.segmentStart(run);
      this.#end = runs.endOf(layout, run);
    }
  }

  /** Bytes of the record's key and value. */
  bytesOf(record: number): number {
    return this.#layout.keyLengthOf(record) + this.#layout.valueLengthOf(record);
  }

  expiresAtOf(record: number): number {
    return this.#layout.expiresAtOf(record);
  }

  /** The meta of a record, or undefined. O(meta). */
  metaOf(record: number): Meta | undefined {
    return meta.metaOf(this.#layout, record);
  }

  /** The entry of a live record. It is the same object each time, with other content. O(1) on average. */
  entryOf(record: number): SavedEntry {
    const layout = this.#layout;
    const entry = this.#entry;
    entry.key.start = layout.keyStart(record);
    entry.key.end = entry.value.start = entry.key.start + layout.keyLengthOf(record);
    entry.value.end = entry.value.start + layout.valueLengthOf(record);
    entry.expiresAtMs = layout.expiresAtOf(record);
    entry.meta = meta.metaOf(layout, record);
    entry.isMain = layout.queueOf(layout.segmentOf(record)) === MAIN;
    const marks = layout.marksAt(entries.slotOf(layout, record));
    entry.hits = marks & HITS_MAX;
    entry.rounds = Math.floor(marks / ROUND);
    return entry;
  }
}
