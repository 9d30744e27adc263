// The ghosts of a shard: which keys were recently evicted from the small queue, and when. The clock
// is the number of ghosts laid down since the shard was allocated; a main run is `born` when it is
// opened or requeued.
//
//   ghost       11 bits of the slot hash beside those that chose the group │ 5 bits of epoch
//   length      slots / 8                                    ghosts laid down in one epoch
//   epoch       floor(clock / length) mod 32
//   lay down    clock + 1; the ghost takes the place of the oldest of the eight in its group
//   insert      a ghost is found: it is taken out, and the reuse test decides, except for short records (rules.ts)
//     away      ((epoch now − epoch of the ghost) mod 32 + 1/2) × length + entries × ratio
//     passed    away ≤ clock − mainBorn       mainBorn: `born` of the last run of main that was a victim
//
//   young       running mean over min(65,536, max(512, 2 × entries)) inserts, in the shard's header × 2^24: 1 if a
//               ghost is found and is of this epoch, −1/4 if it is one to four epochs old, else 0
//   ratio       min(1/4, 1/10 + 4 × young), and at least 1/10     of the log, for the small queue
//
// The test is that of LIRS: a key returns to main only if it was away no longer than main's oldest
// entries have been there. Until a run of main that was born after the first ghost is a victim,
// mainBorn is 0 and every key passes. The group is that of the slots where the key is first looked
// for, so a ghost costs no memory access of its own. One key of 256 that was never in the shard
// matches a ghost by chance, and then has to pass the test as well.
//
// The ratio is that of the paper, a tenth, unless many keys return just after they were evicted: more
// than twice as many for each time span as return later. Those would have been hits in a small queue
// that is a little longer. Where keys return after any time, as in a loop, a longer small queue takes
// room from main for nothing. Measured with values of 100 B, in per cent, with a tenth and with this ratio:
// sprite with room for 15 % of the keys 89.50 and 90.38 (LRU 90.99), mooncake with 10 % 24.73 and
// 24.92 (LRU 27.84), seven traces with 1 and 10 % 29.88 / 52.83 and 29.98 / 52.96. With a fixed ratio
// of 0.15 the trace P6 with 10 % falls from 60.1 to 55.5 (in a model), with this one to 60.0.
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
const NO_GHOST = -1;
/** The unit of `youngReturns`, a signed field. */
const YOUNG_SCALE = 2 ** 24;
const OLDER_EPOCHS = 4;
const YOUNG_INSERTS_MIN = 2 ** 9;
/** With more, the least change would be rounded to nothing. */
const YOUNG_INSERTS_MAX = 2 ** 16;
const SMALL_RATIO_MIN = 1 / 10;
const SMALL_RATIO_MAX = 1 / 4;
const SMALL_RATIO_PER_YOUNG = 4;

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

/**
 * Removes the newest ghost of the hash; returns whether there was one that passes the reuse test, if it is
 * tested. Counts the insert in `youngReturns`. O(1).
 */
export function take(layout: Layout, hash: number, isTested: boolean): boolean {
  const epochs = takeNewest(layout, hash);
  countReturn(layout, epochs);
  return epochs !== NO_GHOST && (!isTested || isReusedSoon(layout, epochs));
}

/** The ratio of the log that the small queue may take. O(1). */
export function smallRatio(layout: Layout): number {
  const young = layout.field("youngReturns") / YOUNG_SCALE;
  return Math.min(SMALL_RATIO_MAX, SMALL_RATIO_MIN + SMALL_RATIO_PER_YOUNG * Math.max(0, young));
}

/** Removes the newest ghost of the hash; returns the epochs since it was laid down, or NO_GHOST. */
function takeNewest(layout: Layout, hash: number): number {
  if (layout.field("ghosts") === 0) return NO_GHOST;
  const slots = layout.field("slots");
  const { halfWords } = layout;
  const fingerprint = fingerprintOf(hash);
  let at = layout.firstGhost(homeOf(hash, slots));
  const last = at + GROUP - 1;
  while (((halfWords[at] as number) & FINGERPRINT_MASK) !== fingerprint) {
    if (++at > last) return NO_GHOST;
  }
  const epoch = (halfWords[at] as number) >> FINGERPRINT_BITS;
  for (; at < last; at++) halfWords[at] = halfWords[at + 1] as number;
  halfWords[last] = 0;
  layout.addToField("ghosts", -1);
  return (epochOf(layout, slots) - epoch) & EPOCH_MASK;
}

function countReturn(layout: Layout, epochs: number): void {
  const young = layout.field("youngReturns");
  let weight = 0;
  if (epochs === 0) weight = YOUNG_SCALE;
  else if (epochs !== NO_GHOST && epochs <= OLDER_EPOCHS) weight = -YOUNG_SCALE / OLDER_EPOCHS;
  else if (young === 0) return;
  const inserts = Math.max(YOUNG_INSERTS_MIN, 2 * layout.field("entries"));
  layout.setField(
    "youngReturns",
    (young + Math.round((weight - young) / Math.min(YOUNG_INSERTS_MAX, inserts))) | 0,
  );
}

/** Whether a key whose ghost is `epochs` old was away no longer than main's oldest run has been there. */
function isReusedSoon(layout: Layout, epochs: number): boolean {
  const mainBorn = layout.field("mainBorn");
  if (mainBorn === 0) return true;
  const inSmall = layout.field("entries") * smallRatio(layout);
  const away = (epochs + 1 / 2) * layout.field("slots") * EPOCHS_PER_SLOT + inSmall;
  return away <= (layout.field("ghostClock") - mainBorn) >>> 0;
}

function epochOf(layout: Layout, slots: number): number {
  return Math.floor((layout.field("ghostClock") >>> 0) / (slots * EPOCHS_PER_SLOT)) & EPOCH_MASK;
}

/** The low bits of the hash: the high ones already choose the group. 0 means no ghost. */
function fingerprintOf(hash: number): number {
  return hash & FINGERPRINT_MASK || 1;
}
