// A thread that puts values which repeat the number of their key, until the gate closes.

import { workerData } from "node:worker_threads";

import {
  ByteBuffer,
  Cache,
  type CacheMemory,
  type CacheOptions,
  NEVER,
} from "../../../src/cache/cache.ts";

const { options, memory, thread, keys, gate } = workerData as {
  readonly options: CacheOptions;
  readonly memory: CacheMemory;
  readonly thread: number;
  readonly keys: number;
  /** Word 0 is 1 while the threads should write; word 1 counts the puts of all threads. */
  readonly gate: Int32Array;
};
const cache = new Cache(options, memory, thread);
for (let n = thread; Atomics.load(gate, 0) === 1; n = (n + 7919) % keys) {
  // The length changes over time, so that records move.
  const value = `${n}:`.repeat(1 + ((n * 31 + Atomics.load(gate, 1)) % 20));
  cache.put(ByteBuffer.ofText(`k${n}`), ByteBuffer.ofText(value), NEVER, 0);
  if (n % 50 === 0) cache.delete(ByteBuffer.ofText(`k${(n * 13) % keys}`), 0);
  Atomics.add(gate, 1, 1);
}
