// Verifies the laws of a shard in shared memory: index, log and counts must agree.
// Typed arrays: indexes are in range by construction.

import { keyed } from "../../hash.ts";
import { databaseOf, DATABASES_MAX, INTERNAL } from "../../databases.ts";
import * as databases from "./database-counts.ts";
import * as index from "./key-index.ts";
import { GROUP, type Layout, SMALL } from "./layout.ts";
import { isHidden } from "./meta.ts";
import * as runs from "./runs.ts";

/** Throws if a law does not hold. Guard: the shard's lock. O(bytes of the log). */
export function verifyShard(layout: Layout): void {
  const seed = layout.field("seed");
  const found = {
    entries: 0,
    hidden: 0,
    bytes: 0,
    expiring: 0,
    usedBytes: 0,
    deadBytes: 0,
    smallBytes: 0,
  };
  const inDatabases = new Float64Array(2 * DATABASES_MAX);
  for (const run of runs.runs(layout)) {
    let dead = 0;
    const end = runs.endOf(layout, run);
    for (
      let record = layout.segmentStart(run);
      record < end;
      record += layout.recordBytesAt(record)
    ) {
      if (layout.isDead(record)) {
        dead += layout.recordBytesAt(record);
        continue;
      }
      const key = layout.keyOf(record);
      const slot = index.find(layout, keyed(key.bytes, key.start, key.end, seed), key);
      expect("record of a live record's key", layout.recordAt(slot), record);
      found.entries++;
      if (isHidden(layout, record)) found.hidden++;
      found.bytes += layout.keyLengthOf(record) + layout.valueLengthOf(record);
      if (layout.hasExpiry(record)) found.expiring++;
      countIn(inDatabases, layout, record);
    }
    expect(`dead bytes of segment ${run}`, layout.segment(run, "dead"), dead);
    found.usedBytes += layout.segment(run, "used");
    found.deadBytes += dead;
    if (layout.queueOf(run) === SMALL) found.smallBytes += layout.segment(run, "used");
  }
  for (const [name, value] of Object.entries(found)) {
    expect(name, layout.field(name as keyof typeof found), value);
  }
  verifyDatabases(layout, inDatabases);
  let free = 0;
  for (let segment = 0; segment < layout.segments; segment++) {
    const span = layout.segment(segment, "span");
    if (segment >= layout.field("logSegments")) expect(`span of segment ${segment}`, span, 0);
    else if (span === 0) free++;
    if (span >= 0) continue;
    const isOfRun = layout.segment(segment + span, "span") > -span;
    expect(`way back of segment ${segment} to its run`, isOfRun ? span : 0, span);
  }
  expect("free segments", layout.field("freeSegments"), free);
  let slotsTaken = 0;
  for (let slot = 0; slot < layout.field("slots"); slot++) {
    if (layout.recordAt(slot) !== 0) slotsTaken++;
  }
  expect("slots taken", slotsTaken, found.entries);
  const least = layout.segmentsBeside(layout.field("slots"));
  if (layout.field("logSegments") > least) throw new Error("log and index overlap");
  let ghosts = 0;
  for (let slot = 0; slot < layout.field("slots"); slot += GROUP) {
    const first = layout.firstGhost(slot);
    ghosts += layout.halfWords.subarray(first, first + GROUP).filter(Boolean).length;
  }
  expect("ghosts", layout.field("ghosts"), ghosts);
}

/** Counts a record among the entries of its database, as `addTo` does. */
function countIn(inDatabases: Float64Array, layout: Layout, record: number): void {
  const database = databaseOf(layout.keyOf(record));
  if (database === INTERNAL) return;
  if (!isHidden(layout, record)) inDatabases[database]!++;
  if (layout.hasExpiry(record)) inDatabases[DATABASES_MAX + database]!++;
}

function verifyDatabases(layout: Layout, found: Float64Array): void {
  const counted = new Float64Array(2 * DATABASES_MAX);
  databases.addTo(layout, counted);
  for (const [number, entries] of found.entries()) {
    expect(`entries of database ${number % DATABASES_MAX}`, counted[number]!, entries);
  }
}

function expect(what: string, counted: number, found: number): void {
  if (counted !== found) throw new Error(`shard has ${counted} as ${what}, should be ${found}`);
}
