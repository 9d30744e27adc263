// Strings in the format of redis's RDB files, as DUMP and RESTORE have them (redis, src/rdb.h):
//
//   00LLLLLL            a length of 6 bits
//   01LLLLLL LLLLLLLL   a length of 14 bits
//   10000000, 10000001  a length of 32 or 64 bits follows, the highest byte first
//   11000000 to 11000010  an integer of 1, 2 or 4 bytes follows, the lowest byte first
//   11000011            the compressed and the full length, and bytes in LZF
// Typed arrays: indexes are in range by construction.

import type { Bytes } from "../../cache/bytes.ts";
import { readInteger } from "./numbers.ts";

/** Bytes of the longest head of a string. */
export const HEAD_BYTES_MAX = 5;
const INT8 = 0xc0;
const INT16 = 0xc1;
const INT32 = 0xc2;
const LZF = 0xc3;

/** A string of a payload: its bytes, or compressed bytes and their full length. */
export interface RdbString {
  readonly value: Bytes;
  /** Bytes after decompression; undefined if the value is not compressed. */
  readonly fullBytes: number | undefined;
}

/** Returns the head of a string that is followed by `length` bytes. */
export function stringHead(length: number): Buffer {
  if (length < 2 ** 6) return Buffer.of(length);
  if (length < 2 ** 14) return Buffer.of(0x40 | (length >> 8), length & 0xff);
  const head = Buffer.alloc(HEAD_BYTES_MAX);
  head[0] = 0x80;
  head.writeUInt32BE(length, 1);
  return head;
}

/** Returns the short form of a value that is an integer of at most 32 bits; undefined for other values. */
export function integerForm(value: Bytes): Buffer | undefined {
  const number = value.end - value.start > 11 ? undefined : readInteger(value);
  if (typeof number !== "number" || number !== (number | 0)) return undefined;
  const bytes = number === (number << 24) >> 24 ? 1 : number === (number << 16) >> 16 ? 2 : 4;
  const form = Buffer.alloc(1 + bytes);
  form[0] = bytes === 1 ? INT8 : bytes === 2 ? INT16 : INT32;
  form.writeIntLE(number, 1, bytes);
  return form;
}

/** Reads the string at the start of these bytes. Returns undefined if they are malformed. O(1). */
export function readString({ bytes, start, end }: Bytes): RdbString | undefined {
  const first = start < end ? bytes[start]! : -1;
  if (first === INT8 || first === INT16 || first === INT32) {
    const length = first === INT8 ? 1 : first === INT16 ? 2 : 4;
    if (start + 1 + length > end) return undefined;
    const digits = Buffer.from(String(bytes.readIntLE(start + 1, length)));
    return { value: { bytes: digits, start: 0, end: digits.length }, fullBytes: undefined };
  }
  if (first === LZF) {
    const compressed = readLength(bytes, start + 1, end);
    const full = compressed && readLength(bytes, compressed.after, end);
    if (full === undefined || compressed === undefined) return undefined;
    const valueEnd = full.after + compressed.length;
    if (valueEnd > end) return undefined;
    return { value: { bytes, start: full.after, end: valueEnd }, fullBytes: full.length };
  }
  const plain = readLength(bytes, start, end);
  if (plain === undefined || plain.after + plain.length > end) return undefined;
  const value = { bytes, start: plain.after, end: plain.after + plain.length };
  return { value, fullBytes: undefined };
}

/** Reads a length. Returns it and the offset behind it. */
function readLength(
  bytes: Buffer,
  at: number,
  end: number,
): { length: number; after: number } | undefined {
  if (at >= end) return undefined;
  const first = bytes[at]!;
  if (first < 0x40) return { length: first, after: at + 1 };
  if (first < 0x80 && at + 2 <= end)
    return { length: ((first & 0x3f) << 8) | bytes[at + 1]!, after: at + 2 };
  if (first === 0x80 && at + 5 <= end) return { length: bytes.readUInt32BE(at + 1), after: at + 5 };
  if (first === 0x81 && at + 9 <= end)
    return { length: Number(bytes.readBigUInt64BE(at + 1)), after: at + 9 };
  return undefined;
}
