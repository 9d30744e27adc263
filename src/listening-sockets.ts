// The sockets on which this process listens, and how to close one that the runtime would close
// only along with its idle connections.

import { dlopen, FFIType } from "bun:ffi";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

import { tcpSocketsOn } from "./tcp-table.ts";

const DESCRIPTORS = "/proc/self/fd";

/** Descriptors of this process's sockets that listen on a port. Linux only. O(descriptors + sockets). */
export function listeningOn(port: number): number[] {
  const inodes = tcpSocketsOn(port, "listening").map(({ inode }) => `socket:[${inode}]`);
  return readdirSync(DESCRIPTORS)
    .map(Number)
    .filter((descriptor) => inodes.includes(linkOf(descriptor)));
}

/**
 * Closes sockets that listen, and leaves their descriptors open on nothing, for whoever believes
 * that they are his to close: dup2 does both in one step, so no other thread can be given the number.
 */
export function closeListening(descriptors: readonly number[]): void {
  const { symbols, close } = dlopen(libc(), {
    dup2: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  });
  const nothing = openSync("/dev/null", "r");
  try {
    for (const descriptor of descriptors) {
      if (symbols.dup2(nothing, descriptor) !== descriptor) {
        throw new Error(`dup2 failed on descriptor ${descriptor}`);
      }
    }
  } finally {
    closeSync(nothing);
    close();
  }
}

/** Of glibc, or of musl. */
function libc(): string {
  const maps = readFileSync("/proc/self/maps", "utf8");
  return /\S*\/(?:libc\.so\.6|libc\.musl-\S+|ld-musl-\S+)$/m.exec(maps)?.[0] ?? "libc.so.6";
}

/** "" for one that was closed meanwhile. */
function linkOf(descriptor: number): string {
  try {
    return readlinkSync(`${DESCRIPTORS}/${descriptor}`);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}
