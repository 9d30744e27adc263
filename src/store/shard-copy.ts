// A copy of a shard as it was at one moment, to be read without its lock. Copying is
// two moves of memory, so writers wait for no more than that: 16 MiB take some 4 ms.
//
// The memory is used again for other shards; what the largest has used stays resident.

import type { Bytes } from "./bytes.ts";
import * as entries from "./entries.ts";
import { Layout, MAIN, SMALL } from "./layout.ts";
import * as log from "./log.ts";

/** An entry with what eviction knows of it. */
export interface SavedEntry {
  readonly key: Bytes;
  readonly value: Bytes;
  readonly deadlineMs: number;
  /** Whether it has been asked for often enough to be in the main queue of S3-FIFO. */
  readonly isMain: boolean;
  /** 0 to 3. */
  readonly hits: number;
}

export class ShardCopy {
  readonly #layout: Layout;

  /** Memory for copies of shards that have `bytes`. */
  constructor(bytes: number) {
    this.#layout = new Layout(new SharedArrayBuffer(bytes));
  }

  /** Copies the shard in place of what was there. Guard: the shard's lock. O(bytes in use). */
  fill(from: Layout): void {
    const { words } = this.#layout;
    const logEnd = from.segmentStart(Math.min(from.field("everUsed"), from.field("logSegments")));
    const indexStart = from.indexStart(from.field("slots"));
    words.set(from.words.subarray(0, logEnd / 4));
    words.set(from.words.subarray(indexStart), indexStart);
  }

  /** The offset of each live record, oldest first in the small queue and then in the main one. */
  *records(nowMs: number): Generator<number> {
    const layout = this.#layout;
    const runs = [...log.runs(layout)];
    for (const queue of [SMALL, MAIN]) {
      const queued = runs.filter((run) => layout.segment(run, "queue") === queue);
      for (const run of queued.sort((a, b) => log.age(layout, b) - log.age(layout, a))) {
        const end = log.endOf(layout, run);
        for (let record = layout.segmentStart(run); record < end;) {
          if (!layout.isDead(record) && layout.deadlineOf(record) > nowMs) yield record;
          record += layout.extentAt(record);
        }
      }
    }
  }

  /** Bytes of the record's key and value. */
  bytesOf(record: number): number {
    return this.#layout.keyLengthOf(record) + this.#layout.valueLengthOf(record);
  }

  deadlineOf(record: number): number {
    return this.#layout.deadlineOf(record);
  }

  /** The entry of a record that `records` has named; its bytes are valid until the next `fill`. O(1) on average. */
  entryOf(record: number): SavedEntry {
    const layout = this.#layout;
    const start = layout.valueStart(record);
    return {
      key: layout.keyOf(record),
      value: { bytes: layout.bytes, start, end: start + layout.valueLengthOf(record) },
      deadlineMs: layout.deadlineOf(record),
      isMain: layout.segment(layout.segmentOf(record), "queue") === MAIN,
      hits: layout.hitsAt(entries.slotOf(layout, record)),
    };
  }
}
