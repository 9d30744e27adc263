// Finds the words of a key's slot and record for a prefetch. Without the lock, each result may be any number.

import * as index from "./key-index.ts";
import type { Layout } from "./layout.ts";

/** The word where the search for this hash begins. */
export function firstWord(layout: Layout, hash: number): number {
  return layout.slotWord(index.homeOf(hash, layout.field("slots")));
}

/** The word where the record of this hash begins, or 0. */
export function recordWord(layout: Layout, hash: number): number {
  return index.recordOfHash(layout, hash) >> 2;
}

/** The word behind the record that begins at this one. */
export function recordEndWord(layout: Layout, word: number): number {
  return word + layout.recordBytesAt(word << 2) / 4;
}
