// A check whether the file system supports locks. Without locks (NFS without lockd, some FUSE),
// SQLite reports that the file is locked.

import { dlopen, FFIType, ptr } from "bun:ffi";
import { closeSync, constants, openSync } from "node:fs";

import { libcPath } from "../linux/libc.ts";

// Linux: include/uapi/asm-generic/fcntl.h, 64-bit.
const F_GETLK = 5;
const F_WRLCK = 1;
const FLOCK_BYTES = 32;

/**
 * Asks the kernel for the lock state of a file. Returns false if the file system has no locks; on
 * other systems than Linux always true. The calling process must hold no lock on the file, because
 * closing the descriptor would release it.
 */
export function isLockable(path: string): boolean {
  if (process.platform !== "linux") return true;
  const { symbols, close } = dlopen(libcPath(), {
    fcntl: { args: [FFIType.i32, FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  });
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    // A start and a length of 0 mean the whole file.
    const flock = Buffer.alloc(FLOCK_BYTES);
    flock.writeInt16LE(F_WRLCK);
    return symbols.fcntl(descriptor, F_GETLK, ptr(flock)) === 0;
  } finally {
    closeSync(descriptor);
    close();
  }
}
