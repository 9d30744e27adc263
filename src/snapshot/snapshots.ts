// The snapshots of a service: it loads the last one at its start and takes new ones while it runs.
// A failed snapshot is logged and counted; the last good one stays.

import { stat } from "node:fs/promises";
import { edenGC } from "bun:jsc";

import type { Cache, SavedEntry, ShardCopy } from "../cache/cache.ts";
import { errorCode } from "../linux/error-code.ts";
import { changesOf, type SaveOutcome, type ServiceState } from "../service/service.ts";
import { expectFile } from "./file-system.ts";
import type { DataFolder } from "./folder.ts";
import { movedBy } from "./format.ts";
import { readSnapshot, type SnapshotReport } from "./reader.ts";
import { writeSnapshot } from "./writer.ts";

/** The result of loading a snapshot. */
export interface LoadReport extends SnapshotReport {
  /** Entries that are in the cache now. */
  readonly loaded: number;
  /** Entries that expired after the snapshot. */
  readonly expired: number;
  /**
   * Entries that exceed a limit of the cache, or for which a cache without eviction has no room.
   */
  readonly unfit: number;
  readonly tookMs: number;
  /** The path where a damaged file, or one with unfit entries, is kept. */
  readonly keptAt?: string;
}

/**
 * Interval of garbage collections during a load or a save. The collector counts shared memory as
 * its own heap and would let garbage grow to the same size. Measured with a million entries: during
 * a save resident memory grows to 1.05 ×, without these collections to 1.6 to 2.6 ×.
 */
const COLLECT_INTERVAL_MS = 20;

/** Interval of the check whether the disk hangs. */
const STALL_CHECK_MS = 250;

/** The file has entries that are not in the cache yet, so a save would lose them. */
const NOT_LOADED = "the last snapshot is still being loaded";

/**
 * A disk hangs if it writes no byte for this time; the service then ends without a last snapshot.
 */
const STALL_MS = 30_000;

export interface SnapshotEvents {
  /** The last snapshot, a file of `bytes` bytes, is about to be loaded. */
  loading(bytes: number): void;
  saved(outcome: SaveOutcome & { readonly isSaved: true }): void;
  /** The snapshot is written, but a power failure may restore the previous one. Reported once. */
  notSynced(reason: string): void;
  /** Reported once per reason, until a snapshot succeeds again. */
  failed(reason: string): void;
}

export class Snapshots {
  readonly #cache: Cache;
  readonly #folder: DataFolder;
  readonly #state: ServiceState;
  readonly #events: SnapshotEvents;
  /** Allocated at the first snapshot, then reused. */
  #copy: ShardCopy | undefined;
  #running: Promise<SaveOutcome> | undefined;
  #next: Promise<SaveOutcome> | undefined;
  #reportedReason = "";
  #hasReportedSync = false;
  /** Time at which the snapshot began, or of its last write. */
  #progressMs = 0;

  constructor(cache: Cache, folder: DataFolder, state: ServiceState, events: SnapshotEvents) {
    this.#cache = cache;
    this.#folder = folder;
    this.#state = state;
    this.#events = events;
    state.set("hasFolder", 1);
  }

  /**
   * Loads the entries of the last snapshot into the cache; returns undefined without a snapshot.
   * With `keepsFile` it keeps a damaged or unreadable file under another name. A file with unfit
   * entries is always kept. Rejects with the error of a file that cannot be read.
   */
  async load(keepsFile: boolean): Promise<LoadReport | undefined> {
    const cache = this.#cache;
    const { file } = this.#folder;
    try {
      await expectFile(file);
      this.#events.loading((await stat(file)).size);
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      if (keepsFile) await this.#folder.keepAside("damaged");
      throw error;
    }
    const startMs = performance.now();
    const nowMs = cache.clock.now();
    // A snapshot has the times of the system clock.
    const { offsetMs } = cache.clock;
    const counts = { loaded: 0, expired: 0, unfit: 0 };
    // --max-ttl may be lower now than when the entry was put.
    const latestMs = cache.expiresAtMs(Infinity, nowMs);
    const visit = (saved: SavedEntry): void => {
      const expiresAtMs = Math.min(saved.expiresAtMs + offsetMs, latestMs);
      const moved = saved.meta && movedBy(saved.meta, offsetMs);
      const staleUntilMs = Math.min(moved?.staleUntilMs ?? 0, latestMs);
      const entry = { ...saved, expiresAtMs, meta: moved && { ...moved, staleUntilMs } };
      if (Math.max(expiresAtMs, staleUntilMs) <= nowMs) counts.expired++;
      else if (fits(cache, entry) && cache.restore(entry, nowMs)) counts.loaded++;
      else counts.unfit++;
    };
    const report = await collecting(() => readSnapshot(file, visit)).catch(async (error) => {
      // The next snapshot would replace the file.
      if (keepsFile) await this.#folder.keepAside("damaged");
      throw error;
    });
    const { header, damages, intactShards } = report;
    const state = this.#state;
    state.set("loadedEntries", counts.loaded);
    state.set("droppedShards", (header?.shards ?? 0) - intactShards);
    // After a damage the next snapshot replaces the file with the entries that were readable.
    if (damages.length === 0) {
      state.set("savedMs", header?.savedMs ?? 0);
      state.set("savedChanges", changesOf(cache.maintenance.stats()));
    } else state.set("savedChanges", -1);
    const tookMs = performance.now() - startMs;
    const loaded = { ...report, ...counts, tookMs };
    // The next snapshot would replace the file.
    if (damages.length > 0) {
      return keepsFile ? { ...loaded, keptAt: await this.#folder.keepAside("damaged") } : loaded;
    }
    return counts.unfit === 0
      ? loaded
      : { ...loaded, keptAt: await this.#folder.keepAside("unfit") };
  }

  /**
   * Takes a snapshot of the current entries; fails while a snapshot is being loaded. Never rejects.
   */
  async save(): Promise<SaveOutcome> {
    if (this.#state.phase === "loading") return { isSaved: false, reason: NOT_LOADED };
    if (this.#running === undefined) return await this.#start();
    // The running snapshot may have copied a shard before its last write; only the next has all
    // writes.
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.#start();
    });
    return await this.#next;
  }

  /**
   * Takes a snapshot if the cache changed since the last one, else returns undefined. Never
   * rejects.
   */
  async saveIfChanged(): Promise<SaveOutcome | undefined> {
    await this.#running;
    const isSame = changesOf(this.#cache.maintenance.stats()) === this.#state.get("savedChanges");
    return isSame ? undefined : await this.save();
  }

  /**
   * Takes the last snapshot of a service that ends, as `saveIfChanged`. It gives up when the disk
   * writes nothing for `stallMs`, and when `skipped` resolves, with the reason.
   */
  async saveLast(skipped: Promise<string>, stallMs = STALL_MS): Promise<SaveOutcome | undefined> {
    this.#progressMs = performance.now();
    const stalled = Promise.withResolvers<string>();
    const timer = setInterval(() => {
      if (performance.now() - this.#progressMs < stallMs) return;
      stalled.resolve(`the disk wrote nothing for ${stallMs / 1000} s`);
    }, STALL_CHECK_MS);
    const cutOff = Promise.race([skipped, stalled.promise]).then(
      (reason) => ({ isSaved: false, reason }) as const,
    );
    try {
      return await Promise.race([this.saveIfChanged(), cutOff]);
    } finally {
      clearInterval(timer);
    }
  }

  /** Takes a snapshot every `everyMs` if the cache changed, until the thread ends. */
  schedule(everyMs: number): void {
    setInterval(() => {
      if (this.#running === undefined) void this.saveIfChanged();
    }, everyMs);
  }

  /** Counts and reports a failed snapshot; returns the reason. */
  failed(error: unknown): string {
    const reason = describeError(error, "write");
    this.#state.add("failedSaves", 1);
    this.#state.set("hasSaveFailed", 1);
    if (reason !== this.#reportedReason) this.#events.failed(reason);
    this.#reportedReason = reason;
    return reason;
  }

  #start(): Promise<SaveOutcome> {
    const run = this.#write().finally(() => (this.#running = undefined));
    this.#running = run;
    return run;
  }

  async #write(): Promise<SaveOutcome> {
    const state = this.#state;
    const startMs = performance.now();
    const changes = changesOf(this.#cache.maintenance.stats());
    const savedMs = Date.now();
    state.set("isSaving", 1);
    try {
      await this.#folder.claim();
      const copy = (this.#copy ??= this.#cache.shardCopy());
      const { files, file } = this.#folder;
      const onWrite = () => (this.#progressMs = performance.now());
      const { notSynced, ...saved } = await collecting(() =>
        writeSnapshot(this.#cache, copy, file, files, onWrite),
      );
      const tookMs = performance.now() - startMs;
      state.set("savedChanges", changes);
      state.set("savedMs", savedMs);
      state.set("savedEntries", saved.entries);
      state.set("savedBytes", saved.bytes);
      state.set("saveTookMs", tookMs);
      state.add("saves", 1);
      state.set("hasSaveFailed", 0);
      this.#reportedReason = "";
      const outcome = { isSaved: true, ...saved, tookMs } as const;
      this.#events.saved(outcome);
      if (notSynced !== undefined && !this.#hasReportedSync) {
        this.#hasReportedSync = true;
        this.#events.notSynced(describeError(notSynced, "write"));
      }
      return outcome;
    } catch (error) {
      const reason = this.failed(error);
      return { isSaved: false, reason, keepsLast: await fileExists(this.#folder.file) };
    } finally {
      state.set("isSaving", 0);
    }
  }
}

/** Runs `work` with a garbage collection every COLLECT_INTERVAL_MS. */
async function collecting<T>(work: () => Promise<T>): Promise<T> {
  const timer = setInterval(edenGC, COLLECT_INTERVAL_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

function fits(cache: Cache, { key, value }: SavedEntry): boolean {
  return key.end - key.start <= cache.maxKeyBytes && value.end - value.start <= cache.maxValueBytes;
}

async function fileExists(path: string): Promise<boolean> {
  return await expectFile(path).then(
    () => true,
    () => false,
  );
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: "no space is left on the device",
  EDQUOT: "the disk quota of this user is used up",
  EROFS: "the file system is read-only",
  ENOENT: "there is no such file or folder",
  ENOTDIR: "there is a file where the folder should be",
  EISDIR: "there is a folder where the file should be",
  EIO: "the device reports an error",
};

const NOT_ALLOWED = { read: "this user may not read it", write: "this user may not write there" };

/**
 * Returns why a file or folder could not be read or written, with the system's name of the error.
 */
export function describeError(error: unknown, operation: "read" | "write"): string {
  const code = errorCode(error);
  const reason = code === "EACCES" || code === "EPERM" ? NOT_ALLOWED[operation] : REASONS[code];
  if (reason !== undefined) return `${reason} (${code})`;
  return error instanceof Error ? error.message : String(error);
}
