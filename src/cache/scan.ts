// A scan over all shards. Its position is a shard and a digest in it (store/shared/scan.ts).

import type { Bytes } from "./bytes.ts";
import { type Entry, SCAN_END, type Shard } from "./store/shard.ts";

/** Calls on shards after which a scan returns, even with fewer entries than the caller wanted. */
const SCAN_CALLS_MAX = 16;

/** As Cache.scan. */
export function scanShards(
  shards: readonly Shard[],
  nowMs: number,
  position: number,
  count: number,
  visit: (key: Bytes, entry: Entry) => void,
): number {
  let shard = Math.floor(position / SCAN_END);
  let within = position % SCAN_END;
  let seen = 0;
  // Calls may show nothing: they skip expired entries.
  let calls = 0;
  const counting = (key: Bytes, entry: Entry): void => {
    seen++;
    visit(key, entry);
  };
  while (shard < shards.length && seen < count && calls < SCAN_CALLS_MAX) {
    within = shards[shard]?.scan(nowMs, within, count - seen, counting) ?? SCAN_END;
    if (within < SCAN_END) {
      calls++;
      continue;
    }
    within = 0;
    shard++;
  }
  return shard < shards.length ? shard * SCAN_END + within : 0;
}
