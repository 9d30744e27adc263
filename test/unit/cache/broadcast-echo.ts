// A thread that writes each record of thread 0 again.

import { parentPort, workerData } from "node:worker_threads";

import { Broadcast } from "../../../src/cache/broadcast.ts";

const broadcast = new Broadcast(workerData as SharedArrayBuffer, 1);
broadcast.listen({
  news: () => setImmediate(() => broadcast.drain()),
  read({ kind, number, first }) {
    if (kind !== 1) return;
    broadcast.write(2, number, first);
    broadcast.wake(0);
  },
  lost: () => {
    throw new Error("the echo lost records");
  },
});
parentPort?.postMessage("listening");
// Keeps the thread alive: a pending wake-up alone does not.
parentPort?.on("message", () => {});
