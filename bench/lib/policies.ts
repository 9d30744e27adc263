// Models of other eviction policies, to hold the cache against. Each request is a get and, on a miss, a put.
// A policy holds at most `capacity` bytes; an entry of key `n` takes `bytes[n]`.

import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

export interface Trace {
  /** Key numbers in the order of the requests. */
  readonly requests: Uint32Array;
  /** Bytes that each key's entry takes. */
  readonly bytes: Uint32Array;
  /** Bytes that each key's hit counts, if they are others. */
  readonly counted?: Uint32Array;
}

/** Per cent of the requests, and of the bytes that they ask for, that were hits. */
export interface HitRatio {
  readonly objects: number;
  readonly bytes: number;
}

/** Holds entries; `put` makes room for one that is not held. */
interface Policy {
  get(key: number, at: number): boolean;
  put(key: number, at: number): void;
}

export const POLICIES = {
  LRU: lru,
  "sampled LRU": sampledLru,
  "S3-FIFO": s3fifo,
  "best possible": belady,
} satisfies Record<string, (trace: Trace, capacity: number) => Policy>;

export function hitRatioOf(name: keyof typeof POLICIES, trace: Trace, capacity: number): HitRatio {
  const policy = POLICIES[name](trace, capacity);
  const count = { hits: 0, hitBytes: 0, bytes: 0 };
  for (const [at, key] of trace.requests.entries()) {
    const bytes = (trace.counted ?? trace.bytes)[key] as number;
    count.bytes += bytes;
    if (policy.get(key, at)) {
      count.hits++;
      count.hitBytes += bytes;
    } else policy.put(key, at);
  }
  const objects = (count.hits / trace.requests.length) * 100;
  return { objects, bytes: (count.hitBytes / count.bytes) * 100 };
}

/**
 * Keys in the order in which they were added, in typed arrays: with a Set, which is slow to find its oldest
 * key once many were deleted, a run of web12 takes 2.3 × the CPU time.
 */
class Queue {
  size = 0;
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  /** Stands before the oldest key and behind the newest. */
  readonly #end: number;

  constructor(keys: number) {
    this.#newer = new Int32Array(keys + 1).fill(-1);
    this.#older = new Int32Array(keys + 1).fill(-1);
    this.#end = keys;
    this.#link(keys, keys);
  }

  /** The key must not be in the queue. */
  add(key: number): void {
    this.#link(this.#older[this.#end] as number, key);
    this.#link(key, this.#end);
    this.size++;
  }

  /** Returns whether the key was in the queue. */
  delete(key: number): boolean {
    const newer = this.#newer[key] as number;
    if (newer < 0) return false;
    this.#link(this.#older[key] as number, newer);
    this.#newer[key] = -1;
    this.size--;
    return true;
  }

  /** The queue must not be empty. */
  get oldest(): number {
    return this.#newer[this.#end] as number;
  }

  #link(older: number, newer: number): void {
    this.#newer[older] = newer;
    this.#older[newer] = older;
  }
}

function lru({ bytes }: Trace, capacity: number): Policy {
  const held = new Queue(bytes.length);
  let used = 0;
  return {
    get(key) {
      if (!held.delete(key)) return false;
      held.add(key);
      return true;
    },
    put(key) {
      held.add(key);
      used += bytes[key] as number;
      while (used > capacity) {
        used -= bytes[held.oldest] as number;
        held.delete(held.oldest);
      }
    },
  };
}

/** Held keys in an array, from which samples are drawn. */
class Sampled {
  readonly keys: number[] = [];
  readonly #places = new Map<number, number>();
  readonly #generator = xoroshiro128plus(1);

  has(key: number): boolean {
    return this.#places.has(key);
  }

  add(key: number): void {
    this.#places.set(key, this.keys.push(key) - 1);
  }

  remove(key: number): void {
    const place = this.#places.get(key) ?? 0;
    const last = this.keys.pop() ?? key;
    this.#places.delete(key);
    if (last === key) return;
    this.keys[place] = last;
    this.#places.set(last, place);
  }

  /** The key with the highest value among `count` random ones. */
  worst(count: number, valueOf: (key: number) => number): number {
    let worst = -1;
    let most = -Infinity;
    for (let n = 0; n < count; n++) {
      const place = Math.floor(((this.#generator.next() >>> 0) / 2 ** 32) * this.keys.length);
      const key = this.keys[place] as number;
      const value = valueOf(key);
      if (value > most) {
        most = value;
        worst = key;
      }
    }
    return worst;
  }
}

/** As redis-server with maxmemory-samples 5; without its pool of candidates. */
function sampledLru({ bytes }: Trace, capacity: number): Policy {
  const held = new Sampled();
  const usedAt = new Map<number, number>();
  let used = 0;
  return {
    get(key, at) {
      if (!held.has(key)) return false;
      usedAt.set(key, at);
      return true;
    },
    put(key, at) {
      used += bytes[key] as number;
      while (used > capacity && held.keys.length > 0) {
        const victim = held.worst(5, (other) => -(usedAt.get(other) ?? 0));
        held.remove(victim);
        used -= bytes[victim] as number;
      }
      held.add(key);
      usedAt.set(key, at);
    },
  };
}

/** As in the paper, with promotion at the first hit, and blind to the length of an entry. */
function s3fifo({ bytes }: Trace, capacity: number): Policy {
  const hits = new Map<number, number>();
  const queue = () => new Queue(bytes.length);
  const [small, main, ghosts] = [queue(), queue(), queue()];
  let used = 0;
  let smallUsed = 0;
  const evict = (key: number) => {
    hits.delete(key);
    used -= bytes[key] as number;
  };
  const evictSmall = (key: number) => {
    small.delete(key);
    smallUsed -= bytes[key] as number;
    if ((hits.get(key) ?? 0) > 0) {
      hits.set(key, 0);
      main.add(key);
      return;
    }
    evict(key);
    ghosts.add(key);
    while (ghosts.size > hits.size) ghosts.delete(ghosts.oldest);
  };
  const evictMain = (key: number) => {
    main.delete(key);
    const count = hits.get(key) ?? 0;
    if (count === 0) return evict(key);
    hits.set(key, count - 1);
    main.add(key);
  };
  return {
    get(key) {
      const count = hits.get(key);
      if (count === undefined) return false;
      hits.set(key, Math.min(3, count + 1));
      return true;
    },
    put(key) {
      used += bytes[key] as number;
      while (used > capacity && hits.size > 0) {
        const isSmall = main.size === 0 || (small.size > 0 && smallUsed > capacity / 10);
        if (isSmall) evictSmall(small.oldest);
        else evictMain(main.oldest);
      }
      hits.set(key, 0);
      if (ghosts.delete(key)) main.add(key);
      else {
        small.add(key);
        smallUsed += bytes[key] as number;
      }
    },
  };
}

/**
 * Belady's: the entry that is asked for last goes. With several lengths, the largest product of length and
 * distance among 64 samples: the best order is not known then.
 */
function belady({ requests, bytes }: Trace, capacity: number): Policy {
  const next = nextUses(requests);
  const held = new Sampled();
  const nextOf = new Map<number, number>();
  let used = 0;
  return {
    get(key, at) {
      if (!held.has(key)) return false;
      nextOf.set(key, next[at] as number);
      return true;
    },
    put(key, at) {
      held.add(key);
      nextOf.set(key, next[at] as number);
      used += bytes[key] as number;
      while (used > capacity) {
        const distance = (other: number) => (nextOf.get(other) ?? 0) - at;
        const victim = held.worst(64, (other) => distance(other) * (bytes[other] as number));
        held.remove(victim);
        used -= bytes[victim] as number;
      }
    },
  };
}

/** The index of the next request for the same key, or 2^32 - 1. */
function nextUses(requests: Uint32Array): Uint32Array {
  const next = new Uint32Array(requests.length).fill(2 ** 32 - 1);
  const seenAt = new Map<number, number>();
  for (let at = requests.length - 1; at >= 0; at--) {
    const key = requests[at] as number;
    const later = seenAt.get(key);
    if (later !== undefined) next[at] = later;
    seenAt.set(key, at);
  }
  return next;
}
