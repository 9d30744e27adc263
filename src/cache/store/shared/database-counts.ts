// Counts the entries of each database but 0, and those that SWAPDB is moving. Guard: the shard's lock, in a write.
// Typed arrays: indexes are in range by construction.

import { databaseOf, DATABASES_MAX } from "../../databases.ts";
import { DATABASE_COUNTS, HIDDEN, type Layout } from "./layout.ts";

/** Entries by database, and behind them those that expire. The first of each are those that SWAPDB is moving. */
const EXPIRING = DATABASES_MAX;
const COUNTS = 2 * DATABASES_MAX;

/** Counts a record whose key may have a prefix. O(1). */
export function count(layout: Layout, record: number, sign: 1 | -1): void {
  const database = databaseOf(layout.keyOf(record));
  // A key of database 0 with a prefix is counted as one without: by the others. INTERNAL is -1.
  if (database === 0) return;
  const word = DATABASE_COUNTS + Math.max(0, database);
  if ((layout.words[record >> 2]! & HIDDEN) === 0) layout.words[word]! += sign;
  if (layout.hasExpiry(record)) layout.words[word + EXPIRING]! += sign;
}

/** Takes back the count of a record that becomes hidden now. O(1). */
export function hide(layout: Layout, record: number): void {
  const database = databaseOf(layout.keyOf(record));
  if (database !== 0) layout.words[DATABASE_COUNTS + Math.max(0, database)]!--;
}

export function clear(layout: Layout): void {
  layout.words.fill(0, DATABASE_COUNTS, DATABASE_COUNTS + COUNTS);
}

/** Adds the entries of each database to `into[database]`, and those that expire to `into[DATABASES_MAX + database]`. */
export function addTo(layout: Layout, into: Float64Array): void {
  let entries = layout.field("entries") - layout.field("hidden");
  let expiring = layout.field("expiring");
  for (let database = 0; database < DATABASES_MAX; database++) {
    const own = layout.words[DATABASE_COUNTS + database]!;
    const ownExpiring = layout.words[DATABASE_COUNTS + EXPIRING + database]!;
    entries -= own;
    expiring -= ownExpiring;
    if (database === 0) continue;
    into[database]! += own;
    into[EXPIRING + database]! += ownExpiring;
  }
  into[0]! += Math.max(0, entries);
  into[EXPIRING]! += Math.max(0, expiring);
}
