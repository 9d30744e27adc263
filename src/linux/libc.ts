// The C library of this process, for system calls that the runtime does not offer.

import { readFileSync } from "node:fs";

/** Returns the path of glibc or musl. Linux only. */
export function libcPath(): string {
  const maps = readFileSync("/proc/self/maps", "utf8");
  return /\S*\/(?:libc\.so\.6|libc\.musl-\S+|ld-musl-\S+)$/m.exec(maps)?.[0] ?? "libc.so.6";
}
