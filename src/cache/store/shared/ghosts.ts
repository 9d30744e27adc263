// The ghosts of a shard: fingerprints of keys that were evicted from the small queue
// not long ago. A key that comes back while its ghost is there goes to the main queue.
//
// A ghost lies in the group of index slots where its key is first looked for, in place
// of the oldest of eight. It is 16 bits of the slot hash beside those that chose the
// group: of 8,000 keys that never were here one is taken for a ghost.
//
// Source: J. Yang, Y. Zhang, Z. Qiu, Y. Yue, R. Vinayak, "FIFO Queues are All You Need
// for Cache Eviction", SOSP 2023, sections 4.1 and 4.2. Guard: the shard's lock.

import { homeOf } from "./key-index.ts";
import type { Layout } from "./layout.ts";

/** Remembers the hash. O(1). */
export function add(layout: Layout, hash: number): void {
  const lost = layout.pushGhost(homeOf(hash, layout.field("slots")), fingerprintOf(hash));
  if (lost === 0) layout.addToField("ghosts", 1);
}

/** Whether the hash is remembered; then it no longer is. O(1). */
export function take(layout: Layout, hash: number): boolean {
  if (layout.field("ghosts") === 0) return false;
  const home = homeOf(hash, layout.field("slots"));
  const isThere = layout.takeGhost(home, fingerprintOf(hash));
  if (isThere) layout.addToField("ghosts", -1);
  return isThere;
}

/** The low bits: the high ones are those of the place. 0 is no ghost. */
function fingerprintOf(hash: number): number {
  return hash & 0xffff || 1;
}
