// Finds the slot and the words of a key for a prefetch. Without the lock, each result may be any number.

import * as index from "./key-index.ts";
import type { Layout } from "./layout.ts";

/** The slot where the search for this hash begins. */
export function home(layout: Layout, hash: number): number {
  return index.homeOf(hash, layout.field("slots"));
}

/** The slot of this hash, or -1; the search begins at `from`, which `home` has returned. */
export function slotFrom(layout: Layout, hash: number, from: number): number {
  return index.slotOfHash(layout, hash, from);
}

/** The word where the record of the slot begins; 0 for no slot. */
export function recordWord(layout: Layout, slot: number): number {
  return slot === index.NO_SLOT ? 0 : layout.recordAt(slot) >> 2;
}

/** The word behind the record that begins at this one. */
export function recordEndWord(layout: Layout, word: number): number {
  return word + layout.recordBytesAt(word << 2) / 4;
}
