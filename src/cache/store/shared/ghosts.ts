// The ghosts of a shard: fingerprints of keys that were recently evicted from the small
// queue. A key that is put again while its ghost exists goes to the main queue.
//
// A ghost lies in the group of index slots where its key is first looked for, in place
// of the oldest of eight. It is 16 bits of the slot hash beside those that chose the
// group: one of 8,000 keys that were never in the shard matches a ghost by chance.
//
// Source: J. Yang, Y. Zhang, Z. Qiu, Y. Yue, R. Vinayak, "FIFO Queues are All You Need
// for Cache Eviction", SOSP 2023, sections 4.1 and 4.2. Guard: the shard's lock.

import { homeOf } from "./key-index.ts";
import { GROUP, type Layout } from "./layout.ts";

/** Remembers the hash. O(1). */
export function add(layout: Layout, hash: number): void {
  const lost = push(layout, homeOf(hash, layout.field("slots")), fingerprintOf(hash));
  if (lost === 0) layout.addToField("ghosts", 1);
}

/** Removes the ghost of the hash; returns false if there is none. O(1). */
export function take(layout: Layout, hash: number): boolean {
  if (layout.field("ghosts") === 0) return false;
  const home = homeOf(hash, layout.field("slots"));
  const isThere = pull(layout, home, fingerprintOf(hash));
  if (isThere) layout.addToField("ghosts", -1);
  return isThere;
}

/** Puts a fingerprint before the others of the slot's group; returns the last one, which is dropped, or 0. */
function push(layout: Layout, slot: number, fingerprint: number): number {
  const ghosts = layout.halfWords;
  const first = layout.firstGhost(slot);
  const last = first + GROUP - 1;
  const lost = ghosts[last] as number;
  for (let index = last; index > first; index--) ghosts[index] = ghosts[index - 1] as number;
  ghosts[first] = fingerprint;
  return lost;
}

/** Removes the fingerprint from the slot's group; false if it is not there. */
function pull(layout: Layout, slot: number, fingerprint: number): boolean {
  const ghosts = layout.halfWords;
  let index = layout.firstGhost(slot);
  const last = index + GROUP - 1;
  while (ghosts[index] !== fingerprint) if (++index > last) return false;
  for (; index < last; index++) ghosts[index] = ghosts[index + 1] as number;
  ghosts[last] = 0;
  return true;
}

/** The low bits of the hash: the high ones already choose the group. 0 means no ghost. */
function fingerprintOf(hash: number): number {
  return hash & 0xffff || 1;
}
