// Reads a snapshot, intact or damaged. The entries of intact blocks are visited; a damaged block is
// reported and skipped. The checksum of a block is verified before its first entry is visited, so
// no entry of a damaged block is visited. Each block is therefore read twice, the second time from
// the page cache.

import type { FileHandle } from "node:fs/promises";

import type { SavedEntry } from "../cache/cache.ts";
import { type Checksum, createChecksum } from "./checksum.ts";
import { openForReading } from "./file-system.ts";
import {
  BLOCK_HEADER_BYTES,
  BLOCK_ID_OFFSET,
  type BlockHeader,
  CHECKSUM_BYTES,
  checksumBytes,
  decodeBlockHeader,
  decodeHeader,
  decodeMeta,
  decodeRecordHead,
  type Header,
  HEADER_BYTES,
  OLDEST_VERSION,
  recordHeadBytes,
  type SavedMeta,
  VERSION,
} from "./format.ts";

const BUFFER_BYTES = 2 ** 20;
/** A header with more shards is not valid. */
const SHARDS_MAX = 65_535;
/** The result for an entry without meta; undefined is that of damaged bytes. */
const NO_META: SavedMeta = { staleUntilMs: 0, storedAtMs: 0, tags: [], contentType: "" };

export interface SnapshotReport {
  /** Undefined if the file is no snapshot, or has a format that this version cannot read. */
  readonly header: Header | undefined;
  /** Size of the file. */
  readonly bytes: number;
  readonly intactShards: number;
  /** Number of entries in the intact shards. */
  readonly entries: number;
  /** The damages, in the order of the file; empty for an intact file. */
  readonly damages: readonly string[];
}

/**
 * Calls `visit` with each entry of each intact block. The bytes of an entry are valid only during
 * the call. Rejects with NotAFileError, or with the system's error if the file cannot be read.
 * O(bytes).
 */
export async function readSnapshot(
  path: string,
  visit: (entry: SavedEntry) => void,
): Promise<SnapshotReport> {
  const handle = await openForReading(path);
  try {
    const { size } = await handle.stat();
    return await new SnapshotReader(handle, size, await createChecksum(), visit).read();
  } finally {
    await handle.close();
  }
}

class SnapshotReader {
  readonly #handle: FileHandle;
  readonly #size: number;
  readonly #checksum: Checksum;
  readonly #visit: (entry: SavedEntry) => void;
  readonly #damages: string[] = [];
  /** Shards whose block was found, intact or damaged. */
  readonly #seen = new Set<number>();
  #intactShards = 0;
  #entries = 0;
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);

  constructor(
    handle: FileHandle,
    size: number,
    checksum: Checksum,
    visit: (entry: SavedEntry) => void,
  ) {
    this.#handle = handle;
    this.#size = size;
    this.#checksum = checksum;
    this.#visit = visit;
  }

  async read(): Promise<SnapshotReport> {
    const size = this.#size;
    const head = decodeHeader(await this.#readBytes(0, HEADER_BYTES), false);
    const trailerOffset = Math.max(0, size - HEADER_BYTES);
    const trailer = decodeHeader(await this.#readBytes(trailerOffset, HEADER_BYTES), true);
    const header = head ?? trailer;
    const reason = unreadableReason(header);
    if (header === undefined || reason !== undefined) {
      return this.#report(undefined, reason);
    }
    if (head === undefined)
      this.#damages.push(`the header, bytes 0 to ${HEADER_BYTES}, is damaged`);
    await this.#readBlocks(header, HEADER_BYTES, trailer === undefined ? size : trailerOffset);
    if (trailer === undefined) this.#damages.push("the end is missing or damaged");
    const missing: number[] = [];
    for (let shard = 0; shard < header.shards; shard++) {
      if (!this.#seen.has(shard)) missing.push(shard);
    }
    if (missing.length > 0) this.#damages.push(`missing shards: ${missing.join(", ")}`);
    return this.#report(header);
  }

  #report(header: Header | undefined, reason?: string): SnapshotReport {
    return {
      header,
      bytes: this.#size,
      intactShards: this.#intactShards,
      entries: this.#entries,
      damages: reason === undefined ? this.#damages : [reason],
    };
  }

  async #readBlocks(header: Header, start: number, end: number): Promise<void> {
    for (let offset = start; offset < end;) {
      const block = decodeBlockHeader(await this.#readBytes(offset, BLOCK_HEADER_BYTES), header.id);
      if (block !== undefined && (await this.#readBlock(header, block, offset, end))) {
        offset += BLOCK_HEADER_BYTES + block.bytes + CHECKSUM_BYTES;
        continue;
      }
      const next = await this.#findNextBlock(header.id, offset + 1, end);
      if (block === undefined)
        this.#damages.push(`bytes ${offset} to ${next} are no block of a shard`);
      offset = next;
    }
  }

  /**
   * Visits the entries of the block at `offset`. Returns false if the block is damaged, and reports
   * why.
   */
  async #readBlock(
    header: Header,
    block: BlockHeader,
    offset: number,
    end: number,
  ): Promise<boolean> {
    const { shard, bytes } = block;
    const start = offset + BLOCK_HEADER_BYTES;
    const blockEnd = start + bytes + CHECKSUM_BYTES;
    const fail = (reason: string): false => {
      const range = `bytes ${offset} to ${Math.min(blockEnd, end)}`;
      this.#damages.push(`shard ${shard}, ${range}: ${reason}`);
      return false;
    };
    if (shard >= header.shards) return fail(`the file has only ${header.shards} shards`);
    if (this.#seen.has(shard)) return fail("the shard occurs twice");
    this.#seen.add(shard);
    if (blockEnd > end) return fail("the block is cut off");
    const stored = await this.#readBytes(start + bytes, CHECKSUM_BYTES);
    const records = await this.#readRecords(start, bytes);
    if (records === undefined || !checksumBytes(records.checksum).equals(stored)) {
      return fail("the checksum is wrong");
    }
    if (records.entries !== block.entries) {
      return fail(`the block has ${records.entries} entries, its header says ${block.entries}`);
    }
    await this.#readRecords(start, bytes, this.#visit);
    this.#intactShards++;
    this.#entries += records.entries;
    return true;
  }

  /**
   * Returns checksum and number of the records in these bytes; undefined if the bytes are not whole
   * records.
   */
  async #readRecords(
    start: number,
    bytes: number,
    visit?: (entry: SavedEntry) => void,
  ): Promise<{ checksum: bigint; entries: number } | undefined> {
    const checksum = this.#checksum;
    checksum.reset();
    let entries = 0;
    /** Bytes in the buffer that are not a whole record yet. */
    let pending = 0;
    for (let unread = bytes; unread > 0;) {
      const count = Math.min(unread, this.#buffer.length - pending);
      await this.#readInto(this.#buffer, pending, count, start + bytes - unread);
      checksum.update(this.#buffer.subarray(pending, pending + count));
      unread -= count;
      pending += count;
      const buffer = this.#buffer;
      let offset = 0;
      for (;;) {
        const head = decodeRecordHead(buffer, offset, pending);
        if (head === undefined) break;
        const { keyBytes, valueBytes, expiresAtMs, isMain, hits, rounds, metaBytes } = head;
        const keyStart = offset + recordHeadBytes(expiresAtMs, metaBytes);
        const keyEnd = keyStart + keyBytes;
        const valueEnd = keyEnd + valueBytes;
        const end = valueEnd + metaBytes;
        if (end > pending + unread || Number.isNaN(expiresAtMs)) return undefined;
        if (end > pending) {
          this.#growBuffer(end - offset);
          break;
        }
        const meta = metaBytes === 0 ? NO_META : decodeMeta(buffer.subarray(valueEnd, end));
        if (meta === undefined) return undefined;
        visit?.({
          key: { bytes: buffer, start: keyStart, end: keyEnd },
          value: { bytes: buffer, start: keyEnd, end: valueEnd },
          ...{ expiresAtMs, isMain, hits, rounds },
          meta: meta === NO_META ? undefined : { ...meta, stamp: 0, lease: undefined },
        });
        entries++;
        offset = end;
      }
      this.#buffer.copyWithin(0, offset, pending);
      pending -= offset;
    }
    return pending === 0 ? { checksum: checksum.digest(), entries } : undefined;
  }

  /** Grows the buffer for a record that is longer than it. */
  #growBuffer(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(bytes);
    this.#buffer.copy(grown);
    this.#buffer = grown;
  }

  /** Returns the offset of the next intact block header, or `end` if there is none. O(bytes). */
  async #findNextBlock(id: bigint, from: number, end: number): Promise<number> {
    const idBytes = checksumBytes(id);
    const window = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    for (let offset = from; offset < end; offset += BUFFER_BYTES - idBytes.length) {
      const count = Math.min(BUFFER_BYTES, end - offset);
      await this.#readInto(window, 0, count, offset);
      const bytes = window.subarray(0, count);
      for (let hit = bytes.indexOf(idBytes); hit >= 0; hit = bytes.indexOf(idBytes, hit + 1)) {
        const start = offset + hit - BLOCK_ID_OFFSET;
        if (start < from) continue;
        if (decodeBlockHeader(await this.#readBytes(start, BLOCK_HEADER_BYTES), id)) return start;
      }
    }
    return end;
  }

  /** Returns a copy of `count` bytes of the file, or of fewer at its end. */
  async #readBytes(offset: number, count: number): Promise<Buffer> {
    const bytes = Buffer.alloc(Math.max(0, Math.min(count, this.#size - offset)));
    await this.#readInto(bytes, 0, bytes.length, offset);
    return bytes;
  }

  /** Reads `count` bytes at `fileOffset` into `buffer[start, …)`. */
  async #readInto(buffer: Buffer, start: number, count: number, fileOffset: number): Promise<void> {
    for (let done = 0; done < count;) {
      const offset = fileOffset + done;
      const { bytesRead } = await this.#handle.read(buffer, start + done, count - done, offset);
      if (bytesRead === 0) throw new Error(`the file ended at byte ${offset} while it was read`);
      done += bytesRead;
    }
  }
}

/** Returns why no part of the file can be read, or undefined if it can be. */
function unreadableReason(header: Header | undefined): string | undefined {
  if (header === undefined) return "the file has neither the header nor the trailer of a snapshot";
  if (header.version < OLDEST_VERSION || header.version > VERSION) {
    const known = `formats ${OLDEST_VERSION} to ${VERSION}`;
    return `the file has format ${header.version}; this version of ringcache reads ${known}`;
  }
  if (header.shards < 1 || header.shards > SHARDS_MAX)
    return `the header says ${header.shards} shards; the valid range is 1 to ${SHARDS_MAX}`;
  return undefined;
}
