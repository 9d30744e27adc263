// The tables beside the shards: what all shards and threads of a cache share.

import type { SequenceLock } from "./lock.ts";
import { TagTable, tagTableBytes } from "./tags.ts";
import { WAKE_BYTES, Wakes } from "./wakes.ts";

/** Plain data that can be posted to a worker. */
export interface TablesMemory {
  readonly tags: SharedArrayBuffer;
  readonly wakes: SharedArrayBuffer;
}

export class Tables {
  readonly tags: TagTable;
  readonly wakes: Wakes;

  /** Memory for the tables of a cache with this memory, of which the first is a part. */
  static allocate(memoryBytes: number): TablesMemory {
    return {
      tags: new SharedArrayBuffer(tagTableBytes(memoryBytes)),
      wakes: new SharedArrayBuffer(WAKE_BYTES),
    };
  }

  constructor(memory: TablesMemory, lock: SequenceLock) {
    this.tags = new TagTable(memory.tags, lock);
    this.wakes = new Wakes(memory.wakes, lock.thread);
  }

  /** Recovers from the end of a thread. */
  recoverThread(thread: number): void {
    this.tags.recoverThread(thread);
    this.wakes.recoverThread(thread);
  }
}
