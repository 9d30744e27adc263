// Offsets of bits in values, as the bit commands take them.

import { readInteger } from "../protocol/numbers.ts";
import type { Argument } from "../protocol/parser.ts";
import { Failure } from "./failure.ts";

const INVALID_OFFSET = new Failure("ERR bit offset is not an integer or out of range");
/** Offsets are less than this, as in Redis: values have at most 512 MiB. */
const OFFSET_END = 2 ** 32;
const HASH = 35;

/** Reads an offset in bits. With `width`, "#3" is 3 times the width. */
export function readBitOffset(text: Argument, width = 0): number | Failure {
  const { bytes, start, end } = text;
  const isCounted = width > 0 && end > start && bytes[start] === HASH;
  const value = readInteger({ bytes, start: isCounted ? start + 1 : start, end });
  if (value === undefined) return INVALID_OFFSET;
  const offset = Number(value) * (isCounted ? width : 1);
  return offset < 0 || offset >= OFFSET_END ? INVALID_OFFSET : offset;
}
