// Entries with tags under many invalidations: an invalidation makes exactly the entries of its tag misses,
// in a time that does not depend on their number, and those of other tags do not make any.

import { ByteBuffer, Cache, MISS, NEVER } from "../../../src/cache/cache.ts";
import { hashTags, type TagHash } from "../../../src/cache/leases.ts";

export interface TagsOptions {
  readonly entries: number;
  /** Tags of all entries; each entry has three of them. */
  readonly tags: number;
  /** Invalidations of tags that no entry has, each of another tag. */
  readonly invalidations: number;
  readonly memoryBytes: number;
}

export interface TagsReport {
  /** Durations of the invalidations: the median, and that of all but one in 1,000. */
  readonly medianMs: number;
  readonly slowMs: number;
  /** Entries that are misses and should not be, or the reverse, after one tag was invalidated. */
  readonly wrong: number;
  readonly reads: number;
  /** Reads of entries none of whose tags was invalidated that were misses. */
  readonly misses: number;
}

const NOW_MS = 1;
/** Reads of random entries for each invalidation. */
const READS_PER_INVALIDATION = 10;

export function runTags({ entries, tags, invalidations, memoryBytes }: TagsOptions): TagsReport {
  const cache = Cache.create({ memoryBytes });
  const hashes = Array.from({ length: tags }, (_, n) => hashOf(`tag ${n}`));
  const value = ByteBuffer.ofText("a value of thirty-two bytes here");
  const key = new ByteBuffer();
  const into = new ByteBuffer();
  const has = (n: number): boolean => {
    key.setText(`key:${n}`);
    into.clear();
    return cache.get(key, NOW_MS, into) !== MISS;
  };
  const tagOf = (entry: number, which: number) => (entry * (which + 1) * 7919 + which) % tags;
  for (let n = 0; n < entries; n++) {
    key.setText(`key:${n}`);
    const itsTags = [0, 1, 2].map((which) => hashes[tagOf(n, which)] ?? [0, 0]) as TagHash[];
    cache.leases.put(key, { value, expiresAtMs: NEVER, tags: itsTags }, NOW_MS);
  }
  const durations: number[] = [];
  const invalidate = (tag: TagHash): void => {
    const startMs = performance.now();
    cache.leases.invalidate([tag]);
    durations.push(performance.now() - startMs);
  };
  const victim = 3;
  invalidate(hashes[victim] ?? [0, 0]);
  const isVictim = (n: number) => [0, 1, 2].some((which) => tagOf(n, which) === victim);
  let wrong = 0;
  for (let n = 0; n < entries; n++) if (has(n) === isVictim(n)) wrong++;
  let reads = 0;
  let misses = 0;
  for (let step = 0; step < invalidations; step++) {
    invalidate(hashOf(`other ${step}`));
    for (let read = 0; read < READS_PER_INVALIDATION; read++) {
      const n = Math.floor(Math.random() * entries);
      if (isVictim(n)) continue;
      reads++;
      if (!has(n)) misses++;
    }
  }
  durations.sort((a, b) => a - b);
  const at = (ratio: number) => durations[Math.floor(durations.length * ratio)] ?? NaN;
  return { medianMs: at(0.5), slowMs: at(0.999), wrong, reads, misses };
}

function hashOf(name: string): TagHash {
  return hashTags([ByteBuffer.ofText(name)])[0] ?? [0, 0];
}
