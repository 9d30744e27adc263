// What a shard holds and has counted, read without its lock: exact while nobody writes.

import type { Layout } from "./layout.ts";
import type { ShardFigures } from "../shard.ts";

/** As Shard.figures. */
export function figuresOf(layout: Layout): ShardFigures {
  const segments = layout.field("logSegments") - layout.field("freeSegments");
  const tableBytes = layout.memory.byteLength - layout.field("logSegments") * layout.segmentBytes;
  return {
    entries: layout.field("entries"),
    mortals: layout.field("mortals"),
    bytes: layout.field("bytes"),
    memory: layout.memory.byteLength,
    used: segments * layout.segmentBytes + tableBytes,
    dead: layout.field("deadBytes"),
    ghosts: layout.field("ghosts"),
    inserted: layout.tally("inserted"),
    overwritten: layout.tally("overwritten"),
    deleted: layout.tally("deleted"),
    expired: layout.tally("expired"),
    evicted: layout.tally("evicted"),
    emptied: layout.tally("emptied"),
    loaded: layout.tally("loaded"),
  };
}
