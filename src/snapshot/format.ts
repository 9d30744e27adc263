// The bytes of a snapshot: what docs/snapshot-format.md describes. All numbers are
// little endian.
//
//   header │ block of shard 0 │ block of shard 1 │ … │ trailer
//
// Header and trailer say the same, so that one damaged byte loses neither. Every block
// begins with the number that the header drew at random: a value that looks like a block
// is not taken for one when the blocks behind damage are looked for.

import { xxh3 } from "@node-rs/xxhash";

export const VERSION = 1;

const HEADER_MAGIC = "RINGCACH";
const TRAILER_MAGIC = "RINGCEND";
/** Of header and trailer. */
export const HEADER_BYTES = 56;
const BLOCK_MAGIC = "SHRD";
export const BLOCK_HEADER_BYTES = 48;
/** Where in a block's header the file's number is. */
export const BLOCK_ID_OFFSET = 8;
export const CHECKSUM_BYTES = 8;

const HAS_EXPIRY = 1 << 24;
const MAIN = 1 << 25;
const HITS_SHIFT = 26;
const MAX_HITS = 3;
const LENGTH_MASK = 2 ** 24 - 1;
const RECORD_WORDS_BYTES = 8;
const EXPIRY_BYTES = 8;

/** What a file says of itself. */
export interface Header {
  readonly version: number;
  /** Of the cache that was saved. */
  readonly shards: number;
  readonly virtualNodes: number;
  /** Unix time in milliseconds. */
  readonly savedMs: number;
  /** Drawn at random for this file. */
  readonly id: bigint;
}

/** What a block says of itself. */
export interface BlockHeader {
  readonly shard: number;
  readonly entries: number;
  /** Of its records, without checksums. */
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

/** Of a Date. */
const MAX_DATE_MS = 8.64e15;

/** Undefined if these bytes are none, or damaged. Of a newer version only `version` means anything. */
export function decodeHeader(bytes: Buffer, isTrailer: boolean): Header | undefined {
  const magic = isTrailer ? TRAILER_MAGIC : HEADER_MAGIC;
  if (!isWhole(bytes, HEADER_BYTES) || bytes.toString("latin1", 0, 8) !== magic) return undefined;
  const version = bytes.readUInt32LE(8);
  const savedMs = bytes.readDoubleLE(24);
  if (version <= VERSION && !(Math.abs(savedMs) <= MAX_DATE_MS)) return undefined;
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

/** Undefined if these bytes are none of the file with this number, or damaged. */
export function decodeBlockHeader(bytes: Buffer, id: bigint): BlockHeader | undefined {
  if (!isWhole(bytes, BLOCK_HEADER_BYTES)) return undefined;
  if (bytes.toString("latin1", 0, 4) !== BLOCK_MAGIC) return undefined;
  if (bytes.readBigUInt64LE(BLOCK_ID_OFFSET) !== id) return undefined;
  return {
    shard: bytes.readUInt32LE(4),
    entries: Number(bytes.readBigUInt64LE(16)),
    bytes: Number(bytes.readBigUInt64LE(24)),
  };
}

/** The lengths and marks at the beginning of a record. */
export interface RecordHead {
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Unix time in milliseconds; Infinity for an entry that does not expire. */
  readonly expiresAtMs: number;
  readonly isMain: boolean;
  readonly hits: number;
}

export function recordHeadBytes(expiresAtMs: number): number {
  return expiresAtMs === Infinity ? RECORD_WORDS_BYTES : RECORD_WORDS_BYTES + EXPIRY_BYTES;
}

/** Writes it at `at`, where there must be room; answers where it ends. */
export function encodeRecordHead(bytes: Buffer, at: number, head: RecordHead): number {
  const { keyBytes, valueBytes, expiresAtMs, isMain, hits } = head;
  const hasExpiry = expiresAtMs !== Infinity;
  const marks = (hasExpiry ? HAS_EXPIRY : 0) | (isMain ? MAIN : 0) | (hits << HITS_SHIFT);
  bytes.writeUInt32LE(keyBytes | marks, at);
  bytes.writeUInt32LE(valueBytes, at + 4);
  if (hasExpiry) bytes.writeDoubleLE(expiresAtMs, at + RECORD_WORDS_BYTES);
  return at + recordHeadBytes(expiresAtMs);
}

/** Undefined if it is not whole in `bytes[at, end)`. */
export function decodeRecordHead(bytes: Buffer, at: number, end: number): RecordHead | undefined {
  if (at + RECORD_WORDS_BYTES > end) return undefined;
  const word = bytes.readUInt32LE(at);
  const hasExpiry = (word & HAS_EXPIRY) !== 0;
  if (hasExpiry && at + RECORD_WORDS_BYTES + EXPIRY_BYTES > end) return undefined;
  return {
    keyBytes: word & LENGTH_MASK,
    valueBytes: bytes.readUInt32LE(at + 4),
    expiresAtMs: hasExpiry ? bytes.readDoubleLE(at + RECORD_WORDS_BYTES) : Infinity,
    isMain: (word & MAIN) !== 0,
    hits: (word >>> HITS_SHIFT) & MAX_HITS,
  };
}

export function checksumBytes(checksum: bigint): Buffer {
  const bytes = Buffer.alloc(CHECKSUM_BYTES);
  bytes.writeBigUInt64LE(checksum);
  return bytes;
}

/** With the checksum of what is before it in the last eight bytes. */
function sealed(bytes: Buffer): Buffer {
  const end = bytes.length - CHECKSUM_BYTES;
  bytes.writeBigUInt64LE(xxh3.xxh64(bytes.subarray(0, end)), end);
  return bytes;
}

function isWhole(bytes: Buffer, length: number): boolean {
  if (bytes.length !== length) return false;
  const end = length - CHECKSUM_BYTES;
  return bytes.readBigUInt64LE(end) === xxh3.xxh64(bytes.subarray(0, end));
}
