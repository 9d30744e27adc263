// Writes a snapshot, shard by shard: copies the shard under its lock, then writes its live entries
// to the file. Writers of a shard wait at most for one copy. Nothing forks, and only one shard at a
// time is in memory twice.

import { type FileHandle, rename } from "node:fs/promises";
import { dirname } from "node:path";

import type { Bytes, Cache, ShardCopy } from "../cache/cache.ts";
import { errorCode } from "../linux/error-code.ts";
import { type Checksum, createChecksum } from "./checksum.ts";
import { type FileSystem, SYSTEM, unlinkIfPresent } from "./file-system.ts";
import {
  checksumBytes,
  encodeBlockHeader,
  encodeHeader,
  encodeMeta,
  encodeRecordHead,
  metaBytesOf,
  movedBy,
  RECORD_HEAD_BYTES_MAX,
  recordHeadBytes,
  VERSION,
} from "./format.ts";

const BUFFER_BYTES = 2 ** 20;
/** Other users must not read the entries of the cache. */
const FILE_MODE = 0o600;
/**
 * Pause before a locked shard is tried again. A writer that died keeps the lock until the
 * supervisor recovers its thread; the snapshot runs on the supervisor's thread, so it must not
 * block.
 */
const RETRY_MS = 1;

/** Errors of file systems that cannot sync a file (some FUSE). */
const SYNC_UNSUPPORTED = ["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"];

export interface SavedSnapshot {
  readonly entries: number;
  /** Size of the file. */
  readonly bytes: number;
  /**
   * The error if the file was not synced: a power failure may then restore the previous snapshot.
   */
  readonly notSynced?: unknown;
}

/**
 * Saves the live entries of a cache in shared memory to `path`. It writes `path`.tmp and renames
 * it, so `path` is always either the previous or the new snapshot. `copy` comes from
 * `cache.shardCopy()`. Rejects with the system's error and leaves the previous file. Calls
 * `onWrite` after each write. O(bytes in use).
 */
export async function writeSnapshot(
  cache: Cache,
  copy: ShardCopy,
  path: string,
  files: FileSystem = SYSTEM,
  onWrite: () => void = () => {},
): Promise<SavedSnapshot> {
  const temporary = `${path}.tmp`;
  const checksum = await createChecksum();
  const file = new SnapshotFile(await files.create(temporary, FILE_MODE), checksum, onWrite);
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
    const fileError = await rejection(files.syncFile(file.handle));
    if (fileError !== undefined && !SYNC_UNSUPPORTED.includes(errorCode(fileError))) {
      throw fileError;
    }
    await rename(temporary, path);
    // The new snapshot is in place now, even if the folder cannot be synced.
    const notSynced = (await rejection(files.syncFolder(dirname(path)))) ?? fileError;
    return { entries, bytes: file.bytes, ...(notSynced === undefined ? {} : { notSynced }) };
  } catch (error) {
    await unlinkIfPresent(temporary).catch(() => {
      // The first error gives the reason.
    });
    throw error;
  } finally {
    await file.close();
  }
}

/** Writes the block of a shard and returns the number of its entries. */
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
    const metaBytes = metaBytesOf(copy.metaOf(record));
    bytes += recordHeadBytes(copy.expiresAtOf(record), metaBytes);
    bytes += copy.bytesOf(record) + metaBytes;
  }
  await file.append(encodeBlockHeader({ shard, entries, bytes }, id));
  await file.beginChecksum();
  for (let record = copy.first(nowMs); record !== 0; record = copy.next()) {
    const { key, value, expiresAtMs, isMain, hits, rounds, meta } = copy.entryOf(record);
    const keyBytes = key.end - key.start;
    const valueBytes = value.end - value.start;
    if (!file.hasRoom(RECORD_HEAD_BYTES_MAX)) await file.flush();
    file.end = encodeRecordHead(file.buffer, file.end, {
      ...{ keyBytes, valueBytes, isMain, hits, rounds, metaBytes: metaBytesOf(meta) },
      // In the time of the system clock, because the offset ends with this process.
      expiresAtMs: expiresAtMs - offsetMs,
    });
    if (file.hasRoom(keyBytes + valueBytes)) {
      file.copy(key);
      file.copy(value);
    } else {
      await file.appendSlice(key);
      await file.appendSlice(value);
    }
    if (meta !== undefined) await file.append(encodeMeta(movedBy(meta, -offsetMs)));
  }
  await file.append(checksumBytes(await file.endChecksum()));
  return entries;
}

/** Returns the error of a promise that rejects, and undefined for one that resolves. */
async function rejection(work: Promise<void>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Buffers small writes, and computes the checksum of a block. */
class SnapshotFile {
  readonly buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  /** End of the buffered bytes. */
  end = 0;
  /** Bytes written so far. */
  bytes = 0;
  readonly handle: FileHandle;
  readonly #onWrite: () => void;
  readonly #checksum: Checksum;
  #hasChecksum = false;

  constructor(handle: FileHandle, checksum: Checksum, onWrite: () => void) {
    this.handle = handle;
    this.#checksum = checksum;
    this.#onWrite = onWrite;
  }

  hasRoom(bytes: number): boolean {
    return this.end + bytes <= this.buffer.length;
  }

  /** Appends a slice; the buffer must have room for it. */
  copy({ bytes, start, end }: Bytes): void {
    bytes.copy(this.buffer, this.end, start, end);
    this.end += end - start;
  }

  async append(bytes: Buffer): Promise<void> {
    await this.appendSlice({ bytes, start: 0, end: bytes.length });
  }

  /** Appends a slice of any length. */
  async appendSlice({ bytes, start, end }: Bytes): Promise<void> {
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
    this.#hasChecksum = true;
  }

  /** Returns the checksum of all bytes that were appended since `beginChecksum`. */
  async endChecksum(): Promise<bigint> {
    await this.flush();
    this.#hasChecksum = false;
    return this.#checksum.digest();
  }

  async flush(): Promise<void> {
    if (this.#hasChecksum) this.#checksum.update(this.buffer.subarray(0, this.end));
    for (let from = 0; from < this.end;) {
      const { bytesWritten } = await this.handle.write(this.buffer, from, this.end - from);
      from += bytesWritten;
      this.bytes += bytesWritten;
      this.#onWrite();
    }
    this.end = 0;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}
