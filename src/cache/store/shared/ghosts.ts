// The ghosts of a shard: which keys were recently evicted from the small queue, and when. The clock
// is the number of ghosts laid down since the shard was allocated; a main run is `born` when it is
// opened or requeued.
//
//   ghost       11 bits of the slot hash beside those that chose the group │ 5 bits of epoch
//   length      slots / 8                                    ghosts laid down in one epoch
//   epoch       floor(clock / length) mod 32
//   lay down    clock + 1; the ghost takes the place of the oldest of the eight in its group
//   insert      a ghost is found: it is taken out, and the reuse test decides, except for short records (rules.ts)
//     away      ((epoch now − epoch of the ghost) mod 32 + 1/2) × length + entries / 10
//     passed    away ≤ clock − mainBorn       mainBorn: `born` of the last run of main that was a victim
//
// The test is that of LIRS: a key returns to main only if it was away no longer than main's oldest
// entries have been there. Until a run of main that was born after the first ghost is a victim,
// mainBorn is 0 and every key passes. The group is that of the slots where the key is first looked
// for, so a ghost costs no memory access of its own. One key of 256 that was never in the shard
// matches a ghost by chance, and then has to pass the test as well.
//
// Sources: J. Yang, Y. Zhang, Z. Qiu, Y. Yue, R. Vinayak, "FIFO Queues are All You Need for Cache
// Eviction", SOSP 2023, sections 4.1 and 4.2; S. Jiang, X. Zhang, "LIRS: An Efficient Low
// Inter-reference Recency Set Replacement Policy to Improve Buffer Cache Performance", SIGMETRICS
// 2002, sections 3.1 and 3.2. Guard: the shard's lock.

import { homeOf } from "./key-index.ts";
import { GROUP, type Layout } from "./layout.ts";

const FINGERPRINT_BITS = 11;
const FINGERPRINT_MASK = 2 ** FINGERPRINT_BITS - 1;
const EPOCH_MASK = 2 ** 5 - 1;
const EPOCHS_PER_SLOT = 1 / 8;
/** The ratio of entries that an entry passes in the small queue before it is evicted. */
const SMALL_QUEUE_RATIO = 1 / 10;

/** Remembers the hash as evicted now. O(1). */
export function add(layout: Layout, hash: number): void {
  layout.addToField("ghostClock", 1);
  const slots = layout.field("slots");
  const { halfWords } = layout;
  const first = layout.firstGhost(homeOf(hash, slots));
  const last = first + GROUP - 1;
  if (halfWords[last] === 0) layout.addToField("ghosts", 1);
  for (let at = last; at > first; at--) halfWords[at] = halfWords[at - 1] as number;
  halfWords[first] = fingerprintOf(hash) | (epochOf(layout, slots) << FINGERPRINT_BITS);
}

/** Removes the newest ghost of the hash; returns whether there was one that passes the reuse test, if it is tested. O(1). */
export function take(layout: Layout, hash: number, isTested: boolean): boolean {
  if (layout.field("ghosts") === 0) return false;
  const slots = layout.field("slots");
  const { halfWords } = layout;
  const fingerprint = fingerprintOf(hash);
  let at = layout.firstGhost(homeOf(hash, slots));
  const last = at + GROUP - 1;
  while (((halfWords[at] as number) & FINGERPRINT_MASK) !== fingerprint) {
    if (++at > last) return false;
  }
  const epoch = (halfWords[at] as number) >> FINGERPRINT_BITS;
  for (; at < last; at++) halfWords[at] = halfWords[at + 1] as number;
  halfWords[last] = 0;
  layout.addToField("ghosts", -1);
  return !isTested || isReusedSoon(layout, epoch, slots);
}

/** Whether a key that was evicted in this epoch was away no longer than main's oldest run has been there. */
function isReusedSoon(layout: Layout, epoch: number, slots: number): boolean {
  const mainBorn = layout.field("mainBorn");
  if (mainBorn === 0) return true;
  const epochs = (epochOf(layout, slots) - epoch) & EPOCH_MASK;
  const inSmall = layout.field("entries") * SMALL_QUEUE_RATIO;
  const away = (epochs + 1 / 2) * slots * EPOCHS_PER_SLOT + inSmall;
  return away <= (layout.field("ghostClock") - mainBorn) >>> 0;
}

function epochOf(layout: Layout, slots: number): number {
  return Math.floor((layout.field("ghostClock") >>> 0) / (slots * EPOCHS_PER_SLOT)) & EPOCH_MASK;
}

/** The low bits of the hash: the high ones already choose the group. 0 means no ghost. */
function fingerprintOf(hash: number): number {
  return hash & FINGERPRINT_MASK || 1;
}
