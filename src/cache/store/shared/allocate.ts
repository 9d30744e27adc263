// Makes shards empty: their memory when it is allocated, and later on.

import { randomSeed } from "../../hash.ts";
import * as databases from "./database-counts.ts";
import * as index from "./key-index.ts";
import { Layout } from "./layout.ts";
import * as log from "./log.ts";
import { shardBytes } from "./shard-size.ts";

/**
 * Memory for an empty shard of about `bytes` (2^13 to 2^31), which become resident as they are
 * used. One that is full evicts, or else takes no new records. `seed` is that of the index's hash.
 */
export function allocateShard(
  bytes: number,
  evicts = true,
  seed = randomSeed(),
): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(shardBytes(bytes));
  const layout = new Layout(memory);
  layout.setField("seed", seed);
  layout.setField("evicts", evicts ? 1 : 0);
  layout.setField("logSegments", layout.segments);
  log.reset(layout);
  return memory;
}

/** Empties a shard, in whatever state it is, and wakes the threads that wait for its leases. O(slots). */
export function emptyShard(layout: Layout): void {
  index.clear(layout);
  databases.clear(layout);
  log.reset(layout);
  for (const field of ["bytes", "expiring", "hidden", "sweepSlot", "isWriting"] as const) {
    layout.setField(field, 0);
  }
  layout.tables?.wakes.wakeAll();
  if (Atomics.load(layout.listeners, 0) !== 0) layout.hook?.emptied();
}
