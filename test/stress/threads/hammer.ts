// Threads that read, write, delete and update the same few keys of the same shards
// at once, and what must hold of it: no torn value, no lost update, every entry and
// byte accounted for. `bun run stress threads` is the long form.

import { Worker } from "node:worker_threads";

import { ByteBuffer, MISS } from "../../../src/cache/bytes.ts";
import { SequenceLock } from "../../../src/cache/store/shared/lock.ts";
import { SharedShard } from "../../../src/cache/store/shared/shared-shard.ts";

import {
  COUNTERS,
  type HammerStart,
  type HammerTally,
  keyOf,
  SHARDS,
  valueIsWhole,
} from "./hammer-worker.ts";

export interface HammerOptions {
  readonly threads: number;
  /** Each thread stops after this time and this number of operations, whichever is later. */
  readonly seconds: number;
  readonly operations: number;
  /** False is the control: the same work on shards whose lock does nothing. */
  readonly isLocked: boolean;
}

export interface HammerReport extends HammerTally {
  /** Increments less what the counters show; negative if they show what nobody counted. */
  readonly lostUpdates: number;
  /** Entries that should be there and are not; negative if there are too many. */
  readonly missingEntries: number;
  /** Bytes that the shards count, less those that a scan finds. */
  readonly unaccountedBytes: number;
}

/** Runs the threads to their end. Throws if one fails, or if a shard's `check` does. */
export async function hammer(options: HammerOptions): Promise<HammerReport> {
  const memories = Array.from({ length: SHARDS }, () => SharedShard.allocate(2 ** 20));
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const tallies = await Promise.all(
    Array.from({ length: options.threads }, (_, thread) => {
      return runThread({ ...options, memories, gate, thread });
    }),
  );
  const sumOf = (name: keyof HammerTally) => tallies.reduce((sum, one) => sum + one[name], 0);
  const tally: HammerTally = {
    operations: sumOf("operations"),
    torn: sumOf("torn"),
    increments: sumOf("increments"),
    inserted: sumOf("inserted"),
    deleted: sumOf("deleted"),
    broken: sumOf("broken"),
  };
  // What broke without the lock cannot be read either.
  if (tally.broken > 0) {
    return { ...tally, lostUpdates: NaN, missingEntries: NaN, unaccountedBytes: NaN };
  }
  const lock = new SequenceLock(options.threads);
  const shards = memories.map((memory) => new SharedShard(memory, lock));
  if (options.isLocked) for (const shard of shards) shard.check();

  let counted = 0;
  let present = 0;
  let scannedBytes = 0;
  const seen = new ByteBuffer();
  for (const [number, shard] of shards.entries()) {
    for (let counter = 0; counter < COUNTERS; counter++) {
      seen.clear();
      if (shard.get(keyOf("counter", number, counter), 0, seen) === MISS) continue;
      counted += Number(seen.toText());
    }
    shard.scan(0, 0, Infinity, (key, { value }) => {
      scannedBytes += key.end - key.start + value.end - value.start;
      if (key.bytes[key.start] === "e".charCodeAt(0)) present++;
      if (key.bytes[key.start] === "v".charCodeAt(0) && !valueIsWhole(value)) tally.torn++;
    });
  }
  const bytes = shards.reduce((sum, shard) => sum + shard.stats().bytes, 0);
  return {
    ...tally,
    lostUpdates: tally.increments - counted,
    missingEntries: tally.inserted - tally.deleted - present,
    unaccountedBytes: bytes - scannedBytes,
  };
}

async function runThread(workerData: HammerStart): Promise<HammerTally> {
  const worker = new Worker(new URL("hammer-worker.ts", import.meta.url), { workerData });
  const ended = Promise.withResolvers<HammerTally>();
  worker.on("message", ended.resolve);
  worker.on("error", ended.reject);
  worker.on("exit", (code) => ended.reject(new Error(`a thread ended with ${code}`)));
  return await ended.promise;
}
