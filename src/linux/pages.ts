// Gives pages back to the system that are no longer used: those of a memory, before the garbage collector
// frees the memory itself, those that hold only zeros, and those of the runtime's code.

import { dlopen, FFIType, type Pointer, ptr } from "bun:ffi";
import { readFileSync } from "node:fs";

import { libcPath } from "./libc.ts";

const MADV_DONTNEED = 4;

/**
 * Frees the pages of a memory of whole pages, which begins a page; its content is undefined afterwards. Does
 * nothing on other systems than Linux: the garbage collector frees the memory later.
 */
export function releasePages(memory: Uint8Array): void {
  if (process.platform !== "linux") return;
  dontNeed(ptr(memory), memory.length);
}

/**
 * Frees the resident pages of a memory that hold only zeros; they read as zeros afterwards. No other thread may
 * write to the memory meanwhile. The allocator fills a memory with zeros if a part of it was used before: 16 MB
 * of a shard in every fourth start. Does nothing on other systems than Linux. O(bytes): 6 to 18 ms for 1 GB.
 */
export function releaseZeroPages(memory: SharedArrayBuffer): void {
  if (process.platform !== "linux") return;
  const { mincore, getpagesize } = libc();
  const pageBytes = getpagesize();
  const bytes = Buffer.from(memory);
  const address = ptr(bytes);
  // The first whole page.
  const start = -address & (pageBytes - 1);
  const pages = Math.floor((bytes.length - start) / pageBytes);
  for (let page = 0; page < pages; page += PAGES_AT_ONCE) {
    const first = start + page * pageBytes;
    const count = Math.min(PAGES_AT_ONCE, pages - page);
    if (mincore((address + first) as Pointer, count * pageBytes, ptr(isResident)) !== 0) return;
    for (const [from, end] of runsOfOnes(isResident.subarray(0, count))) {
      releaseZeros(bytes.subarray(first + from * pageBytes, first + end * pageBytes), pageBytes);
    }
  }
}

const PAGES_AT_ONCE = 8192;
const isResident = Buffer.alloc(PAGES_AT_ONCE);

function* runsOfOnes(flags: Buffer): Generator<[from: number, end: number]> {
  for (let from = flags.indexOf(1); from >= 0;) {
    const zero = flags.indexOf(0, from);
    const end = zero < 0 ? flags.length : zero;
    yield [from, end];
    from = flags.indexOf(1, end);
  }
}

/** Frees the pages of these resident bytes that hold only zeros, adjacent ones together. */
function releaseZeros(bytes: Buffer, pageBytes: number): void {
  const zeros = Buffer.alloc(pageBytes);
  const isZero = Buffer.alloc(bytes.length / pageBytes);
  for (let page = 0; page < isZero.length; page++) {
    const at = page * pageBytes;
    isZero[page] = bytes.compare(zeros, 0, pageBytes, at, at + pageBytes) === 0 ? 1 : 0;
  }
  for (const [from, end] of runsOfOnes(isZero)) {
    dontNeed(ptr(bytes, from * pageBytes), (end - from) * pageBytes);
  }
}

/**
 * Unmaps the code and the constants of the runtime and of its libraries, about half of which only the start
 * uses. What is used again is mapped again, 64 KiB at a time and without reading the file. Resident are then
 * 18 MB less. Does nothing on other systems than Linux.
 */
export function releaseStartCode(): void {
  if (process.platform !== "linux") return;
  for (const [, start = "", end = ""] of readFileSync("/proc/self/maps", "utf8").matchAll(CODE)) {
    const address = parseInt(start, 16);
    dontNeed(address as Pointer, parseInt(end, 16) - address);
  }
}
/**
 * A line of proc_pid_maps(5) about a file: code, or the constants at its begin. Nobody can write to them. Later
 * constants may hold addresses that the dynamic linker has written.
 */
const CODE = /^([\da-f]+)-([\da-f]+) r-(?:xp \S+|-p 0+) \S+ \d+ +\/.*$/gm;

function dontNeed(address: Pointer, bytes: number): void {
  libc().madvise(address, bytes, MADV_DONTNEED);
}

const openLibc = () =>
  dlopen(libcPath(), {
    getpagesize: { args: [], returns: FFIType.i32 },
    madvise: { args: [FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
    mincore: { args: [FFIType.ptr, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
  }).symbols;
let symbols: ReturnType<typeof openLibc> | undefined;

function libc(): ReturnType<typeof openLibc> {
  return (symbols ??= openLibc());
}
