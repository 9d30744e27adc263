// The rules by which a shard evicts: S3-FIFO, with tails that know the length of a record and a reuse
// test on ghosts (ghosts.ts). Everything here is O(1) and changes no queue.
//
//   mean           running mean of the record bytes of inserts, times 16, in the shard's header:
//                  mean += round((16 × bytes − mean) / min(1,024, entries + 1))
//   needed(bytes)  1 if bytes ≤ 5/4 mean, else 2                            hits
//   free(bytes)    0 if bytes > 1/4 mean, 1 if > 1/8, 2 if > 1/16, else 3   rounds without a hit
//
//   at a tail  hits > 0 and hits ≥ needed → main; hits = from small ? 0 : hits − 1; rounds = 0
//              hits = 0 and rounds < free → the end of the same queue; rounds + 1
//              else                       → evicted; from the small queue with a ghost
//   insert     a ghost that passes the reuse test, and bytes ≤ 25/4 mean → main
//              else                                                      → small
//
// With entries of one length needed is 1 and free is 0: then this is S3-FIFO as in the paper, with
// promotion at the first hit. A byte that a long record takes could hold many short ones, so a long
// record needs more hits to stay and a short one fewer.
//
// Measured in this store, object / byte hit ratio in per cent. ETC: seven traces at 1 and 10 % of their
// bytes, with lengths of the pool ETC of Facebook. Log-normal: two traces, median 10,000 bytes, sigma 1.5.
//
//                          ETC            log-normal     cpio, its own lengths, 10 %
//   these rules            47.4 / 40.7    60.2 / 52.6    24.3 / 9.4
//   needed 3 above 9/4     47.8 / 40.1    60.6 / 51.3    24.3 / 9.5
//   needed 1, free 0       44.1 / 42.7    53.1 / 53.2    22.2 / 9.8
//   LRU                    43.0 / 41.6    52.0 / 52.3    18.6 / 4.2
//
// The mean follows the first 1,024 inserts faster: with a weight of 1/1,024 from the start, a shard with
// few entries does not know it, and cpio at 10 % has 21.3 / 7.3.
//
// Source: J. Yang and others, "FIFO Queues are All You Need for Cache Eviction", SOSP 2023, section
// 4.1. Guard: the shard's lock.

import * as ghosts from "./ghosts.ts";
import { HITS_MAX, type Layout, MAIN, type Queue, ROUND, SMALL } from "./layout.ts";

/** The result of `marksAfterTail` for an entry that is evicted. */
export const EVICTED = -1;

const MEAN_SCALE = 16;
const MEAN_INSERTS_MAX = 1024;
/** The longest records, in units of the mean, that need one hit to stay. */
const ONE_HIT_MEANS = 5 / 4;
/** Hits that longer records need. */
const HITS_OF_LONG = 2;
/** The shortest records, in units of the mean, without a free round, with one, and with two. */
const NO_ROUND_MEANS = 1 / 4;
const ONE_ROUND_MEANS = 1 / 8;
const TWO_ROUNDS_MEANS = 1 / 16;
/** The longest records, in units of the mean, that a ghost brings to main. */
const GHOST_MEANS = 25 / 4;

/** The queue that a new entry goes to, which was counted. Takes the key's ghost out. */
export function queueOfInsert(layout: Layout, hash: number, recordBytes: number): Queue {
  return ghosts.take(layout, hash) && recordBytes <= GHOST_MEANS * meanOf(layout) ? MAIN : SMALL;
}

/** Counts a new entry's record in the mean. */
export function countInsert(layout: Layout, recordBytes: number): void {
  const mean = layout.field("meanBytes") >>> 0;
  const change = recordBytes * MEAN_SCALE - mean;
  if (change === 0) return;
  const inserts = Math.min(MEAN_INSERTS_MAX, layout.field("entries") + 1);
  layout.setField("meanBytes", mean + Math.round(change / inserts));
}

/**
 * The marks with which an entry at the tail of the queue stays, or EVICTED. An entry with hits goes to
 * the end of main, one without to the end of its queue.
 */
export function marksAfterTail(
  layout: Layout,
  marks: number,
  queue: Queue,
  recordBytes: number,
): number {
  const hits = marks & HITS_MAX;
  const means = recordBytes / meanOf(layout);
  if (hits === 0) return means <= NO_ROUND_MEANS ? nextRound(marks, means) : EVICTED;
  if (means > ONE_HIT_MEANS && hits < HITS_OF_LONG) return EVICTED;
  return queue === SMALL ? 0 : hits - 1;
}

function nextRound(marks: number, means: number): number {
  let free = 3;
  if (means > TWO_ROUNDS_MEANS) free = means > ONE_ROUND_MEANS ? 1 : 2;
  return marks < free * ROUND ? marks + ROUND : EVICTED;
}

/** Bytes; 0 before the first insert. */
function meanOf(layout: Layout): number {
  return (layout.field("meanBytes") >>> 0) / MEAN_SCALE;
}
