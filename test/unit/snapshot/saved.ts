// Helpers: small caches, and snapshots in temporary folders.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ByteBuffer, Cache, type CacheOptions, MISS } from "../../../src/cache/cache.ts";
import { writeSnapshot } from "../../../src/snapshot/writer.ts";

export interface Folder extends AsyncDisposable {
  readonly path: string;
  /** Path of a snapshot in the folder. */
  readonly file: string;
}

export async function temporaryFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), "ringcache-"));
  return {
    path,
    file: join(path, "ringcache.snapshot"),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/** Returns a cache whose ring is fast to build. */
export function smallCache(options: Partial<CacheOptions> = {}): Cache {
  return Cache.create({ memoryBytes: 2 ** 22, shards: 4, virtualNodes: 16, ...options });
}

export async function save(cache: Cache, file: string): Promise<void> {
  await writeSnapshot(cache, cache.shardCopy(), file);
}

/** Returns the value as text of one character per byte, or undefined. */
export function valueOf(cache: Cache, key: string): string | undefined {
  const into = new ByteBuffer();
  const length = cache.get(ByteBuffer.ofText(key), cache.clock.now(), into);
  return length === MISS ? undefined : into.bytes.toString("latin1", 0, length);
}
