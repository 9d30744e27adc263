// The channels and patterns that the clients of all workers have subscribed to, with the number of
// subscribers. Each worker has a table in shared memory and is its only writer, so PUBLISH counts the
// receivers of all workers without a message to them.

import { ByteBuffer, type Bytes, MISS, NEVER } from "../../cache/cache.ts";
import { Pattern } from "../../cache/glob.ts";
import { SequenceLock } from "../../cache/store/shared/lock.ts";
import { SharedShard } from "../../cache/store/shared/shared-shard.ts";

export const CHANNEL = 0;
export const PATTERN = 1;
export const SHARD_CHANNEL = 2;
export type NameKind = typeof CHANNEL | typeof PATTERN | typeof SHARD_CHANNEL;

// Words of each thread: its names of each kind, and a number that changes with its patterns.
const PATTERN_VERSION = 3;
const WORDS_PER_THREAD = 16;
/** The names never expire, so their time does not matter. */
const NOW_MS = 0;
const COUNT_BYTES = 4;
const SCAN_ENTRIES = 1000;

export interface RegistryMemory {
  readonly counts: SharedArrayBuffer;
  /** The table of each thread. */
  readonly tables: readonly SharedArrayBuffer[];
}

/** Returns memory for `threads` threads, each with a table of `tableBytes`, which become resident as they are used. */
export function allocateRegistry(threads: number, tableBytes: number): RegistryMemory {
  return {
    counts: new SharedArrayBuffer(threads * WORDS_PER_THREAD * Int32Array.BYTES_PER_ELEMENT),
    tables: Array.from({ length: threads }, () => SharedShard.allocate(tableBytes, false)),
  };
}

/** Removes the names of a thread that has ended. `byThread` is the number of the calling thread. */
export function recoverRegistry(memory: RegistryMemory, thread: number, byThread: number): void {
  const table = memory.tables[thread];
  if (table === undefined) return;
  const shard = new SharedShard(table, new SequenceLock(byThread));
  shard.recoverThread(thread);
  shard.clear();
  const words = new Int32Array(memory.counts);
  const start = thread * WORDS_PER_THREAD;
  for (const kind of [CHANNEL, PATTERN, SHARD_CHANNEL]) Atomics.store(words, start + kind, 0);
  Atomics.add(words, start + PATTERN_VERSION, 1);
}

interface KnownPattern {
  readonly pattern: Pattern;
  readonly count: number;
}

/** One thread's view. */
export class Registry {
  readonly #words: Int32Array;
  readonly #tables: readonly SharedShard[];
  readonly #thread: number;
  readonly #key = new ByteBuffer(256);
  readonly #value = new ByteBuffer(16);
  /** The patterns of each thread, as of a version. */
  readonly #patterns: KnownPattern[][];
  readonly #versions: number[];

  constructor(memory: RegistryMemory, thread: number) {
    this.#words = new Int32Array(memory.counts);
    const lock = new SequenceLock(thread);
    this.#tables = memory.tables.map((table) => new SharedShard(table, lock));
    this.#thread = thread;
    this.#patterns = memory.tables.map(() => []);
    this.#versions = memory.tables.map(() => 0);
  }

  get threads(): number {
    return this.#tables.length;
  }

  /** Bytes of the longest name. */
  get maxNameBytes(): number {
    return Math.min(2 ** 15, SharedShard.largestValue(this.#ownTable.layout.memory.byteLength, 1));
  }

  /** Sets the number of this thread's subscribers. Returns false if there is no room for the name. O(1). */
  set(kind: NameKind, name: Bytes, count: number): boolean {
    const key = this.#keyOf(kind, name);
    const before = this.#countAt(this.#thread, key);
    if (count === 0) this.#ownTable.delete(key, NOW_MS);
    else {
      const value = this.#value;
      value.clear();
      value.reserve(COUNT_BYTES);
      value.bytes.writeInt32LE(count, 0);
      value.end = COUNT_BYTES;
      if (!this.#ownTable.put(key, value, NEVER, NOW_MS)) return false;
    }
    const start = this.#thread * WORDS_PER_THREAD;
    const change = Number(count > 0) - Number(before > 0);
    if (change !== 0) Atomics.add(this.#words, start + kind, change);
    if (kind === PATTERN) Atomics.add(this.#words, start + PATTERN_VERSION, 1);
    return true;
  }

  /** Returns the number of a thread's subscribers to the name. O(1). */
  count(thread: number, kind: NameKind, name: Bytes): number {
    if (this.names(thread, kind) === 0) return 0;
    return this.#countAt(thread, this.#keyOf(kind, name));
  }

  /** Returns the number of subscribers of all threads. O(threads). */
  countAll(kind: NameKind, name: Bytes): number {
    let sum = 0;
    for (let thread = 0; thread < this.threads; thread++) sum += this.count(thread, kind, name);
    return sum;
  }

  /** Returns the number of a thread's subscribers to patterns that match the channel. O(patterns × channel / 32). */
  countMatching(thread: number, channel: Bytes): number {
    if (this.names(thread, PATTERN) === 0) return 0;
    let sum = 0;
    for (const { pattern, count } of this.#patternsOf(thread)) {
      if (pattern.matches(channel)) sum += count;
    }
    return sum;
  }

  /** Returns how many names of this kind a thread has. One load. */
  names(thread: number, kind: NameKind): number {
    return Atomics.load(this.#words, thread * WORDS_PER_THREAD + kind);
  }

  /** Returns the names of all threads, each once, as byte strings. O(names). */
  allNames(kind: NameKind): Set<string> {
    const found = new Set<string>();
    for (let thread = 0; thread < this.threads; thread++) {
      if (this.names(thread, kind) > 0) this.#visit(thread, kind, (name) => void found.add(name));
    }
    return found;
  }

  get #ownTable(): SharedShard {
    return this.#tables[this.#thread] as SharedShard;
  }

  #patternsOf(thread: number): readonly KnownPattern[] {
    const version = Atomics.load(this.#words, thread * WORDS_PER_THREAD + PATTERN_VERSION);
    const known = this.#patterns[thread] as KnownPattern[];
    if (this.#versions[thread] === version) return known;
    known.length = 0;
    this.#visit(thread, PATTERN, (name, count) => {
      const bytes = Buffer.from(name, "latin1");
      known.push({ pattern: new Pattern({ bytes, start: 0, end: bytes.length }), count });
    });
    this.#versions[thread] = version;
    return known;
  }

  #visit(thread: number, kind: NameKind, visit: (name: string, count: number) => void): void {
    const table = this.#tables[thread] as SharedShard;
    let position = 0;
    do {
      position = table.scan(NOW_MS, position, SCAN_ENTRIES, ({ bytes, start, end }, { value }) => {
        if (bytes[start] !== kind) return;
        visit(bytes.toString("latin1", start + 1, end), value.bytes.readInt32LE(value.start));
      });
    } while (position < 2 ** 32);
  }

  #countAt(thread: number, key: Bytes): number {
    const value = this.#value;
    value.clear();
    const length = (this.#tables[thread] as SharedShard).get(key, NOW_MS, value);
    return length === MISS ? 0 : value.bytes.readInt32LE(0);
  }

  #keyOf(kind: NameKind, { bytes, start, end }: Bytes): Bytes {
    const key = this.#key;
    key.clear();
    key.reserve(1);
    key.bytes[0] = kind;
    key.end = 1;
    key.appendRun(bytes, start, end);
    return key;
  }
}
