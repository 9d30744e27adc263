// A worker that fails on request of its test, through a channel.

import { Cache, ByteBuffer, type Bytes, NEVER } from "../../../src/cache/cache.ts";
import type { WorkerStart } from "../../../src/process/messages.ts";
import { serve } from "../../../src/process/serve.ts";
import { whenStarted } from "../../../src/process/worker-port.ts";

/** A request to fail: which worker, and how. */
export interface Fault {
  readonly thread: number;
  readonly how: "throw" | "reject" | "exit" | "exit writing" | "hang";
}

export const FAULT_CHANNEL = `faults of ${process.pid}`;

const failOnRequest = ({ thread, state }: WorkerStart): void => {
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
        // The put copies the value's bytes into the log while it holds the lock.
        const bytes = Object.assign(Buffer.alloc(1), { copy: () => process.exit(3) });
        const value: Bytes = { bytes, start: 0, end: 1 };
        new Cache(state.cacheOptions, state.cache, thread).put(
          ByteBuffer.ofText("k"),
          value,
          NEVER,
          0,
        );
      }
    }
  });
};

// The test imports this file too, for the channel.
if (!Bun.isMainThread) {
  whenStarted((start, supervisor) => {
    failOnRequest(start);
    // Last: a worker that has posted `listening` can be made to fail.
    return serve(start, supervisor);
  });
}
