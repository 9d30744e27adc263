// Whether a file can be locked at all: SQLite says that a file is locked where its file system has no
// locks (NFS without lockd, some FUSE).

import { dlopen, FFIType, ptr } from "bun:ffi";
import { closeSync, constants, openSync } from "node:fs";

import { libcPath } from "../linux/libc.ts";

// linux: include/uapi/asm-generic/fcntl.h, 64 bits
const F_GETLK = 5;
const F_WRLCK = 1;
const FLOCK_BYTES = 32;

/**
 * Asks the kernel for the lock of a file; false if the file system cannot say. Linux only: elsewhere
 * true. The process must not have a lock on the file, which closing it would end.
 */
export function isLockable(path: string): boolean {
  if (process.platform !== "linux") return true;
  const { symbols, close } = dlopen(libcPath(), {
    fcntl: { args: [FFIType.i32, FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  });
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    // Of the whole file: a start and a length of 0.
    const flock = Buffer.alloc(FLOCK_BYTES);
    flock.writeInt16LE(F_WRLCK);
    return symbols.fcntl(descriptor, F_GETLK, ptr(flock)) === 0;
  } finally {
    closeSync(descriptor);
    close();
  }
}
