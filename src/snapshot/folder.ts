// The folder of a service's snapshots, which one service has at a time.
//
//   ringcache.snapshot                    the last good one
//   ringcache.snapshot.tmp                one that is being written, or was when the power went
//   ringcache.snapshot.damaged-TIME       one that could not be read whole, kept for people
//   ringcache.lock, ringcache.pid         who has the folder
//
// The lock is SQLite's on an empty database: one of the system's that ends with the process,
// however that ends, that holds between containers too, and that needs no native code of ours.

import {
  access,
  constants,
  copyFile,
  link,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { join, resolve } from "node:path";
import { Database, SQLiteError } from "bun:sqlite";

/** What is in the cache is nobody else's to read. */
const FOLDER_MODE = 0o700;

/** Another service has the folder. */
export class FolderInUseError extends Error {
  /** Of that service, as far as it is known. */
  readonly pid: string;

  constructor(path: string, pid: string) {
    super(`the folder ${path} is in use by process ${pid}`);
    this.pid = pid;
  }
}

export class DataFolder {
  readonly path: string;
  /** The last good snapshot. */
  readonly file: string;
  readonly #lockPath: string;
  #lock: Database | undefined;

  constructor(path: string) {
    this.path = resolve(path);
    this.file = join(this.path, "ringcache.snapshot");
    this.#lockPath = join(this.path, "ringcache.lock");
  }

  /**
   * Makes the folder if there is none, and it this process's until that ends; once it is, this does
   * nothing. Throws FolderInUseError, or the system's error where the folder cannot be had.
   */
  async claim(): Promise<void> {
    if (this.#lock !== undefined && (await exists(this.#lockPath))) return;
    const isNew = this.#lock === undefined;
    // Somebody has taken the folder away, lock and all: one that is put there again is claimed anew.
    this.#lock?.close();
    this.#lock = undefined;
    if (isNew) await mkdir(this.path, { recursive: true, mode: FOLDER_MODE });
    // SQLite says only that it cannot.
    await access(this.path, constants.R_OK | constants.W_OK);
    const pidPath = join(this.path, "ringcache.pid");
    const lock = new Database(this.#lockPath);
    try {
      lock.run("PRAGMA busy_timeout = 0");
      lock.run("PRAGMA journal_mode = MEMORY");
      lock.run("BEGIN EXCLUSIVE");
    } catch (error) {
      lock.close();
      if (!(error instanceof SQLiteError && error.code === "SQLITE_BUSY")) throw error;
      const pid = await readFile(pidPath, "latin1").catch(() => "");
      throw new FolderInUseError(this.path, pid.trim() || "of unknown number");
    }
    this.#lock = lock;
    await rm(`${this.file}.tmp`, { force: true });
    await Bun.write(pidPath, `${process.pid}\n`);
  }

  /** Keeps the present snapshot under a name of its own, which it answers. */
  async keepAside(): Promise<string> {
    const { mtime } = await stat(this.file);
    const aside = `${this.file}.damaged-${mtime.toISOString().replace(/[-:.]/g, "")}`;
    try {
      await link(this.file, aside);
    } catch (error) {
      if (codeOf(error) === "EEXIST") return aside;
      // Not every file system has links, and a file that cannot be read can be moved.
      await copyFile(this.file, aside, constants.COPYFILE_EXCL).catch(() =>
        rename(this.file, aside),
      );
    }
    return aside;
  }
}

/** The system's name of an error, such as ENOSPC, or "". */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
