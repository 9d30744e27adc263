// Writes a snapshot: shard by shard a copy under its lock, then its live entries to the
// file. Writers wait for a copy at most, nothing forks, and no more than one shard is
// in memory twice.

import { type FileHandle, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { xxh3 } from "@node-rs/xxhash";

import type { Bytes, Cache, ShardCopy } from "../cache/cache.ts";
import { codeOf, type FileSystem, SYSTEM, unlinkIfThere } from "./file-system.ts";
import {
  checksumBytes,
  encodeBlockHeader,
  encodeHeader,
  encodeRecordHead,
  recordHeadBytes,
  VERSION,
} from "./format.ts";

const BUFFER_BYTES = 2 ** 20;
/** What is in the cache is nobody else's to read. */
const FILE_MODE = 0o600;
/** Before a shard is tried again that a writer is at: one that has died has it until its thread is seen to. */
const RETRY_MS = 1;

/** Errors of a file system that cannot sync a file (some FUSE). */
const CANNOT_SYNC = ["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"];

export interface SavedSnapshot {
  readonly entries: number;
  /** Bytes of the file. */
  readonly bytes: number;
  /** Why the device may not have all of it yet, if so: a power failure may bring back the snapshot before. */
  readonly notSynced?: unknown;
}

/**
 * Saves the live entries of a cache in shared memory to `path`, by way of `path`.tmp: at any moment
 * there is the file as it was or as it is. `copy` is from `cache.shardCopy()`. Rejects with the
 * system's error, and then the file is as it was. `wrote` is called after each write. O(bytes in use).
 */
export async function writeSnapshot(
  cache: Cache,
  copy: ShardCopy,
  path: string,
  files: FileSystem = SYSTEM,
  wrote: () => void = () => {},
): Promise<SavedSnapshot> {
  const temporary = `${path}.tmp`;
  const file = new SnapshotFile(await files.create(temporary, FILE_MODE), wrote);
  let entries = 0;
  try {
    const { shards, virtualNodes } = cache.ring;
    const savedMs = cache.clock.now() - cache.clock.offsetMs;
    const id = crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n;
    const header = { version: VERSION, shards, virtualNodes, savedMs, id };
    await file.append(encodeHeader(header, false));
    for (let shard = 0; shard < shards; shard++) {
      while (!cache.tryCopyShard(shard, copy)) await Bun.sleep(RETRY_MS);
      entries += await writeBlock(file, cache, copy, shard, id);
    }
    await file.append(encodeHeader(header, true));
    await file.flush();
    const fileError = await errorOf(files.syncFile(file.handle));
    if (fileError !== undefined && !CANNOT_SYNC.includes(codeOf(fileError))) throw fileError;
    await rename(temporary, path);
    // The snapshot is there now, whatever the folder says.
    const notSynced = (await errorOf(files.syncFolder(dirname(path)))) ?? fileError;
    return { entries, bytes: file.bytes, ...(notSynced === undefined ? {} : { notSynced }) };
  } catch (error) {
    await unlinkIfThere(temporary).catch(() => {
      // Where nothing can be deleted the first error says why.
    });
    throw error;
  } finally {
    await file.close();
  }
}

/** Returns the number of its entries. */
async function writeBlock(
  file: SnapshotFile,
  cache: Cache,
  copy: ShardCopy,
  shard: number,
  id: bigint,
): Promise<number> {
  const nowMs = cache.clock.now();
  const { offsetMs } = cache.clock;
  let entries = 0;
  let bytes = 0;
  for (let record = copy.first(nowMs); record !== 0; record = copy.next()) {
    entries++;
    bytes += recordHeadBytes(copy.expiresAtOf(record)) + copy.bytesOf(record);
  }
  await file.append(encodeBlockHeader({ shard, entries, bytes }, id));
  await file.beginChecksum();
  for (let record = copy.first(nowMs); record !== 0; record = copy.next()) {
    const { key, value, expiresAtMs, isMain, hits } = copy.entryOf(record);
    const keyBytes = key.end - key.start;
    const valueBytes = value.end - value.start;
    if (!file.hasRoom(recordHeadBytes(0))) await file.flush();
    file.end = encodeRecordHead(file.buffer, file.end, {
      ...{ keyBytes, valueBytes, isMain, hits },
      // Of the system's clock, which the next process begins with.
      expiresAtMs: expiresAtMs - offsetMs,
    });
    if (file.hasRoom(keyBytes + valueBytes)) {
      file.copy(key);
      file.copy(value);
    } else {
      await file.appendRun(key);
      await file.appendRun(value);
    }
  }
  await file.append(checksumBytes(await file.endChecksum()));
  return entries;
}

async function errorOf(work: Promise<void>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Gathers small pieces, and sums up those of a block. */
class SnapshotFile {
  readonly buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  /** Of what waits in the buffer. */
  end = 0;
  /** Written so far. */
  bytes = 0;
  readonly handle: FileHandle;
  readonly #wrote: () => void;
  readonly #checksum = xxh3.Xxh3.withSeed();
  #isSummed = false;

  constructor(handle: FileHandle, wrote: () => void) {
    this.handle = handle;
    this.#wrote = wrote;
  }

  hasRoom(bytes: number): boolean {
    return this.end + bytes <= this.buffer.length;
  }

  /** Appends a run that there is room for. */
  copy({ bytes, start, end }: Bytes): void {
    bytes.copy(this.buffer, this.end, start, end);
    this.end += end - start;
  }

  async append(bytes: Buffer): Promise<void> {
    await this.appendRun({ bytes, start: 0, end: bytes.length });
  }

  /** Appends a run of any length. */
  async appendRun({ bytes, start, end }: Bytes): Promise<void> {
    for (let from = start; from < end;) {
      if (!this.hasRoom(1)) await this.flush();
      const until = Math.min(end, from + this.buffer.length - this.end);
      this.copy({ bytes, start: from, end: until });
      from = until;
    }
  }

  async beginChecksum(): Promise<void> {
    await this.flush();
    this.#checksum.reset();
    this.#isSummed = true;
  }

  /** Of all that was appended since it began. */
  async endChecksum(): Promise<bigint> {
    await this.flush();
    this.#isSummed = false;
    return this.#checksum.digest();
  }

  async flush(): Promise<void> {
    if (this.#isSummed) this.#checksum.update(this.buffer.subarray(0, this.end));
    for (let from = 0; from < this.end;) {
      const { bytesWritten } = await this.handle.write(this.buffer, from, this.end - from);
      from += bytesWritten;
      this.bytes += bytesWritten;
      this.#wrote();
    }
    this.end = 0;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}
