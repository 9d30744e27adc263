// The worker's end of its channel to the supervisor. A Web Worker has the same events as one of
// node:worker_threads, and a service with one worker is 9 MB smaller without that module.

import type { FromWorker, SupervisorPort, ToWorker, WorkerStart } from "./messages.ts";

/** The global scope of a worker. */
declare const self: Worker;

/** Calls `run` once the supervisor has sent the data of the start, its first message. */
export function whenStarted(
  run: (start: WorkerStart, supervisor: SupervisorPort) => Promise<void>,
): void {
  const early: ToWorker[] = [];
  let receive: (message: ToWorker) => unknown = (message) => early.push(message);
  const supervisor: SupervisorPort = {
    postMessage: (message: FromWorker) => self.postMessage(message),
    on(_event, listener) {
      receive = listener;
      for (const message of early.splice(0)) listener(message);
    },
  };
  self.onmessage = ({ data: start }: MessageEvent<WorkerStart>) => {
    self.onmessage = ({ data }: MessageEvent<ToWorker>) => void receive(data);
    // If the promise is rejected, the runtime ends the worker, and the supervisor restarts it.
    void run(start, supervisor);
  };
}
