// The scripts that all workers share: a log of records in shared memory, in the order of their addition.
//
//   head: lock │ generation │ end of the log
//   record: size │ flags │ last use in seconds │ SHA-1, 20 bytes │ source, padded to whole words
//
// A full log drops the scripts that clients have only run, not loaded, the least recently used first, until a
// quarter of it is free. The generation changes whenever a script is dropped: a worker that has compiled a
// script looks again whether it is still here.
//
// Guard: the lock, for all but the time of the last use. A thread that ends with the lock leaves a log
// that may be half changed: the supervisor then empties it.
// Typed arrays: indexes are in range by construction.

/** Bytes of all scripts and their records. Memory becomes resident as it is used. */
export const SCRIPT_CACHE_BYTES = 4 * 2 ** 20;

// Words of the head.
const LOCK = 0;
const GENERATION = 1;
const END = 2;
const HEAD_BYTES = 16;
// Words of a record.
const SIZE = 0;
const FLAGS = 1;
const USED = 2;
const HASH = 3;
const HASH_BYTES = 20;
const RECORD_BYTES = 32;

const LOADED = 1;
/** A waiting thread looks again at least as often, should it miss a wake-up. */
const WAIT_MS = 10;
const NONE = -1;

export interface SharedScript {
  readonly source: Buffer;
  /** Position of its record, for `used`, while the generation stays the same. */
  readonly record: number;
}

export function allocateScripts(): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(SCRIPT_CACHE_BYTES);
  new Int32Array(memory)[END] = HEAD_BYTES;
  return memory;
}

/** Empties the cache if `thread`, which has ended, holds its lock. */
export function recoverScripts(memory: SharedArrayBuffer, thread: number): void {
  const words = new Int32Array(memory);
  if (Atomics.load(words, LOCK) !== thread + 1) return;
  words[END] = HEAD_BYTES;
  Atomics.add(words, GENERATION, 1);
  Atomics.store(words, LOCK, 0);
  Atomics.notify(words, LOCK);
}

export class ScriptCache {
  readonly #words: Int32Array;
  readonly #bytes: Buffer;
  readonly #owner: number;

  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#words = new Int32Array(memory);
    this.#bytes = Buffer.from(memory) as Buffer;
    this.#owner = thread + 1;
  }

  /** Changes whenever scripts are dropped. */
  get generation(): number {
    return Atomics.load(this.#words, GENERATION);
  }

  /** Returns a copy of the script with this SHA-1 in hexadecimal, or undefined. O(scripts). */
  find(sha: string): SharedScript | undefined {
    return this.#locked(() => {
      const record = this.#find(Buffer.from(sha, "hex"));
      if (record === NONE) return undefined;
      const start = record + RECORD_BYTES;
      const words = record / 4;
      const source = Buffer.from(this.#bytes.subarray(start, record + this.#words[words + SIZE]!));
      return {
        source: source.subarray(0, source.length - (this.#words[words + FLAGS]! >> 1)),
        record,
      };
    });
  }

  /** Returns which of these scripts exist. O(scripts × hashes). */
  exist(shas: readonly string[]): boolean[] {
    return this.#locked(() => shas.map((sha) => this.#find(Buffer.from(sha, "hex")) !== NONE));
  }

  /** Returns the number of scripts, and the bytes of their records. O(scripts). */
  stats(): { readonly count: number; readonly bytes: number } {
    return this.#locked(() => {
      const words = this.#words;
      let count = 0;
      for (let record = HEAD_BYTES; record < words[END]!; record += words[record / 4 + SIZE]!)
        count++;
      return { count, bytes: words[END]! - HEAD_BYTES };
    });
  }

  /**
   * Adds a script, or marks it as loaded. Returns its record, or -1 if the loaded scripts leave no room
   * for it. O(scripts), and O(bytes of all scripts) if others are dropped.
   */
  add(sha: string, source: Buffer, isLoaded: boolean, nowSeconds: number): number {
    const hash = Buffer.from(sha, "hex");
    return this.#locked(() => {
      const found = this.#find(hash);
      if (found !== NONE) {
        if (isLoaded) this.#words[found / 4 + FLAGS]! |= LOADED;
        return found;
      }
      const padding = -source.length & 3;
      const size = RECORD_BYTES + source.length + padding;
      if (!this.#makeRoom(size)) return NONE;
      const record = this.#words[END]!;
      const words = record / 4;
      this.#words[words + SIZE] = size;
      // The bits above hold the number of padding bytes.
      this.#words[words + FLAGS] = (isLoaded ? LOADED : 0) | (padding << 1);
      this.#words[words + USED] = nowSeconds;
      hash.copy(this.#bytes, record + HASH * 4);
      source.copy(this.#bytes, record + RECORD_BYTES);
      this.#words[END] = record + size;
      return record;
    });
  }

  /** Records a use. A late call may mark another script, which changes only the order of dropping. */
  used(record: number, nowSeconds: number): void {
    const word = record / 4 + USED;
    if (record !== NONE && this.#words[word] !== nowSeconds) this.#words[word] = nowSeconds;
  }

  /** Drops all scripts. */
  clear(): void {
    this.#locked(() => {
      this.#words[END] = HEAD_BYTES;
      Atomics.add(this.#words, GENERATION, 1);
    });
  }

  #find(hash: Buffer): number {
    const words = this.#words;
    if (hash.length !== HASH_BYTES) return NONE;
    const first = hash.readInt32LE(0);
    for (let record = HEAD_BYTES; record < words[END]!; record += words[record / 4 + SIZE]!) {
      if (words[record / 4 + HASH] !== first) continue;
      const start = record + HASH * 4;
      if (hash.equals(this.#bytes.subarray(start, start + HASH_BYTES))) return record;
    }
    return NONE;
  }

  /** Returns whether there is room for a record of this size, for which it may drop others. */
  #makeRoom(size: number): boolean {
    if (this.#words[END]! + size <= SCRIPT_CACHE_BYTES) return true;
    const words = this.#words;
    const droppable: { record: number; used: number; size: number }[] = [];
    for (let record = HEAD_BYTES; record < words[END]!; record += words[record / 4 + SIZE]!) {
      if ((words[record / 4 + FLAGS]! & LOADED) !== 0) continue;
      droppable.push({ record, used: words[record / 4 + USED]!, size: words[record / 4 + SIZE]! });
    }
    const wanted = Math.max(size, SCRIPT_CACHE_BYTES / 4) - (SCRIPT_CACHE_BYTES - words[END]!);
    const dropped = new Set<number>();
    let freed = 0;
    for (const { record, size: bytes } of droppable.toSorted((a, b) => a.used - b.used)) {
      if (freed >= wanted) break;
      dropped.add(record);
      freed += bytes;
    }
    if (dropped.size > 0) this.#drop(dropped);
    return words[END]! + size <= SCRIPT_CACHE_BYTES;
  }

  #drop(dropped: ReadonlySet<number>): void {
    const words = this.#words;
    let end = HEAD_BYTES;
    for (let record = HEAD_BYTES; record < words[END]!;) {
      const size = words[record / 4 + SIZE]!;
      if (!dropped.has(record)) {
        this.#bytes.copyWithin(end, record, record + size);
        end += size;
      }
      record += size;
    }
    words[END] = end;
    Atomics.add(words, GENERATION, 1);
  }

  #locked<T>(work: () => T): T {
    const words = this.#words;
    for (;;) {
      const owner = Atomics.compareExchange(words, LOCK, 0, this.#owner);
      if (owner === 0) break;
      Atomics.wait(words, LOCK, owner, WAIT_MS);
    }
    try {
      return work();
    } finally {
      Atomics.store(words, LOCK, 0);
      Atomics.notify(words, LOCK, 1);
    }
  }
}
