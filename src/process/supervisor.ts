// Starts the workers, starts one that fails again, and stops them all.
//
// A worker is lost when it throws or exits unasked. Its thread number is then
// declared lost (the cache frees its locks) and given to the next one, while the
// others serve on. When workers are lost faster than FAILURES in WINDOW_MS the
// fault is not one that a new worker cures, and the supervisor gives up.

import { Worker } from "node:worker_threads";

import { recoverBudget } from "../shared-memory/byte-budget.ts";
import type { Cache } from "../cache/cache.ts";
import type { Credentials } from "../security/credentials.ts";
import { LogLines } from "../service/log-lines.ts";
import { describeError } from "../service/logger.ts";
import { ListenError } from "./port-claim.ts";
import type { SaveOutcome } from "../service/service.ts";
import type { FromWorker, ServiceStart, ToWorker, WorkerStart } from "./messages.ts";

const FAILURES = 5;
const WINDOW_MS = 10_000;
/** A worker that is to stop has this long beyond its grace. */
const CUT_OFF_MS = 500;
/** Before a worker tries again that was refused the port, which somebody else may have for a moment. */
const LISTEN_RETRY_MS = 200;

export interface SupervisorEvents {
  /** A worker has this line for the log, with its end. */
  log(thread: number, line: string): void;
  /** A worker has opened its listeners. */
  listening(): void;
  /** A worker was lost and another is being started in its place. */
  restarted(thread: number, reason: string): void;
  /** A client wants a snapshot. Never rejects. */
  save(): Promise<SaveOutcome>;
  /** A client wants the service to stop, after a last snapshot if it `saves`. */
  shutDown(saves: boolean): void;
  /** Workers are lost as fast as they are started. The last one is not replaced. */
  gaveUp(thread: number, reason: string): void;
}

export class Supervisor {
  readonly #cache: Cache;
  #start: ServiceStart;
  readonly #events: SupervisorEvents;
  readonly #script: URL;
  /** By thread number. */
  readonly #workers: Worker[] = [];
  /** URLs of the workers that listen, by thread number. */
  readonly #urls = new Map<number, string>();
  /** Threads that have been told something, and have not said that they go by it. */
  readonly #told = new Set<number>();
  #changed = Promise.withResolvers<void>();
  /** Why a worker could not open the port before all had it. */
  #refused: ListenError | undefined;
  readonly #stopped: PromiseWithResolvers<void>[] = [];
  /** When workers were lost, the latest last; FAILURES of them at most. */
  #lostMs: number[] = [];
  #isStopping = false;

  /** `cache` is the supervisor's own attachment; `script` is run in each thread, worker.ts or one that imports it. */
  constructor(
    cache: Cache,
    start: ServiceStart,
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
      this.#stopped.push(Promise.withResolvers());
      this.#startWorker(thread);
    }
    return await this.listening();
  }

  /** Resolves with the workers' URL once all of them listen, those too that are being started again. */
  async listening(): Promise<string> {
    while (this.#urls.size < this.#workers.length) {
      await this.#changed.promise;
      if (this.#refused !== undefined) throw this.#refused;
    }
    return this.#urls.get(0) ?? "";
  }

  /**
   * Tells all workers that the cache is loaded, as its state must say to those that start from now
   * on; resolves when all of them serve.
   */
  async ready(): Promise<void> {
    await this.#tellAll({ kind: "ready" });
  }

  /** Gives all workers, and those that start from now on, these credentials; resolves when all go by them. */
  async renew(credentials: Credentials): Promise<void> {
    this.#start = { ...this.#start, credentials };
    await this.#tellAll({ kind: "renew", credentials });
  }

  /** Tells all workers to stop and resolves when they have; what is not done after `graceMs` is cut off. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    for (const worker of this.#workers) this.#tell(worker, { kind: "stop", graceMs });
    // A worker that hangs does not hear of it.
    const cutOff = setTimeout(() => {
      for (const worker of this.#workers) void worker.terminate();
    }, graceMs + CUT_OFF_MS);
    await Promise.all(this.#stopped.map(({ promise }) => promise));
    clearTimeout(cutOff);
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
    let isRefused = false;
    worker.on("message", (message: FromWorker) => {
      switch (message.kind) {
        case "listening":
          this.#urls.set(thread, message.url);
          this.#events.listening();
          this.#told.delete(thread);
          this.#wake();
          break;
        case "serving":
        case "renewed":
          this.#told.delete(thread);
          this.#wake();
          break;
        case "refused":
          this.#refused = new ListenError(message.code, message.port);
          this.#wake();
          // Once the others serve, it is a failure like another.
          reason = `the port was refused: ${message.code}`;
          isRefused = true;
          void worker.terminate();
          break;
        case "log":
          this.#events.log(thread, message.line);
          break;
        case "save":
          void this.#events.save().then((outcome) => {
            this.#tell(worker, { kind: "saved", id: message.id, outcome });
          });
          break;
        case "shutdown":
          this.#events.shutDown(message.saves);
          break;
        case "stopped":
          this.#stopped[thread]?.resolve();
      }
    });
    worker.on("error", (error: unknown) => (reason = describeError(error)));
    worker.on("exit", (code: number) => {
      this.#lost(thread, reason || `it exited with ${code}`, isRefused ? LISTEN_RETRY_MS : 0);
    });
  }

  /** Resolves when all workers go by what they are told, or have been started again. */
  async #tellAll(message: ToWorker): Promise<void> {
    for (const [thread, worker] of this.#workers.entries()) {
      this.#told.add(thread);
      this.#tell(worker, message);
    }
    while (this.#told.size > 0) await this.#changed.promise;
  }

  #tell(worker: Worker, message: ToWorker): void {
    worker.postMessage(message);
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #lost(thread: number, reason: string, pauseMs: number): void {
    this.#urls.delete(thread);
    this.#cache.recoverThread(thread);
    recoverBudget(this.#start.state.budget, thread);
    new LogLines(this.#start.state.logLines).lost(thread);
    const nowMs = performance.now();
    this.#lostMs = [...this.#lostMs, nowMs].slice(-FAILURES);
    const isHopeless =
      this.#lostMs.length === FAILURES && nowMs - (this.#lostMs[0] ?? 0) < WINDOW_MS;
    if (this.#isStopping || isHopeless) {
      this.#stopped[thread]?.resolve();
      if (!this.#isStopping) this.#events.gaveUp(thread, reason);
      return;
    }
    setTimeout(() => {
      if (this.#isStopping) this.#stopped[thread]?.resolve();
      else this.#startWorker(thread);
    }, pauseMs);
    this.#events.restarted(thread, reason);
  }
}
