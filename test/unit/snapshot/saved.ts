// A cache, saved to a file in a folder of its own.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ByteBuffer, Cache, type CacheOptions, MISS } from "../../../src/cache/cache.ts";
import { writeSnapshot } from "../../../src/snapshot/writer.ts";

export interface Folder extends AsyncDisposable {
  readonly path: string;
  /** Of a snapshot in it. */
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

/** A cache with a ring that is quick to build. */
export function smallCache(options: Partial<CacheOptions> = {}): Cache {
  return Cache.create({ memoryBytes: 2 ** 22, shards: 4, virtualNodes: 16, ...options });
}

export async function save(cache: Cache, file: string): Promise<void> {
  await writeSnapshot(cache, cache.shardCopy(), file);
}

/** The value as text of one character a byte, or undefined. */
export function valueOf(cache: Cache, key: string): string | undefined {
  const into = new ByteBuffer();
  const length = cache.get(ByteBuffer.ofText(key), cache.clock.now(), into);
  return length === MISS ? undefined : into.bytes.toString("latin1", 0, length);
}
