// The service as a whole, as its threads see it: whether it serves yet, how its snapshots
// go, and what may be asked of it. The state is in shared memory, and the supervisor's
// thread is its only writer.

import type { Activity } from "./activity.ts";
import type { Tokens } from "../security/tokens.ts";
import type { ByteBudget } from "../shared-memory/byte-budget.ts";
import type { LoopLag } from "./event-loop-lag.ts";
import type { RejectionCounters } from "../security/rejections.ts";
import type { TlsTexts } from "../security/tls.ts";

const PLACES = {
  phase: 0,
  /** Unix time in milliseconds of the last good snapshot, its file's or this process's; 0 without one. */
  savedMs: 1,
  /** Of the last good snapshot of this process. */
  savedEntries: 2,
  savedBytes: 3,
  saveTookMs: 4,
  /** Snapshots that were taken, and that failed, since the start. */
  saves: 5,
  failedSaves: 6,
  isSaving: 7,
  hasSaveFailed: 8,
  /** Changes of the cache, as `changesOf` counts them, that the last good snapshot has. */
  savedChanges: 9,
  loadedEntries: 10,
  /** Shards of the file that were damaged and left out. */
  droppedShards: 11,
  hasFolder: 12,
  /** Lines of the log that were dropped since the start, because it was not read. */
  droppedLogLines: 13,
} as const;
export type StateField = Exclude<keyof typeof PLACES, "phase">;

/** A service that drains serves all requests, and tells probes to send no more. */
const PHASES = ["loading", "serving", "draining", "stopping"] as const;
export type Phase = (typeof PHASES)[number];

/** Memory for the state of a service, which is loading. */
export function allocateState(): SharedArrayBuffer {
  return new SharedArrayBuffer(Object.keys(PLACES).length * Float64Array.BYTES_PER_ELEMENT);
}

/** One thread's view. An aligned 64-bit float is read and written whole. */
export class ServiceState {
  readonly #numbers: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#numbers = new Float64Array(memory);
  }

  get phase(): Phase {
    return PHASES[this.#numbers[PLACES.phase] ?? 0] ?? "loading";
  }

  set phase(phase: Phase) {
    this.#numbers[PLACES.phase] = PHASES.indexOf(phase);
  }

  get(field: StateField): number {
    return this.#numbers[PLACES[field]] ?? 0;
  }

  set(field: StateField, value: number): void {
    this.#numbers[PLACES[field]] = value;
  }

  add(field: StateField, change: number): void {
    this.set(field, this.get(field) + change);
  }
}

/** What a snapshot would have to follow: entries put, deleted and evicted since the start. */
export function changesOf(stats: {
  readonly inserted: number;
  readonly deleted: number;
  readonly evicted: number;
}): number {
  return stats.inserted + stats.deleted + stats.evicted;
}

/** What became of a snapshot that was asked for. */
export type SaveOutcome =
  | {
      readonly isSaved: true;
      readonly entries: number;
      /** Of the file. */
      readonly bytes: number;
      readonly tookMs: number;
    }
  | {
      readonly isSaved: false;
      readonly reason: string;
      /** Whether there is an older snapshot, which stays. */
      readonly keepsLast?: boolean;
    };

/** What a protocol knows of the service, and may ask of it. */
export interface Service {
  readonly state: ServiceState;
  /** When the service started, on this thread's `performance.now()`, which a worker's own start comes after. */
  readonly startedMs: number;
  /** Who may do what. A reload may replace them. */
  readonly tokens: Tokens;
  readonly rejections: RejectionCounters;
  /** Bytes in flight on both ports, over all threads: --max-pending-bytes. */
  readonly budget: ByteBudget;
  /** Of this thread: told of each request. */
  readonly activity: Activity;
  readonly lag: LoopLag;
  /** Undefined where the ports speak in clear. */
  readonly tls: TlsTexts | undefined;
  /** Takes a snapshot of what is in the cache now. Never rejects. Only with a data folder. */
  save(): Promise<SaveOutcome>;
  /** Ends the service, after a last snapshot if there is a data folder and it `saves`. */
  shutDown(saves: boolean): void;
}
