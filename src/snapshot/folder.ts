// The data folder with the snapshots of a service. Only one service uses a folder at a time.
//
//   ringcache.snapshot                the last good snapshot
//   ringcache.snapshot.tmp            a snapshot during its writing, or after an interrupted one
//   ringcache.snapshot.damaged-TIME   a snapshot with damages, kept for the operator
//   ringcache.snapshot.unfit-TIME     a snapshot with entries that exceed a limit, kept too
//   ringcache.lock, ringcache.pid     the lock and the process id of the service

import {
  access,
  constants,
  copyFile,
  link,
  lstat,
  mkdir,
  open,
  rename,
  stat,
} from "node:fs/promises";
import { join, resolve } from "node:path";

import { errorCode } from "../linux/error-code.ts";
import {
  expectFile,
  type FileSystem,
  type Lock,
  LockedError,
  NoLocksError,
  openForReading,
  SYSTEM,
  unlinkIfPresent,
} from "./file-system.ts";

/** Other users must not read the entries of the cache. */
const FOLDER_MODE = 0o700;

const PID_MODE = 0o644;
const OTHERS_MAY_WRITE = 0o002;

/** Another service uses the folder. */
export class FolderInUseError extends Error {
  /** The process id of that service, if it is known. */
  readonly pid: string;

  constructor(path: string, pid: string) {
    super(`the folder ${path} is in use by process ${pid}`);
    this.pid = pid;
  }
}

export class DataFolder {
  readonly path: string;
  /** The path of the last good snapshot. */
  readonly file: string;
  readonly files: FileSystem;
  readonly #lockPath: string;
  #lock: Lock | undefined;
  /** This service uses the folder. It holds the lock if the file system has locks. */
  #isClaimed = false;

  constructor(path: string, files = SYSTEM) {
    this.path = resolve(path);
    this.files = files;
    this.file = join(this.path, "ringcache.snapshot");
    this.#lockPath = join(this.path, "ringcache.lock");
  }

  /** Whether the folder is locked against other services; false if the file system has no locks. */
  get isLocked(): boolean {
    return this.#lock !== undefined;
  }

  /** Returns whether every user of the machine may create files in the folder. */
  async isOpenToOthers(): Promise<boolean> {
    return ((await stat(this.path)).mode & OTHERS_MAY_WRITE) !== 0;
  }

  /**
   * Creates the folder if it is missing, and claims it until this process ends. A second call does
   * nothing. Throws FolderInUseError, or the system's error if the folder is not usable.
   */
  async claim(): Promise<void> {
    if (this.#isClaimed && (await exists(this.#lockPath))) return;
    const isNew = !this.#isClaimed;
    // The folder was removed together with its lock. A folder that was created again is claimed
    // again.
    this.#lock?.close();
    this.#lock = undefined;
    this.#isClaimed = false;
    if (isNew) await mkdir(this.path, { recursive: true, mode: FOLDER_MODE });
    // The error of SQLite would not give the reason.
    await access(this.path, constants.R_OK | constants.W_OK);
    const pidPath = join(this.path, "ringcache.pid");
    this.#lock = await this.#acquireLock(pidPath);
    await unlinkIfPresent(`${this.file}.tmp`);
    const pidFile = await this.files.create(pidPath, PID_MODE);
    try {
      await pidFile.writeFile(`${process.pid}\n`);
    } finally {
      await pidFile.close();
    }
    // On a file system without locks, nothing has created the lock file yet.
    if (this.#lock === undefined) await touch(this.#lockPath);
    this.#isClaimed = true;
  }

  /** Returns undefined if the file system has no locks. */
  async #acquireLock(pidPath: string): Promise<Lock | undefined> {
    // A link would make SQLite create and lock a file in another folder.
    if (await exists(this.#lockPath)) await expectFile(this.#lockPath);
    try {
      return this.files.lock(this.#lockPath);
    } catch (error) {
      if (error instanceof NoLocksError) return undefined;
      if (!(error instanceof LockedError)) throw error;
      throw new FolderInUseError(this.path, (await readPid(pidPath)) || "of unknown number");
    }
  }

  /** Keeps the current snapshot under another name, and returns that name. */
  async keepAside(why: "damaged" | "unfit"): Promise<string> {
    const status = await lstat(this.file);
    const aside = `${this.file}.${why}-${status.mtime.toISOString().replace(/[-:.]/g, "")}`;
    try {
      await link(this.file, aside);
    } catch (error) {
      if (errorCode(error) === "EEXIST") return aside;
      // Some file systems have no links. An unreadable file or a FIFO can only be moved.
      const move = () => rename(this.file, aside);
      if (status.isFile()) {
        await copyFile(this.file, aside, constants.COPYFILE_EXCL).catch(move);
      } else await move();
    }
    return aside;
  }
}

/** Returns the process id in the file, or "" if the file cannot be read. */
async function readPid(path: string): Promise<string> {
  try {
    const file = await openForReading(path);
    try {
      return (await file.readFile("latin1")).trim();
    } finally {
      await file.close();
    }
  } catch {
    // The process id only completes the message; the folder is in use with or without it.
    return "";
  }
}

async function touch(path: string): Promise<void> {
  const file = await open(path, "a");
  await file.close();
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}
