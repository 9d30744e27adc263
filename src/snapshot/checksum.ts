// The checksum of a snapshot: XXH3-64 with seed 0 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md).
//
// hash-wasm computes it in pieces. It is WebAssembly: a native addon would have to lie in a file, and
// the executable of `bun run build` would extract it to /tmp, which can be read-only or `noexec`.
// Pieces of 256 KiB, one run: hash-wasm 6.8 GB/s, the native @node-rs/xxhash 17.1 GB/s.

import { createXXHash3 } from "hash-wasm";

/** Returns the checksum of `bytes`. O(bytes). */
export function checksumOf(bytes: Uint8Array): bigint {
  return Bun.hash.xxHash3(bytes);
}

/** The checksum of bytes that arrive in pieces. */
export interface Checksum {
  /** Forgets all bytes. A new checksum has none. */
  reset(): void;
  /** Appends bytes. O(bytes). */
  update(bytes: Uint8Array): void;
  /** Returns the checksum of the bytes since the last `reset`; the next call must be `reset`. */
  digest(): bigint;
}

/** Compiles the module at the first call: 5 ms. */
export async function createChecksum(): Promise<Checksum> {
  const hasher = await createXXHash3();
  return {
    reset: () => void hasher.init(),
    update: (bytes) => void hasher.update(bytes),
    digest: () => BigInt(`0x${hasher.digest("hex")}`),
  };
}
