// The rules by which a shard evicts: S3-FIFO, with tails that know the length of a record and a reuse
// test on ghosts (ghosts.ts). Everything here is O(1) and changes no queue.
//
//   mean            running mean of the record bytes of inserts, times 16, in the shard's header:
//                   mean += round((16 × bytes − mean) / min(1,024, entries + 1))
//   needed(bytes)   1 if bytes ≤ 5/4 mean, else 2                             hits, in the small queue
//   free(bytes)     3 if bytes ≤ 1/8 mean, 2 if ≤ 1/4, 1 if ≤ 1/2, else 0     rounds without a hit, in main
//
//   at the small queue's tail   hits ≥ needed            → main; hits = 0
//                               else                     → evicted, with a ghost
//   at main's tail              hits > 0                 → the end of main; hits − 1, rounds = 0
//                               hits = 0, rounds < free  → the end of main; rounds + 1
//                               else                     → evicted
//   insert                      a ghost, and bytes ≤ 1/4 mean         → main
//                               a ghost that passes the reuse test    → main, else small
//
// With entries of one length needed is 1 and free is 0: then this is S3-FIFO as in the paper, with
// promotion at the first hit. A byte that a long record takes could hold many short ones, so a long
// record needs more hits to reach main, and a short one stays there longer and returns there at once.
// The small queue has no free rounds: each would copy a record that may never be asked for, and a put
// of new keys with log-uniform lengths took 1.19 x the CPU time with one round up to 1/8 of the mean.
//
// Measured in this store, object / byte hit ratio in per cent. LRU has as many bytes as the store held at most.
//
//                                                       these rules   size-blind    LRU
//   ETC: seven traces at 1 and 10 % of their bytes,
//   lengths of the pool ETC of Facebook                 46.2 / 41.5   44.0 / 42.6   42.7 / 41.3
//   ETC: eight other traces                             40.7 / 39.6   39.8 / 40.0   30.7 / 30.9
//   log-normal: two traces, median 10 kB, sigma 1.5     61.6 / 53.5   53.8 / 53.6   52.3 / 52.7
//   log-normal: seven other traces                      35.1 / 32.9   33.1 / 32.8   22.9 / 22.9
//   cpio, its own lengths, 1 and 10 %                   21.1 / 6.3    20.0 / 6.1    17.5 / 3.1
//   adaptsize, its own lengths, 1 and 10 %              34.1 / 34.5   32.8 / 34.7   29.2 / 32.0
//
// The mean follows the first 1,024 inserts faster: with a weight of 1/1,024 from the start, a shard with
// few entries would not know it.
//
// Source: J. Yang and others, "FIFO Queues are All You Need for Cache Eviction", SOSP 2023, section
// 4.1. Guard: the shard's lock.

import * as ghosts from "./ghosts.ts";
import { HITS_MAX, type Layout, MAIN, type Queue, ROUND, SMALL } from "./layout.ts";

/** The result of `marksAfterTail` for an entry that is evicted. */
export const EVICTED = -1;

const MEAN_SCALE = 16;
const MEAN_INSERTS_MAX = 1024;
/** The longest records, in units of the mean, that reach main with one hit; and the hits that longer ones need. */
const ONE_HIT_MEANS = 5 / 4;
const HITS_OF_LONG = 2;
/** The longest records, in units of the mean, with at least one, two and three free rounds in main. */
const ROUND_MEANS = [1 / 2, 1 / 4, 1 / 8] as const;
/** The longest records, in units of the mean, whose ghosts need not pass the reuse test. */
const RETURN_MEANS = 1 / 4;

/** The queue that a new entry goes to. Takes the key's ghost out. */
export function queueOfInsert(layout: Layout, hash: number, recordBytes: number): Queue {
  const isTested = recordBytes > RETURN_MEANS * meanOf(layout);
  return ghosts.take(layout, hash, isTested) ? MAIN : SMALL;
}

/** Counts a new entry's record in the mean. */
export function countInsert(layout: Layout, recordBytes: number): void {
  const mean = layout.field("meanBytes") >>> 0;
  const change = recordBytes * MEAN_SCALE - mean;
  if (change === 0) return;
  const inserts = Math.min(MEAN_INSERTS_MAX, layout.field("entries") + 1);
  layout.setField("meanBytes", (mean + Math.round(change / inserts)) | 0);
}

/** The marks with which an entry at the tail of the queue goes to the end of main, or EVICTED. */
export function marksAfterTail(
  layout: Layout,
  marks: number,
  queue: Queue,
  recordBytes: number,
): number {
  const hits = marks & HITS_MAX;
  const means = recordBytes / meanOf(layout);
  if (queue === SMALL)
    return hits === 0 || (means > ONE_HIT_MEANS && hits < HITS_OF_LONG) ? EVICTED : 0;
  if (hits > 0) return hits - 1;
  return marks < ROUND * freeRounds(means) ? marks + ROUND : EVICTED;
}

function freeRounds(means: number): number {
  let rounds = 0;
  while (rounds < ROUND_MEANS.length && means <= (ROUND_MEANS[rounds] as number)) rounds++;
  return rounds;
}

/** Bytes; 0 before the first insert. */
function meanOf(layout: Layout): number {
  return (layout.field("meanBytes") >>> 0) * (1 / MEAN_SCALE);
}
