// The folder of a service's snapshots, which one service has at a time.
//
//   ringcache.snapshot                    the last good one
//   ringcache.snapshot.tmp                one that is being written, or was when the power went
//   ringcache.snapshot.damaged-TIME       one that could not be read whole, kept for people
//   ringcache.snapshot.unfit-TIME         one with entries that the limits of the cache refused, kept too
//   ringcache.lock, ringcache.pid         the lock of the service that has the folder, and its process

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

import {
  codeOf,
  expectFile,
  type FileSystem,
  type Lock,
  LockedError,
  NoLocksError,
  openToRead,
  SYSTEM,
  unlinkIfThere,
} from "./file-system.ts";

/** What is in the cache is nobody else's to read. */
const FOLDER_MODE = 0o700;

const PID_MODE = 0o644;
const OTHERS_MAY_WRITE = 0o002;

/** Another service has the folder. */
export class FolderInUseError extends Error {
  /** The process of that service, as far as it is known. */
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
  readonly files: FileSystem;
  readonly #lockPath: string;
  #lock: Lock | undefined;
  /** The folder is this service's, with a lock or, where there are none, without. */
  #isClaimed = false;

  constructor(path: string, files = SYSTEM) {
    this.path = resolve(path);
    this.files = files;
    this.file = join(this.path, "ringcache.snapshot");
    this.#lockPath = join(this.path, "ringcache.lock");
  }

  /** Whether another service would be kept out: false where the file system has no locks. */
  get isLocked(): boolean {
    return this.#lock !== undefined;
  }

  /** Whether every user of the machine may put files into the folder. */
  async isOpenToOthers(): Promise<boolean> {
    return ((await stat(this.path)).mode & OTHERS_MAY_WRITE) !== 0;
  }

  /**
   * Makes the folder if there is none, and claims it for this process until that ends; once it is
   * claimed, this does nothing. Throws FolderInUseError, or the system's error where the folder cannot be had.
   */
  async claim(): Promise<void> {
    if (this.#isClaimed && (await exists(this.#lockPath))) return;
    const isNew = !this.#isClaimed;
    // The folder was taken away with its lock: one that is put there again is claimed anew.
    this.#lock?.close();
    this.#lock = undefined;
    this.#isClaimed = false;
    if (isNew) await mkdir(this.path, { recursive: true, mode: FOLDER_MODE });
    // SQLite says only that it cannot.
    await access(this.path, constants.R_OK | constants.W_OK);
    const pidPath = join(this.path, "ringcache.pid");
    this.#lock = await this.#takeLock(pidPath);
    await unlinkIfThere(`${this.file}.tmp`);
    const pidFile = await this.files.create(pidPath, PID_MODE);
    try {
      await pidFile.writeFile(`${process.pid}\n`);
    } finally {
      await pidFile.close();
    }
    // Where there are no locks there may be no such file either.
    if (this.#lock === undefined) await touch(this.#lockPath);
    this.#isClaimed = true;
  }

  /** Undefined where the file system has no locks. */
  async #takeLock(pidPath: string): Promise<Lock | undefined> {
    // A link there would lock, and make, a file elsewhere.
    if (await exists(this.#lockPath)) await expectFile(this.#lockPath);
    try {
      return this.files.lock(this.#lockPath);
    } catch (error) {
      if (error instanceof NoLocksError) return undefined;
      if (!(error instanceof LockedError)) throw error;
      throw new FolderInUseError(this.path, (await textOf(pidPath)).trim() || "of unknown number");
    }
  }

  /** Keeps the present snapshot under a name of its own, which it returns. */
  async keepAside(why: "damaged" | "unfit"): Promise<string> {
    const found = await lstat(this.file);
    const aside = `${this.file}.${why}-${found.mtime.toISOString().replace(/[-:.]/g, "")}`;
    try {
      await link(this.file, aside);
    } catch (error) {
      if (codeOf(error) === "EEXIST") return aside;
      // Not every file system has links. A file that cannot be read, or a FIFO, can only be moved.
      const move = () => rename(this.file, aside);
      if (found.isFile()) {
        await copyFile(this.file, aside, constants.COPYFILE_EXCL).catch(move);
      } else await move();
    }
    return aside;
  }
}

async function textOf(path: string): Promise<string> {
  try {
    const file = await openToRead(path);
    try {
      return await file.readFile("latin1");
    } finally {
      await file.close();
    }
  } catch {
    // Nobody needs the number to know that the folder is in use.
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
