// A thread that does one thing to a shard and ends.

import { workerData } from "node:worker_threads";

import { ByteBuffer, type Bytes } from "../../../../src/cache/bytes.ts";
import { SequenceLock } from "../../../../src/cache/store/shared/lock.ts";
import { NEVER } from "../../../../src/cache/store/shard.ts";
import { SharedShard } from "../../../../src/cache/store/shared/shared-shard.ts";

const { memory, thread, order } = workerData as {
  readonly memory: SharedArrayBuffer;
  readonly thread: number;
  readonly order: string;
};
const shard = new SharedShard(memory, new SequenceLock(thread));
const text = (value: string): Bytes => ByteBuffer.ofText(value);
const die = (): never => process.exit(0);
if (order === "put") shard.put(text(`put by ${thread}`), text("v"), NEVER, 0);
if (order === "die in change") shard.update(text("k"), 0, die);
if (order === "die writing") {
  // The bytes of a value are asked to copy themselves into the log.
  const bytes = Object.assign(Buffer.alloc(1), { copy: die });
  shard.put(text("k"), { bytes, start: 0, end: 1 }, NEVER, 0);
}
