// Stats of a shard, read without its lock: exact while no thread writes.

import type { Layout } from "./layout.ts";
import type { ShardStats } from "../shard.ts";

/** As Shard.stats. */
export function statsOf(layout: Layout): ShardStats {
  const segments = layout.field("logSegments") - layout.field("freeSegments");
  const tableBytes = layout.memory.byteLength - layout.field("logSegments") * layout.segmentBytes;
  return {
    entries: layout.field("entries") - layout.field("hidden"),
    // Each hidden record has an expiry, which is over.
    expiring: layout.field("expiring") - layout.field("hidden"),
    hidden: layout.field("hidden"),
    bytes: layout.field("bytes"),
    memory: layout.memory.byteLength,
    used: segments * layout.segmentBytes + tableBytes,
    dead: layout.field("deadBytes"),
    ghosts: layout.field("ghosts"),
    inserted: layout.counter("inserted"),
    overwritten: layout.counter("overwritten"),
    deleted: layout.counter("deleted"),
    expired: layout.counter("expired"),
    evicted: layout.counter("evicted"),
    emptied: layout.counter("emptied"),
    loaded: layout.counter("loaded"),
  };
}
