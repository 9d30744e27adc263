// One thread of hammer.ts: all begin at once, and each does a bit of everything.

import { parentPort, workerData } from "node:worker_threads";

import { xxh32 } from "../../../src/cache/hash.ts";
import { ByteBuffer, type Bytes, MISS } from "../../../src/cache/bytes.ts";
import { NOT_ADDED } from "../../../src/cache/store/shared/add.ts";
import { SequenceLock } from "../../../src/cache/store/shared/lock.ts";
import { type Entry, type TimedValue, NEVER } from "../../../src/cache/store/shard.ts";
import * as locate from "../../../src/cache/store/shared/locate.ts";
import { hashOf } from "../../../src/cache/store/shared/records.ts";
import { SharedShard } from "../../../src/cache/store/shared/shared-shard.ts";

export const SHARDS = 2;
/** Few keys of each kind, so that threads meet. */
export const COUNTERS = 4;
const VALUES = 16;
const ENTRIES = 64;
const LARGEST_VALUE = 3000;
const NOTHING: Bytes = ByteBuffer.ofText("");

export interface HammerStart {
  readonly memories: readonly SharedArrayBuffer[];
  readonly gate: Int32Array;
  readonly thread: number;
  readonly threads: number;
  /** The thread stops after this time and this number of operations, whichever is later. */
  readonly seconds: number;
  readonly operations: number;
  readonly isLocked: boolean;
}

export interface HammerTally {
  operations: number;
  torn: number;
  increments: number;
  inserted: number;
  deleted: number;
  /** 1 if a broken invariant stopped the thread, as may happen without the lock. */
  broken: number;
}

/** A lock that does nothing: what goes wrong with it is what the lock is for. */
class NoLock extends SequenceLock {
  override lock(): void {}
  override unlock(): void {}
  override isFree(): boolean {
    return true;
  }
  override readRetry(): boolean {
    return false;
  }
}

export function keyOf(kind: "counter" | "value" | "entry", shard: number, number: number): Bytes {
  return ByteBuffer.ofText(`${kind}:${shard}:${number}`);
}

/** Gives every second key the slot that a prefetch finds: other threads may move or replace the entry then. */
function prefetched(shard: SharedShard, key: Bytes): Bytes {
  if (Math.random() < 0.5) return key;
  const { layout } = shard;
  const hash = hashOf(layout, key);
  return Object.assign(key, {
    slot: locate.slotFrom(layout, hash, locate.home(layout, hash)),
  });
}

/** Whether the bytes are those of one put: the last four are the hash of the others. */
export function valueIsWhole({ bytes, start, end }: Bytes): boolean {
  return end - start >= 8 && bytes.readUInt32LE(end - 4) === xxh32(bytes, start, end - 4);
}

function run(start: HammerStart): HammerTally {
  const { memories, gate, thread, threads, isLocked } = start;
  const lock = isLocked ? new SequenceLock(thread) : new NoLock(thread);
  const shards = memories.map((memory) => new SharedShard(memory, lock));
  const tally: HammerTally = {
    operations: 0,
    torn: 0,
    increments: 0,
    inserted: 0,
    deleted: 0,
    broken: 0,
  };
  const value = new ByteBuffer(LARGEST_VALUE + 8);
  const seen = new ByteBuffer(LARGEST_VALUE + 8);

  const newValue = (): ByteBuffer => {
    // Without the lock only values of one length: others would break the log itself.
    const length = isLocked ? Math.floor(Math.random() * LARGEST_VALUE) : LARGEST_VALUE;
    value.bytes.fill(Math.random() * 256, 0, length + 4);
    value.end = length + 8;
    value.bytes.writeUInt32LE(xxh32(value.bytes, 0, length + 4), length + 4);
    return value;
  };
  const incremented = (entry: Entry | undefined): TimedValue => {
    const { bytes, start, end } = entry?.value ?? NOTHING;
    const before = Number(bytes.toString("latin1", start, end));
    // The longer between reading and writing, the surer two threads are to meet there.
    for (let n = 0; n < 20; n++) Atomics.load(gate, 0);
    value.setInteger(before + 1);
    return { value, expiresAtMs: NEVER };
  };
  const inserted = (entry: Entry | undefined) => {
    if (entry !== undefined) return "keep";
    tally.inserted++;
    return { value: newValue(), expiresAtMs: NEVER };
  };
  const step = (): void => {
    const number = Math.floor(Math.random() * shards.length);
    const shard = shards[number];
    if (shard === undefined) return;
    const any = (count: number) => Math.floor(Math.random() * count);
    const dice = Math.random();
    if (dice < 0.2) {
      const key = prefetched(shard, keyOf("counter", number, any(COUNTERS)));
      const hash = hashOf(shard.layout, key);
      const isInPlace = Math.random() < 0.5 && shard.tryAdd(key, 1, 0, hash) !== NOT_ADDED;
      if (!isInPlace) shard.update(key, 0, incremented);
      tally.increments++;
    } else if (dice < 0.6) {
      seen.clear();
      const length = shard.get(prefetched(shard, keyOf("value", number, any(VALUES))), 0, seen);
      if (length !== MISS && !valueIsWhole(seen)) tally.torn++;
    } else if (dice < 0.8) {
      shard.put(prefetched(shard, keyOf("value", number, any(VALUES))), newValue(), NEVER, 0);
    } else if (dice < 0.9 && isLocked) {
      shard.update(prefetched(shard, keyOf("entry", number, any(ENTRIES))), 0, inserted);
    } else if (
      isLocked &&
      shard.delete(prefetched(shard, keyOf("entry", number, any(ENTRIES))), 0)
    ) {
      tally.deleted++;
    }
  };

  if (!isLocked && thread === 0) fillAlone(shards, newValue);
  Atomics.add(gate, 0, 1);
  Atomics.notify(gate, 0);
  for (let begun = 0; begun < threads; begun = Atomics.load(gate, 0)) Atomics.wait(gate, 0, begun);
  const endMs = performance.now() + start.seconds * 1000;
  try {
    while (tally.operations < start.operations || performance.now() < endMs) {
      for (let n = 0; n < 100; n++) step();
      tally.operations += 100;
    }
  } catch (error) {
    if (isLocked) throw error;
    tally.broken = 1;
  }
  return tally;
}

/** Without the lock the index must not change, or threads would loop in it for ever. */
function fillAlone(shards: readonly SharedShard[], newValue: () => Bytes): void {
  for (const [number, shard] of shards.entries()) {
    const zero = { bytes: Buffer.alloc(4), start: 0, end: 4 };
    for (let n = 0; n < COUNTERS; n++) shard.put(keyOf("counter", number, n), zero, NEVER, 0);
    for (let n = 0; n < VALUES; n++) shard.put(keyOf("value", number, n), newValue(), NEVER, 0);
  }
}

// The functions above serve hammer.ts too, which runs in another thread.
if (!Bun.isMainThread && isHammerStart(workerData)) parentPort?.postMessage(run(workerData));

function isHammerStart(data: unknown): data is HammerStart {
  return typeof data === "object" && data !== null && "gate" in data;
}
