// Frees the pages of a memory that is no longer used, before the garbage collector frees the memory itself.

import { dlopen, FFIType, ptr } from "bun:ffi";

import { libcPath } from "./libc.ts";

const MADV_DONTNEED = 4;

type Advise = (address: ReturnType<typeof ptr>, bytes: number, advice: number) => number;
let advise: Advise | undefined;

/**
 * Frees the pages of a memory of whole pages, which begins a page; its content is undefined afterwards. Does
 * nothing on other systems than Linux: the garbage collector frees the memory later.
 */
export function releasePages(memory: Uint8Array): void {
  if (process.platform !== "linux") return;
  advise ??= dlopen(libcPath(), {
    madvise: { args: [FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
  }).symbols.madvise;
  advise(ptr(memory), memory.length, MADV_DONTNEED);
}
