// The service as a whole, as its threads see it: its phase, the state of its snapshots, and the
// requests that a thread may make to the process. The state is in shared memory, and the supervisor's
// thread is its only writer.
//
// Typed arrays: indexes are in range by construction.

import type { Activity } from "./activity.ts";
import type { Tokens } from "../security/tokens.ts";
import type { ByteBudget } from "../shared-memory/byte-budget.ts";
import type { EventLoopMonitor } from "./event-loop-monitor.ts";
import type { RejectionCounters } from "../security/rejections.ts";
import type { TlsTexts } from "../security/tls.ts";

const FIELDS = {
  phase: 0,
  /** Unix time in milliseconds of the last good snapshot, loaded or saved; 0 without one. */
  savedMs: 1,
  /** Entries and bytes of the last good snapshot that this process has saved. */
  savedEntries: 2,
  savedBytes: 3,
  saveTookMs: 4,
  /** Snapshots that were saved, and that failed, since the start. */
  saves: 5,
  failedSaves: 6,
  isSaving: 7,
  hasSaveFailed: 8,
  /** Changes of the cache, by `changesOf`, that the last good snapshot contains. */
  savedChanges: 9,
  loadedEntries: 10,
  /** Damaged shards of the loaded file, which were skipped. */
  droppedShards: 11,
  hasFolder: 12,
  /** Log lines that were dropped since the start, because nobody read the log. */
  droppedLogLines: 13,
  /** Whether DEBUG has stopped the sweep of expired entries. Workers write it. */
  isSweepPaused: 14,
  /** Whether DEBUG has allowed all commands in scripts. Workers write it. */
  scriptsMayRunAll: 15,
} as const;
export type StateField = Exclude<keyof typeof FIELDS, "phase">;

/** A draining service serves all requests, and answers /readyz with 503. */
const PHASES = ["loading", "serving", "draining", "stopping"] as const;
export type Phase = (typeof PHASES)[number];

/** Memory for the state of a service, in phase "loading". */
export function allocateState(): SharedArrayBuffer {
  return new SharedArrayBuffer(Object.keys(FIELDS).length * Float64Array.BYTES_PER_ELEMENT);
}

/** One thread's view. An aligned 64-bit float is read and written whole. */
export class ServiceState {
  readonly #numbers: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#numbers = new Float64Array(memory);
  }

  get phase(): Phase {
    return PHASES[this.#numbers[FIELDS.phase]!]!;
  }

  set phase(phase: Phase) {
    this.#numbers[FIELDS.phase] = PHASES.indexOf(phase);
  }

  get(field: StateField): number {
    return this.#numbers[FIELDS[field]]!;
  }

  set(field: StateField, value: number): void {
    this.#numbers[FIELDS[field]] = value;
  }

  add(field: StateField, change: number): void {
    this.set(field, this.get(field) + change);
  }
}

/** Returns the changes since the start that a new snapshot would contain: puts, deletes and evictions. */
export function changesOf(stats: {
  readonly inserted: number;
  readonly deleted: number;
  readonly evicted: number;
}): number {
  return stats.inserted + stats.deleted + stats.evicted;
}

/** The result of a request for a snapshot. */
export type SaveOutcome =
  | {
      readonly isSaved: true;
      readonly entries: number;
      /** Size of the file. */
      readonly bytes: number;
      readonly tookMs: number;
    }
  | {
      readonly isSaved: false;
      readonly reason: string;
      /** Whether an older snapshot exists, which is kept. */
      readonly keepsLast?: boolean;
    };

/** The service, as the protocols of one thread see it. */
export interface Service {
  readonly state: ServiceState;
  /** The start of the service on this thread's `performance.now()`; negative in a worker. */
  readonly startedMs: number;
  /** A reload may replace their values. */
  readonly tokens: Tokens;
  readonly rejections: RejectionCounters;
  /** Bytes in flight on both ports, over all threads, within --max-pending-bytes. */
  readonly budget: ByteBudget;
  /** The jobs of this thread. Each request calls `happened`. */
  readonly activity: Activity;
  readonly lag: EventLoopMonitor;
  /** Undefined without TLS. */
  readonly tls: TlsTexts | undefined;
  /** Takes a snapshot of the cache. Never rejects. Needs a data folder. */
  save(): Promise<SaveOutcome>;
  /** Stops the service. With `saves` and a data folder, it takes a last snapshot. */
  shutDown(saves: boolean): void;
}
