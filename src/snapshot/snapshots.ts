// The snapshots of a service: one at its start is loaded, others are taken while it runs.
// A snapshot that fails is told of and counted, and the last good one stays.

import { stat } from "node:fs/promises";
import { edenGC } from "bun:jsc";

import type { Cache, SavedEntry, ShardCopy } from "../cache/cache.ts";
import { changesOf, type SaveOutcome, type ServiceState } from "../service/service.ts";
import { codeOf, expectFile } from "./file-system.ts";
import type { DataFolder } from "./folder.ts";
import { readSnapshot, type SnapshotReport } from "./reader.ts";
import { writeSnapshot } from "./writer.ts";

/** What became of a snapshot at the start. */
export interface LoadReport extends SnapshotReport {
  /** Entries that the cache took. */
  readonly loaded: number;
  /** Entries whose time had come meanwhile. */
  readonly expired: number;
  /** Entries that a smaller cache has no room for, one by one, or at all if it does not evict. */
  readonly unfit: number;
  readonly tookMs: number;
  /** Where the file is kept, if it is damaged or has entries that are unfit. */
  readonly keptAt?: string;
}

/**
 * While entries go to or come from a file, garbage is collected so often: shared memory counts as the
 * collector's own, and it would let garbage grow to as much. Measured with a million entries: resident
 * memory grows to 1.05 × while they are saved, to 1.6 to 2.6 × without.
 */
const COLLECT_EVERY_MS = 20;

/** How often it is seen whether a disk hangs. */
const LOOK_EVERY_MS = 250;

/** The file has what is not in the cache yet. */
const NOT_LOADED = "the last snapshot is still being loaded";

/** Without a byte written for so long, the disk hangs and the service ends without its last snapshot. */
const SILENCE_MS = 30_000;

export interface SnapshotEvents {
  /** The last snapshot, of so many bytes, is about to be loaded. */
  loading(bytes: number): void;
  saved(outcome: SaveOutcome & { readonly isSaved: true }): void;
  /** A snapshot is there, but a power failure may bring back the one before. Told once. */
  notSynced(reason: string): void;
  /** Told once for each reason, until a snapshot succeeds again. */
  failed(reason: string): void;
}

export class Snapshots {
  readonly #cache: Cache;
  readonly #folder: DataFolder;
  readonly #state: ServiceState;
  readonly #events: SnapshotEvents;
  /** Made at the first snapshot and used again. */
  #copy: ShardCopy | undefined;
  #running: Promise<SaveOutcome> | undefined;
  #next: Promise<SaveOutcome> | undefined;
  #toldReason = "";
  #hasToldOfSync = false;
  /** When a snapshot was begun, or last had a part of it written. */
  #progressMs = 0;

  constructor(cache: Cache, folder: DataFolder, state: ServiceState, events: SnapshotEvents) {
    this.#cache = cache;
    this.#folder = folder;
    this.#state = state;
    this.#events = events;
    state.set("hasFolder", 1);
  }

  /**
   * Puts the entries of the last snapshot into the cache; undefined if there is none. With `keepsFile` a file
   * that is damaged, cannot be read, or has unfit entries is kept aside. Rejects with the error of one that
   * cannot be read.
   */
  async load(keepsFile: boolean): Promise<LoadReport | undefined> {
    const cache = this.#cache;
    const { file } = this.#folder;
    try {
      await expectFile(file);
      this.#events.loading((await stat(file)).size);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      if (keepsFile) await this.#folder.keepAside("damaged");
      throw error;
    }
    const startMs = performance.now();
    const nowMs = cache.clock.now();
    // A snapshot has times of day.
    const { offsetMs } = cache.clock;
    const counts = { loaded: 0, expired: 0, unfit: 0 };
    // --max-ttl may be another than that of the entry's put.
    const latestMs = cache.expiresAtMs(Infinity, nowMs);
    const visit = (saved: SavedEntry): void => {
      const entry = { ...saved, expiresAtMs: Math.min(saved.expiresAtMs + offsetMs, latestMs) };
      if (entry.expiresAtMs <= nowMs) counts.expired++;
      else if (fits(cache, entry) && cache.restore(entry, nowMs)) counts.loaded++;
      else counts.unfit++;
    };
    const report = await collecting(() => readSnapshot(file, visit)).catch(async (error) => {
      // The next snapshot would take its place.
      if (keepsFile) await this.#folder.keepAside("damaged");
      throw error;
    });
    const { header, damages, intactShards } = report;
    const state = this.#state;
    state.set("loadedEntries", counts.loaded);
    state.set("droppedShards", (header?.shards ?? 0) - intactShards);
    // A damaged file is soon to be replaced by what could be read of it.
    if (damages.length === 0) {
      state.set("savedMs", header?.savedMs ?? 0);
      state.set("savedChanges", changesOf(cache.stats()));
    } else state.set("savedChanges", -1);
    const tookMs = performance.now() - startMs;
    const loaded = { ...report, ...counts, tookMs };
    // The next snapshot would take its place.
    if (damages.length > 0) {
      return keepsFile ? { ...loaded, keptAt: await this.#folder.keepAside("damaged") } : loaded;
    }
    return counts.unfit === 0
      ? loaded
      : { ...loaded, keptAt: await this.#folder.keepAside("unfit") };
  }

  /** Takes a snapshot of what is in the cache now, once that is loaded. Never rejects. */
  async save(): Promise<SaveOutcome> {
    if (this.#state.phase === "loading") return { isSaved: false, reason: NOT_LOADED };
    if (this.#running === undefined) return await this.#start();
    // The one that runs may be past the shard that was last written to: only the next has it all.
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.#start();
    });
    return await this.#next;
  }

  /** The same if there is anything that the last one does not have; else undefined. */
  async saveIfChanged(): Promise<SaveOutcome | undefined> {
    await this.#running;
    const isSame = changesOf(this.#cache.stats()) === this.#state.get("savedChanges");
    return isSame ? undefined : await this.save();
  }

  /**
   * As `saveIfChanged`, for a service that ends: a disk that takes nothing for `silenceMs` does not keep it,
   * nor does one that is slow once `skipped` resolves, with the reason.
   */
  async saveLast(
    skipped: Promise<string>,
    silenceMs = SILENCE_MS,
  ): Promise<SaveOutcome | undefined> {
    this.#progressMs = performance.now();
    const silent = Promise.withResolvers<string>();
    const timer = setInterval(() => {
      if (performance.now() - this.#progressMs < silenceMs) return;
      silent.resolve(`the disk took nothing for ${silenceMs / 1000} s`);
    }, LOOK_EVERY_MS);
    const cutOff = Promise.race([skipped, silent.promise]).then(
      (reason) => ({ isSaved: false, reason }) as const,
    );
    try {
      return await Promise.race([this.saveIfChanged(), cutOff]);
    } finally {
      clearInterval(timer);
    }
  }

  /** Takes snapshots of what has changed until the thread ends. */
  schedule(everyMs: number): void {
    setInterval(() => {
      if (this.#running === undefined) void this.saveIfChanged();
    }, everyMs);
  }

  /** Counts and tells that a snapshot could not be taken; returns the reason. */
  failed(error: unknown): string {
    const reason = reasonOf(error, "write");
    this.#state.add("failedSaves", 1);
    this.#state.set("hasSaveFailed", 1);
    if (reason !== this.#toldReason) this.#events.failed(reason);
    this.#toldReason = reason;
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
    const changes = changesOf(this.#cache.stats());
    const savedMs = Date.now();
    state.set("isSaving", 1);
    try {
      await this.#folder.claim();
      const copy = (this.#copy ??= this.#cache.shardCopy());
      const { files, file } = this.#folder;
      const wrote = () => (this.#progressMs = performance.now());
      const { notSynced, ...saved } = await collecting(() =>
        writeSnapshot(this.#cache, copy, file, files, wrote),
      );
      const tookMs = performance.now() - startMs;
      state.set("savedChanges", changes);
      state.set("savedMs", savedMs);
      state.set("savedEntries", saved.entries);
      state.set("savedBytes", saved.bytes);
      state.set("saveTookMs", tookMs);
      state.add("saves", 1);
      state.set("hasSaveFailed", 0);
      this.#toldReason = "";
      const outcome = { isSaved: true, ...saved, tookMs } as const;
      this.#events.saved(outcome);
      if (notSynced !== undefined && !this.#hasToldOfSync) {
        this.#hasToldOfSync = true;
        this.#events.notSynced(reasonOf(notSynced, "write"));
      }
      return outcome;
    } catch (error) {
      const reason = this.failed(error);
      return { isSaved: false, reason, keepsLast: await isThere(this.#folder.file) };
    } finally {
      state.set("isSaving", 0);
    }
  }
}

async function collecting<T>(work: () => Promise<T>): Promise<T> {
  const timer = setInterval(edenGC, COLLECT_EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

function fits(cache: Cache, { key, value }: SavedEntry): boolean {
  return key.end - key.start <= cache.maxKeyBytes && value.end - value.start <= cache.maxValueBytes;
}

async function isThere(path: string): Promise<boolean> {
  return await expectFile(path).then(
    () => true,
    () => false,
  );
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: "no space is left on the device",
  EDQUOT: "this user's quota of the device is used up",
  EROFS: "the file system is read-only",
  ENOENT: "the folder is gone",
  ENOTDIR: "there is a file where the folder should be",
  EISDIR: "there is a folder where the file should be",
  EIO: "the device fails",
};

const NOT_ALLOWED = { read: "this user may not read it", write: "this user may not write there" };

/** Why a file or folder could not be read or written, in words, with the system's name for it. */
export function reasonOf(error: unknown, wish: "read" | "write"): string {
  const code = codeOf(error);
  const reason = code === "EACCES" || code === "EPERM" ? NOT_ALLOWED[wish] : REASONS[code];
  if (reason !== undefined) return `${reason} (${code})`;
  return error instanceof Error ? error.message : String(error);
}
