// A worker that fails when it is told to, on the channel that its test names.

import { Cache, ByteBuffer, type Bytes, NEVER } from "../../../src/cache/cache.ts";
import { workerData } from "node:worker_threads";
import type { WorkerStart } from "../../../src/process/worker.ts";

/** What a faulty worker is told: who is meant, and how it is to fail. */
export interface Fault {
  readonly thread: number;
  readonly how: "throw" | "reject" | "exit" | "exit writing" | "hang";
}

export const FAULT_CHANNEL = `faults of ${process.pid}`;

if (!Bun.isMainThread) {
  const { thread, cacheOptions, memory } = workerData as WorkerStart;
  new BroadcastChannel(FAULT_CHANNEL).addEventListener("message", ({ data }: { data: unknown }) => {
    const fault = data as Fault;
    if (fault.thread !== thread) return;
    switch (fault.how) {
      case "throw":
        throw new Error("a fault that was asked for");
      case "reject":
        void Promise.reject(new Error("a fault that was asked for"));
        break;
      case "exit":
        process.exit(3);
        break;
      case "hang":
        for (;;);
      case "exit writing": {
        // The value's bytes are asked to copy themselves into the log, with the lock held.
        const bytes = Object.assign(Buffer.alloc(1), { copy: () => process.exit(3) });
        const value: Bytes = { bytes, start: 0, end: 1 };
        new Cache(cacheOptions, memory, thread).put(ByteBuffer.ofText("k"), value, NEVER, 0);
      }
    }
  });
  // Only when it can be told to fail does it say that it listens.
  await import("../../../src/process/worker.ts");
}
