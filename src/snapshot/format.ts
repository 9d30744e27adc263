// The bytes of a snapshot, as docs/snapshot-format.md describes them. All numbers are little
// endian.
//
//   header │ block of shard 0 │ block of shard 1 │ … │ trailer
//
// Header and trailer have the same content, so that one damaged byte cannot destroy both. Each
// block contains the random id of the file. After a damage, the reader searches for this id;
// without it, a value could look like a block.

import type { Meta } from "../cache/cache.ts";
import { type TagHash, TAGS_MAX } from "../cache/leases.ts";
import { checksumOf } from "./checksum.ts";

export const VERSION = 2;
/** The oldest version that the reader knows: without meta. */
export const OLDEST_VERSION = 1;

const HEADER_MAGIC = "RINGCACH";
const TRAILER_MAGIC = "RINGCEND";
/** Length of the header, and of the trailer. */
export const HEADER_BYTES = 56;
const BLOCK_MAGIC = "SHRD";
export const BLOCK_HEADER_BYTES = 48;
/** Offset of the file's id in the header of a block. */
export const BLOCK_ID_OFFSET = 8;
export const CHECKSUM_BYTES = 8;

const HAS_EXPIRY = 1 << 24;
const MAIN = 1 << 25;
const HITS_SHIFT = 26;
const ROUNDS_SHIFT = 28;
const HAS_META = 1 << 30;
const COUNT_MASK = 3;
const LENGTH_MASK = 2 ** 24 - 1;
const RECORD_WORDS_BYTES = 8;
const EXPIRY_BYTES = 8;
const META_LENGTH_BYTES = 4;
/** Times, and the numbers of tags and of bytes of the content type. */
const META_HEAD_BYTES = 20;
const TAG_BYTES = 8;

/** The content of a file's header. */
export interface Header {
  readonly version: number;
  /** Number of shards of the cache that was saved. */
  readonly shards: number;
  readonly virtualNodes: number;
  /** Unix time in milliseconds. */
  readonly savedMs: number;
  /** A random number of this file. */
  readonly id: bigint;
}

/** The content of a block's header. */
export interface BlockHeader {
  readonly shard: number;
  readonly entries: number;
  /** Length of the records, without checksums. */
  readonly bytes: number;
}

export function encodeHeader(header: Header, isTrailer: boolean): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(isTrailer ? TRAILER_MAGIC : HEADER_MAGIC, 0, "latin1");
  bytes.writeUInt32LE(header.version, 8);
  bytes.writeUInt32LE(header.shards, 12);
  bytes.writeUInt32LE(header.virtualNodes, 16);
  bytes.writeDoubleLE(header.savedMs, 24);
  bytes.writeBigUInt64LE(header.id, 32);
  return sealed(bytes);
}

/** The latest time that a Date can hold. */
const DATE_MS_MAX = 8.64e15;

/**
 * Returns undefined if the bytes are no header, or damaged. In a header of a newer version only
 * `version` is valid.
 */
export function decodeHeader(bytes: Buffer, isTrailer: boolean): Header | undefined {
  const magic = isTrailer ? TRAILER_MAGIC : HEADER_MAGIC;
  if (!isIntact(bytes, HEADER_BYTES) || bytes.toString("latin1", 0, 8) !== magic) return undefined;
  const version = bytes.readUInt32LE(8);
  const savedMs = bytes.readDoubleLE(24);
  if (version <= VERSION && !(Math.abs(savedMs) <= DATE_MS_MAX)) return undefined;
  return {
    ...{ version, savedMs },
    shards: bytes.readUInt32LE(12),
    virtualNodes: bytes.readUInt32LE(16),
    id: bytes.readBigUInt64LE(32),
  };
}

export function encodeBlockHeader(
  { shard, entries, bytes: length }: BlockHeader,
  id: bigint,
): Buffer {
  const bytes = Buffer.alloc(BLOCK_HEADER_BYTES);
  bytes.write(BLOCK_MAGIC, 0, "latin1");
  bytes.writeUInt32LE(shard, 4);
  bytes.writeBigUInt64LE(id, BLOCK_ID_OFFSET);
  bytes.writeBigUInt64LE(BigInt(entries), 16);
  bytes.writeBigUInt64LE(BigInt(length), 24);
  return sealed(bytes);
}

/** Returns undefined if the bytes are no block header of the file with this id, or damaged. */
export function decodeBlockHeader(bytes: Buffer, id: bigint): BlockHeader | undefined {
  if (!isIntact(bytes, BLOCK_HEADER_BYTES)) return undefined;
  if (bytes.toString("latin1", 0, 4) !== BLOCK_MAGIC) return undefined;
  if (bytes.readBigUInt64LE(BLOCK_ID_OFFSET) !== id) return undefined;
  return {
    shard: bytes.readUInt32LE(4),
    entries: Number(bytes.readBigUInt64LE(16)),
    bytes: Number(bytes.readBigUInt64LE(24)),
  };
}

/** The lengths and flags at the start of a record. */
export interface RecordHead {
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Unix time in milliseconds; Infinity for an entry that does not expire. */
  readonly expiresAtMs: number;
  readonly isMain: boolean;
  readonly hits: number;
  readonly rounds: number;
  /** Bytes of the meta behind the value; 0 for an entry without. */
  readonly metaBytes: number;
}

/** The longest head of a record. */
export const RECORD_HEAD_BYTES_MAX = RECORD_WORDS_BYTES + EXPIRY_BYTES + META_LENGTH_BYTES;

export function recordHeadBytes(expiresAtMs: number, metaBytes: number): number {
  const expiryBytes = expiresAtMs === Infinity ? 0 : EXPIRY_BYTES;
  return RECORD_WORDS_BYTES + expiryBytes + (metaBytes === 0 ? 0 : META_LENGTH_BYTES);
}

/** Writes a head at `offset`, where the buffer must have room; returns the offset of its end. */
export function encodeRecordHead(bytes: Buffer, offset: number, head: RecordHead): number {
  const { keyBytes, valueBytes, expiresAtMs, isMain, hits, rounds, metaBytes } = head;
  const hasExpiry = expiresAtMs !== Infinity;
  const counts = (hits << HITS_SHIFT) | (rounds << ROUNDS_SHIFT);
  const flags = (hasExpiry ? HAS_EXPIRY : 0) | (isMain ? MAIN : 0) | (metaBytes > 0 ? HAS_META : 0);
  bytes.writeUInt32LE(keyBytes | flags | counts, offset);
  bytes.writeUInt32LE(valueBytes, offset + 4);
  if (hasExpiry) bytes.writeDoubleLE(expiresAtMs, offset + RECORD_WORDS_BYTES);
  const end = offset + recordHeadBytes(expiresAtMs, metaBytes);
  if (metaBytes > 0) bytes.writeUInt32LE(metaBytes, end - META_LENGTH_BYTES);
  return end;
}

/** Returns undefined if `bytes[offset, end)` contains only a part of the head. */
export function decodeRecordHead(
  bytes: Buffer,
  offset: number,
  end: number,
): RecordHead | undefined {
  if (offset + RECORD_WORDS_BYTES > end) return undefined;
  const word = bytes.readUInt32LE(offset);
  const hasExpiry = (word & HAS_EXPIRY) !== 0;
  const hasMeta = (word & HAS_META) !== 0;
  const headEnd = offset + recordHeadBytes(hasExpiry ? 0 : Infinity, hasMeta ? 1 : 0);
  if (headEnd > end) return undefined;
  return {
    keyBytes: word & LENGTH_MASK,
    valueBytes: bytes.readUInt32LE(offset + 4),
    expiresAtMs: hasExpiry ? bytes.readDoubleLE(offset + RECORD_WORDS_BYTES) : Infinity,
    isMain: (word & MAIN) !== 0,
    hits: (word >>> HITS_SHIFT) & COUNT_MASK,
    rounds: (word >>> ROUNDS_SHIFT) & COUNT_MASK,
    metaBytes: hasMeta ? bytes.readUInt32LE(headEnd - META_LENGTH_BYTES) : 0,
  };
}

/** The meta of a saved entry. A lease ends with the service, and a stamp with its invalidations. */
export type SavedMeta = Pick<Meta, "staleUntilMs" | "storedAtMs" | "tags" | "contentType">;

export function metaBytesOf(meta: SavedMeta | undefined): number {
  if (meta === undefined) return 0;
  return META_HEAD_BYTES + meta.tags.length * TAG_BYTES + meta.contentType.length;
}

/** Moves the times of a meta: to Unix times and back. */
export function movedBy<T extends SavedMeta>(meta: T, ms: number): T {
  const staleUntilMs = meta.staleUntilMs === 0 ? 0 : meta.staleUntilMs + ms;
  return { ...meta, staleUntilMs, storedAtMs: meta.storedAtMs + ms };
}

/** Returns the bytes of a meta, whose times are Unix times. */
export function encodeMeta({ staleUntilMs, storedAtMs, tags, contentType }: SavedMeta): Buffer {
  const bytes = Buffer.alloc(META_HEAD_BYTES + tags.length * TAG_BYTES + contentType.length);
  bytes.writeDoubleLE(staleUntilMs, 0);
  bytes.writeDoubleLE(storedAtMs, 8);
  bytes.writeUInt8(tags.length, 16);
  bytes.writeUInt8(contentType.length, 17);
  let end = META_HEAD_BYTES;
  for (const half of tags.flat()) end = bytes.writeUInt32LE(half, end);
  bytes.write(contentType, end, "latin1");
  return bytes;
}

/** Returns undefined if the bytes are no meta. */
export function decodeMeta(bytes: Buffer): SavedMeta | undefined {
  if (bytes.length < META_HEAD_BYTES) return undefined;
  const [staleUntilMs, storedAtMs] = [bytes.readDoubleLE(0), bytes.readDoubleLE(8)];
  const tagCount = bytes.readUInt8(16);
  const typeStart = META_HEAD_BYTES + tagCount * TAG_BYTES;
  if (typeStart + bytes.readUInt8(17) !== bytes.length || tagCount > TAGS_MAX) return undefined;
  if (Number.isNaN(staleUntilMs) || Number.isNaN(storedAtMs)) return undefined;
  const tags = Array.from({ length: tagCount }, (_, n): TagHash => {
    const start = META_HEAD_BYTES + n * TAG_BYTES;
    return [bytes.readUInt32LE(start), bytes.readUInt32LE(start + 4)];
  });
  return { staleUntilMs, storedAtMs, tags, contentType: bytes.toString("latin1", typeStart) };
}

export function checksumBytes(checksum: bigint): Buffer {
  const bytes = Buffer.alloc(CHECKSUM_BYTES);
  bytes.writeBigUInt64LE(checksum);
  return bytes;
}

/**
 * Writes the checksum of the bytes before it into the last eight bytes; returns the same buffer.
 */
function sealed(bytes: Buffer): Buffer {
  const end = bytes.length - CHECKSUM_BYTES;
  bytes.writeBigUInt64LE(checksumOf(bytes.subarray(0, end)), end);
  return bytes;
}

function isIntact(bytes: Buffer, length: number): boolean {
  if (bytes.length !== length) return false;
  const end = length - CHECKSUM_BYTES;
  return bytes.readBigUInt64LE(end) === checksumOf(bytes.subarray(0, end));
}
