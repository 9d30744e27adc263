// Starts the workers, restarts a worker that fails, and stops them all.
//
// A worker is lost when it throws, or exits without a request to stop. The cache then frees the locks
// of its thread, and a new worker gets its thread number, while the others keep serving. After
// FAILURES losses within WINDOW_MS the supervisor gives up: a new worker would fail the same way.

import { recoverBudget } from "../shared-memory/byte-budget.ts";
import type { Cache } from "../cache/cache.ts";
import type { Credentials } from "../security/credentials.ts";
import { recoverResp } from "../resp/memory.ts";
import { LogLines } from "../service/log-lines.ts";
import { describeError } from "../service/logger.ts";
import { ListenError } from "./port-claim.ts";
import type { SaveOutcome } from "../service/service.ts";
import type { FromWorker, ServiceStart, ToWorker, WorkerStart } from "./messages.ts";

const FAILURES = 5;
const WINDOW_MS = 10_000;
/** A worker that has not stopped this long after its grace is terminated. */
const CUT_OFF_MS = 500;
/** Pause before the restart of a worker whose port was taken: another process may hold it briefly. */
const LISTEN_RETRY_MS = 200;

export interface SupervisorEvents {
  /** A worker posted this line for the log, with its end. */
  log(thread: number, line: string): void;
  /** A worker has opened its listeners. */
  listening(): void;
  /** A worker was lost, and its successor is starting. */
  restarted(thread: number, reason: string): void;
  /** A client asks for a snapshot. Never rejects. */
  save(): Promise<SaveOutcome>;
  /** A client asks the service to stop, after a last snapshot if `saves` is true. */
  shutDown(saves: boolean): void;
  /** Workers fail as fast as they are started. The last one is not replaced. */
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
  /** Threads that have not replied to the last message yet. */
  readonly #unconfirmed = new Set<number>();
  #changed = Promise.withResolvers<void>();
  /** Set if a worker could not open its port at the start. */
  #listenError: ListenError | undefined;
  readonly #stopped: PromiseWithResolvers<void>[] = [];
  /** Times of the last FAILURES losses, the latest last. */
  #lossesMs: number[] = [];
  #isStopping = false;

  /** `cache` is the supervisor's own attachment. Each thread runs `script`, which calls `serve`. */
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

  /** Starts all workers; resolves with their URL once all listen. Throws ListenError. */
  async start(): Promise<string> {
    for (let thread = 0; thread < this.#start.config.workers; thread++) {
      this.#stopped.push(Promise.withResolvers());
      this.#startWorker(thread);
    }
    return await this.listening();
  }

  /** Resolves with the workers' URL once all listen, restarting workers included. */
  async listening(): Promise<string> {
    while (this.#urls.size < this.#workers.length) {
      await this.#changed.promise;
      if (this.#listenError !== undefined) throw this.#listenError;
    }
    return this.#urls.get(0) ?? "";
  }

  /**
   * Tells all workers that the cache is loaded; resolves once all serve. The caller first sets the
   * phase of the service, which later workers read.
   */
  async ready(): Promise<void> {
    await this.#postToAll({ kind: "ready" });
  }

  /** Gives these credentials to all workers, and to later ones; resolves once all use them. */
  async renew(credentials: Credentials): Promise<void> {
    this.#start = { ...this.#start, credentials };
    await this.#postToAll({ kind: "renew", credentials });
  }

  /** Stops all workers; resolves once they have stopped. After `graceMs`, open requests are cut off. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    for (const worker of this.#workers) this.#post(worker, { kind: "stop", graceMs });
    // A worker that hangs does not receive the message.
    const cutOff = setTimeout(() => {
      for (const worker of this.#workers) worker.terminate();
    }, graceMs + CUT_OFF_MS);
    await Promise.all(this.#stopped.map(({ promise }) => promise));
    clearTimeout(cutOff);
  }

  #startWorker(thread: number): void {
    const worker = new Worker(this.#script);
    this.#workers[thread] = worker;
    const start: WorkerStart = { ...this.#start, thread, serviceAgeMs: performance.now() };
    worker.postMessage(start);
    let reason = "";
    let isRefused = false;
    worker.addEventListener("message", ({ data: message }: MessageEvent<FromWorker>) => {
      switch (message.kind) {
        case "listening":
          this.#urls.set(thread, message.url);
          this.#events.listening();
          this.#unconfirmed.delete(thread);
          this.#notify();
          break;
        case "serving":
        case "renewed":
          this.#unconfirmed.delete(thread);
          this.#notify();
          break;
        case "refused":
          this.#listenError = new ListenError(message.code, message.port);
          this.#notify();
          // Once all workers have started, this is a failure like any other.
          reason = `the port was refused: ${message.code}`;
          isRefused = true;
          worker.terminate();
          break;
        case "log":
          this.#events.log(thread, message.line);
          break;
        case "save":
          void this.#events.save().then((outcome) => {
            this.#post(worker, { kind: "saved", id: message.id, outcome });
          });
          break;
        case "shutdown":
          this.#events.shutDown(message.saves);
          break;
        case "stopped":
          this.#stopped[thread]?.resolve();
      }
    });
    worker.addEventListener("error", ({ error, message }: ErrorEvent) => {
      reason = error == null ? message : describeError(error);
    });
    worker.addEventListener("close", ({ code }: CloseEvent) => {
      this.#replace(thread, reason || `it exited with ${code}`, isRefused ? LISTEN_RETRY_MS : 0);
    });
  }

  /** Posts a message to all workers; resolves once each has replied, or was restarted. */
  async #postToAll(message: ToWorker): Promise<void> {
    for (const [thread, worker] of this.#workers.entries()) {
      this.#unconfirmed.add(thread);
      this.#post(worker, message);
    }
    while (this.#unconfirmed.size > 0) await this.#changed.promise;
  }

  #post(worker: Worker, message: ToWorker): void {
    worker.postMessage(message);
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #replace(thread: number, reason: string, pauseMs: number): void {
    this.#urls.delete(thread);
    this.#cache.maintenance.recoverThread(thread);
    recoverBudget(this.#start.state.budget, thread);
    recoverResp(this.#start.state.resp, thread, this.#start.config.workers);
    new LogLines(this.#start.state.logLines).recover(thread);
    const nowMs = performance.now();
    this.#lossesMs = [...this.#lossesMs, nowMs].slice(-FAILURES);
    const isHopeless =
      this.#lossesMs.length === FAILURES && nowMs - (this.#lossesMs[0] ?? 0) < WINDOW_MS;
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
