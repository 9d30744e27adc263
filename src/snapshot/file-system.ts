// The calls of the operating system that snapshots need and that not every file system has. Tests
// replace them.

import { constants } from "node:fs";
import { type FileHandle, lstat, open, unlink } from "node:fs/promises";
import { Database, SQLiteError } from "bun:sqlite";

import { isLockable } from "./file-locks.ts";

export interface FileSystem {
  /** Opens a new file for writing in place of whatever has the name. */
  create(path: string, mode: number): Promise<FileHandle>;
  /** Writes the bytes of an open file to the device. */
  syncFile(file: FileHandle): Promise<void>;
  /** Writes the names in a folder to the device. */
  syncFolder(path: string): Promise<void>;
  /** Takes the lock of a file, which is made if there is none. Throws LockedError, NoLocksError, or the system's error. */
  lock(path: string): Lock;
}

export interface Lock {
  close(): void;
}

/** Another process has the lock. */
export class LockedError extends Error {}

/** The file system has no locks. */
export class NoLocksError extends Error {}

/** There is something else than a file: a FIFO, on which a reader waits for ever, a link, a folder. */
export class NotAFileError extends Error {}

/** Never follows a link, and never opens a FIFO: both could be put there by another user of the folder. */
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const READ = constants.O_RDONLY | constants.O_NONBLOCK;

export const SYSTEM: FileSystem = {
  async create(path, mode) {
    await unlinkIfThere(path);
    return await open(path, CREATE, mode);
  },
  syncFile: (file) => file.sync(),
  async syncFolder(path) {
    const folder = await open(path, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
  lock(path) {
    // SQLite's lock on an empty database: one of the system's that ends with the process, however
    // that ends, and that holds between containers too.
    const database = new Database(path);
    try {
      database.run("PRAGMA busy_timeout = 0");
      database.run("PRAGMA journal_mode = MEMORY");
      database.run("BEGIN EXCLUSIVE");
      return database;
    } catch (error) {
      database.close();
      if (!(error instanceof SQLiteError)) throw error;
      if (!isLockable(path)) throw new NoLocksError("the file system has no locks");
      if (error.code === "SQLITE_BUSY") throw new LockedError("another process has the lock");
      throw error;
    }
  },
};

/** Opens a file for reading. Throws NotAFileError for anything else that has the name. */
export async function openToRead(path: string): Promise<FileHandle> {
  const handle = await open(path, READ);
  try {
    if (!(await handle.stat()).isFile()) throw new NotAFileError("it is not a regular file");
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Throws NotAFileError if the name is that of a link, or of no file. */
export async function expectFile(path: string): Promise<void> {
  const found = await lstat(path);
  if (found.isSymbolicLink()) throw new NotAFileError("it is a symbolic link, not a regular file");
  if (!found.isFile()) throw new NotAFileError("it is not a regular file");
}

export async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

/** The system's name of an error, such as ENOSPC, or "". */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
