// The system calls that snapshots need and that some file systems lack. Tests replace them.

import { constants } from "node:fs";
import { type FileHandle, lstat, open, unlink } from "node:fs/promises";
import { Database, SQLiteError } from "bun:sqlite";

import { errorCode } from "../linux/error-code.ts";
import { isLockable } from "./file-locks.ts";

export interface FileSystem {
  /** Opens a new file for writing; it replaces anything that has the name. */
  create(path: string, mode: number): Promise<FileHandle>;
  /** Flushes the bytes of an open file to the device. */
  syncFile(file: FileHandle): Promise<void>;
  /** Flushes the names in a folder to the device. */
  syncFolder(path: string): Promise<void>;
  /**
   * Locks a file, and creates it if it is missing. Throws LockedError, NoLocksError or the system's
   * error.
   */
  lock(path: string): Lock;
}

export interface Lock {
  close(): void;
}

/** Another process holds the lock. */
export class LockedError extends Error {}

/** The file system has no locks. */
export class NoLocksError extends Error {}

/**
 * The name belongs to something else than a file: a FIFO (reading it may block forever), a link, a
 * folder.
 */
export class NotAFileError extends Error {}

/** Follows no link and opens no FIFO: another user of the folder could create them. */
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const READ = constants.O_RDONLY | constants.O_NONBLOCK;

export const SYSTEM: FileSystem = {
  async create(path, mode) {
    await unlinkIfPresent(path);
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
    // SQLite's lock on an empty database is a lock of the kernel. It ends when the process ends, in
    // any way, and it also works between containers.
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
      if (error.code === "SQLITE_BUSY") throw new LockedError("another process holds the lock");
      throw error;
    }
  },
};

/** Opens a file for reading. Throws NotAFileError if the name belongs to something else. */
export async function openForReading(path: string): Promise<FileHandle> {
  const handle = await open(path, READ);
  try {
    if (!(await handle.stat()).isFile()) throw new NotAFileError("it is not a regular file");
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Throws NotAFileError if the name belongs to a link or to anything else that is not a file. */
export async function expectFile(path: string): Promise<void> {
  const status = await lstat(path);
  if (status.isSymbolicLink()) throw new NotAFileError("it is a symbolic link, not a regular file");
  if (!status.isFile()) throw new NotAFileError("it is not a regular file");
}

/** Deletes a file; a missing file is no error. */
export async function unlinkIfPresent(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}
