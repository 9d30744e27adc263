// Starts the workers, starts one that fails again, and stops them all.
//
// A worker is lost when it throws or exits unasked. Its thread number is then
// declared lost (the cache frees its locks) and given to the next one, while the
// others serve on. When workers are lost faster than FAILURES in WINDOW_MS the
// fault is not one that a new worker cures, and the supervisor gives up.

import { Worker } from "node:worker_threads";

import type { Cache } from "./cache.ts";
import { describeError } from "./logger.ts";
import { ListenError } from "./port-claim.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./worker.ts";

const FAILURES = 5;
const WINDOW_MS = 10_000;

export interface SupervisorEvents {
  /** A worker has this line for the log, with its end. */
  log(line: string): void;
  /** A worker was lost and another is being started in its place. */
  restarted(thread: number, reason: string): void;
  /** Workers are lost as fast as they are started. The last one is not replaced. */
  gaveUp(thread: number, reason: string): void;
}

export class Supervisor {
  readonly #cache: Cache;
  readonly #start: Omit<WorkerStart, "thread" | "serviceAgeMs">;
  readonly #events: SupervisorEvents;
  readonly #script: URL;
  /** By thread number. */
  readonly #workers: Worker[] = [];
  readonly #listening: PromiseWithResolvers<string>[] = [];
  readonly #stopped: PromiseWithResolvers<void>[] = [];
  /** When workers were lost, the latest last; FAILURES of them at most. */
  #lostMs: number[] = [];
  #isStopping = false;

  /** `cache` is the supervisor's own attachment; `script` is run in each thread, worker.ts or one that imports it. */
  constructor(
    cache: Cache,
    start: Omit<WorkerStart, "thread" | "serviceAgeMs">,
    events: SupervisorEvents,
    script = new URL("worker.ts", import.meta.url),
  ) {
    this.#cache = cache;
    this.#start = start;
    this.#events = events;
    this.#script = script;
  }

  /** Starts all workers; resolves with their URL when all of them listen. Throws ListenError. */
  async start(): Promise<string> {
    for (let thread = 0; thread < this.#start.config.workers; thread++) {
      this.#listening.push(Promise.withResolvers());
      this.#stopped.push(Promise.withResolvers());
      this.#startWorker(thread);
    }
    const [url = ""] = await Promise.all(this.#listening.map(({ promise }) => promise));
    return url;
  }

  /** Tells all workers to stop and resolves when they have; what is not done after `graceMs` is cut off. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    const message: ToWorker = { kind: "stop", graceMs };
    for (const worker of this.#workers) worker.postMessage(message);
    await Promise.all(this.#stopped.map(({ promise }) => promise));
  }

  #startWorker(thread: number): void {
    const workerData: WorkerStart = {
      ...this.#start,
      thread,
      serviceAgeMs: performance.now(),
    };
    const worker = new Worker(this.#script, { workerData });
    this.#workers[thread] = worker;
    let reason = "";
    worker.on("message", (message: FromWorker) => {
      switch (message.kind) {
        case "listening":
          this.#listening[thread]?.resolve(message.url);
          break;
        case "refused":
          this.#listening[thread]?.reject(new ListenError(message.code));
          // Once the others serve, it is a failure like another.
          reason = `the port was refused: ${message.code}`;
          void worker.terminate();
          break;
        case "log":
          this.#events.log(message.line);
          break;
        case "stopped":
          this.#stopped[thread]?.resolve();
      }
    });
    worker.on("error", (error: unknown) => (reason = describeError(error)));
    worker.on("exit", (code: number) => this.#lost(thread, reason || `it exited with ${code}`));
  }

  #lost(thread: number, reason: string): void {
    this.#cache.threadLost(thread);
    if (this.#isStopping) {
      this.#stopped[thread]?.resolve();
      return;
    }
    const nowMs = performance.now();
    this.#lostMs = [...this.#lostMs, nowMs].slice(-FAILURES);
    const isHopeless =
      this.#lostMs.length === FAILURES && nowMs - (this.#lostMs[0] ?? 0) < WINDOW_MS;
    if (isHopeless) {
      this.#events.gaveUp(thread, reason);
      return;
    }
    this.#startWorker(thread);
    this.#events.restarted(thread, reason);
  }
}
