// Reads a snapshot, whatever state it is in: intact blocks are handed on, all others are
// named and left out. A block is summed up before its first entry is handed on, so no
// entry of a damaged one ever is: blocks are read twice, the second time out of the
// system's cache.

import type { FileHandle } from "node:fs/promises";
import { xxh3 } from "@node-rs/xxhash";

import type { SavedEntry } from "../cache/cache.ts";
import { openToRead } from "./file-system.ts";
import {
  BLOCK_HEADER_BYTES,
  BLOCK_ID_OFFSET,
  type BlockHeader,
  CHECKSUM_BYTES,
  checksumBytes,
  decodeBlockHeader,
  decodeHeader,
  decodeRecordHead,
  type Header,
  HEADER_BYTES,
  recordHeadBytes,
  VERSION,
} from "./format.ts";

const BUFFER_BYTES = 2 ** 20;
/** More cannot be; a header that says so is none. */
const MAX_SHARDS = 65_535;

export interface SnapshotReport {
  /** What the file says of itself; undefined if it is no snapshot, or none that this version reads. */
  readonly header: Header | undefined;
  /** Of the file. */
  readonly bytes: number;
  readonly intactShards: number;
  /** Of the intact shards. */
  readonly entries: number;
  /** What is wrong, in the order of the file; nothing if all is well. */
  readonly damages: readonly string[];
}

/**
 * Hands each entry of each intact block to `visit`, whose bytes are valid only during the call.
 * Rejects with NotAFileError, or with the system's error if the file cannot be read. O(bytes).
 */
export async function readSnapshot(
  path: string,
  visit: (entry: SavedEntry) => void,
): Promise<SnapshotReport> {
  const handle = await openToRead(path);
  try {
    const { size } = await handle.stat();
    return await new SnapshotReader(handle, size, visit).read();
  } finally {
    await handle.close();
  }
}

class SnapshotReader {
  readonly #handle: FileHandle;
  readonly #size: number;
  readonly #visit: (entry: SavedEntry) => void;
  readonly #damages: string[] = [];
  /** Shards that were found, whole or not. */
  readonly #seen = new Set<number>();
  #intactShards = 0;
  #entries = 0;
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);

  constructor(handle: FileHandle, size: number, visit: (entry: SavedEntry) => void) {
    this.#handle = handle;
    this.#size = size;
    this.#visit = visit;
  }

  async read(): Promise<SnapshotReport> {
    const size = this.#size;
    const head = decodeHeader(await this.#bytesAt(0, HEADER_BYTES), false);
    const trailerAt = Math.max(0, size - HEADER_BYTES);
    const trailer = decodeHeader(await this.#bytesAt(trailerAt, HEADER_BYTES), true);
    const header = head ?? trailer;
    const refusal = refusalOf(header);
    if (header === undefined || refusal !== undefined) {
      return this.#report(undefined, refusal);
    }
    if (head === undefined)
      this.#damages.push(`the header, bytes 0 to ${HEADER_BYTES}, is damaged`);
    await this.#blocks(header, HEADER_BYTES, trailer === undefined ? size : trailerAt);
    if (trailer === undefined) this.#damages.push("the end is missing or damaged");
    const missing: number[] = [];
    for (let shard = 0; shard < header.shards; shard++) {
      if (!this.#seen.has(shard)) missing.push(shard);
    }
    if (missing.length > 0) this.#damages.push(`shards that are not there: ${missing.join(", ")}`);
    return this.#report(header);
  }

  #report(header: Header | undefined, refusal?: string): SnapshotReport {
    return {
      header,
      bytes: this.#size,
      intactShards: this.#intactShards,
      entries: this.#entries,
      damages: refusal === undefined ? this.#damages : [refusal],
    };
  }

  async #blocks(header: Header, from: number, end: number): Promise<void> {
    for (let at = from; at < end;) {
      const block = decodeBlockHeader(await this.#bytesAt(at, BLOCK_HEADER_BYTES), header.id);
      if (block !== undefined && (await this.#block(header, block, at, end))) {
        at += BLOCK_HEADER_BYTES + block.bytes + CHECKSUM_BYTES;
        continue;
      }
      const next = await this.#nextBlock(header.id, at + 1, end);
      if (block === undefined) this.#damages.push(`bytes ${at} to ${next} are no block of a shard`);
      at = next;
    }
  }

  /** Hands on the entries of the block at `at`; false after telling what is wrong with it. */
  async #block(header: Header, block: BlockHeader, at: number, end: number): Promise<boolean> {
    const { shard, bytes } = block;
    const start = at + BLOCK_HEADER_BYTES;
    const blockEnd = start + bytes + CHECKSUM_BYTES;
    const fail = (reason: string): false => {
      this.#damages.push(`shard ${shard}, bytes ${at} to ${Math.min(blockEnd, end)}: ${reason}`);
      return false;
    };
    if (shard >= header.shards) return fail(`there are only ${header.shards} shards`);
    if (this.#seen.has(shard)) return fail("it is there twice");
    this.#seen.add(shard);
    if (blockEnd > end) return fail("it is cut off");
    const stored = await this.#bytesAt(start + bytes, CHECKSUM_BYTES);
    const found = await this.#records(start, bytes);
    if (found === undefined || !checksumBytes(found.checksum).equals(stored)) {
      return fail("its checksum is wrong");
    }
    if (found.entries !== block.entries) return fail("its entries are not as many as it says");
    await this.#records(start, bytes, this.#visit);
    this.#intactShards++;
    this.#entries += found.entries;
    return true;
  }

  /** The checksum of these bytes and the number of records that they are, or undefined if they are not records. */
  async #records(
    start: number,
    bytes: number,
    visit?: (entry: SavedEntry) => void,
  ): Promise<{ checksum: bigint; entries: number } | undefined> {
    const checksum = xxh3.Xxh3.withSeed();
    let entries = 0;
    /** Bytes in the buffer that are no whole record yet. */
    let held = 0;
    for (let unread = bytes; unread > 0;) {
      const count = Math.min(unread, this.#buffer.length - held);
      await this.#readInto(this.#buffer, held, count, start + bytes - unread);
      checksum.update(this.#buffer.subarray(held, held + count));
      unread -= count;
      held += count;
      const buffer = this.#buffer;
      let from = 0;
      for (;;) {
        const head = decodeRecordHead(buffer, from, held);
        if (head === undefined) break;
        const { keyBytes, valueBytes, expiresAtMs, isMain, hits } = head;
        const keyStart = from + recordHeadBytes(expiresAtMs);
        const keyEnd = keyStart + keyBytes;
        const end = keyEnd + valueBytes;
        if (end > held + unread || Number.isNaN(expiresAtMs)) return undefined;
        if (end > held) {
          this.#makeRoom(end - from);
          break;
        }
        visit?.({
          key: { bytes: buffer, start: keyStart, end: keyEnd },
          value: { bytes: buffer, start: keyEnd, end },
          ...{ expiresAtMs, isMain, hits },
        });
        entries++;
        from = end;
      }
      this.#buffer.copyWithin(0, from, held);
      held -= from;
    }
    return held === 0 ? { checksum: checksum.digest(), entries } : undefined;
  }

  /** For a record that is longer than the buffer. */
  #makeRoom(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(bytes);
    this.#buffer.copy(grown);
    this.#buffer = grown;
  }

  /** Where the next whole header of a block begins, or `end`. O(bytes). */
  async #nextBlock(id: bigint, from: number, end: number): Promise<number> {
    const mark = checksumBytes(id);
    const window = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    for (let at = from; at < end; at += BUFFER_BYTES - mark.length) {
      const count = Math.min(BUFFER_BYTES, end - at);
      await this.#readInto(window, 0, count, at);
      const bytes = window.subarray(0, count);
      for (let hit = bytes.indexOf(mark); hit >= 0; hit = bytes.indexOf(mark, hit + 1)) {
        const start = at + hit - BLOCK_ID_OFFSET;
        if (start < from) continue;
        if (decodeBlockHeader(await this.#bytesAt(start, BLOCK_HEADER_BYTES), id)) return start;
      }
    }
    return end;
  }

  /** A copy of so many bytes, or of fewer where the file ends. */
  async #bytesAt(at: number, count: number): Promise<Buffer> {
    const bytes = Buffer.alloc(Math.max(0, Math.min(count, this.#size - at)));
    await this.#readInto(bytes, 0, bytes.length, at);
    return bytes;
  }

  async #readInto(buffer: Buffer, offset: number, count: number, at: number): Promise<void> {
    for (let done = 0; done < count;) {
      const { bytesRead } = await this.#handle.read(buffer, offset + done, count - done, at + done);
      if (bytesRead === 0) throw new Error(`the file ended at byte ${at + done} while it was read`);
      done += bytesRead;
    }
  }
}

/** Why nothing of the file can be read, if so. */
function refusalOf(header: Header | undefined): string | undefined {
  if (header === undefined) return "neither its beginning nor its end is that of a snapshot";
  if (header.version !== VERSION) {
    return `it has format ${header.version}, and this version of ringcache reads format ${VERSION}`;
  }
  if (header.shards < 1 || header.shards > MAX_SHARDS)
    return `it says that it has ${header.shards} shards`;
  return undefined;
}
