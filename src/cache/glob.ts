// Patterns of KEYS and SCAN MATCH: * ? [a-c] [^x], and \ before a literal byte. The rules are those
// of redis's stringmatchlen, and apply to bytes.

import type { Bytes } from "./bytes.ts";

const STAR = 42;
const QUESTION = 63;
const OPEN = 91;
const CLOSE = 93;
const BACKSLASH = 92;
const CARET = 94;
const DASH = 45;

/** Maximum size of a pattern in bytes. A run of stars counts as one. */
export const PATTERN_BYTES_MAX = 1024;
const WORD_BITS = 32;

/**
 * The parts between two stars. Bit n of the masks of a byte tells whether part n matches that byte. So
 * a search compares all parts at once: R. Baeza-Yates, G. H. Gonnet, "A New Approach to Text Searching",
 * CACM 1992 (shift-and), one step per byte and 32 parts.
 */
interface Segment {
  readonly length: number;
  readonly words: number;
  /** Masks of each byte, `words` words per byte. */
  readonly masks: Int32Array;
}

/** A pattern that matches in linear time: O(text × parts / 32). */
export class Pattern {
  readonly #segments: readonly Segment[];
  readonly #state: Int32Array;

  /** Throws RangeError for a pattern of more than PATTERN_BYTES_MAX. O(pattern). */
  constructor(pattern: Bytes) {
    this.#segments = splitSegments(pattern);
    this.#state = new Int32Array(Math.max(...this.#segments.map(({ words }) => words)));
  }

  /** Bytes of the masks. */
  get compiledBytes(): number {
    return this.#segments.reduce((sum, { masks }) => sum + masks.byteLength, 0);
  }

  /** Returns whether the whole text matches. */
  matches({ bytes, start, end }: Bytes): boolean {
    const segments = this.#segments;
    const first = segments[0] as Segment;
    const last = segments[segments.length - 1] as Segment;
    if (end - start < first.length || !matchesAt(first, bytes, start)) return false;
    if (segments.length === 1) return end - start === first.length;
    let position = start + first.length;
    const lastStart = end - last.length;
    if (lastStart < position || !matchesAt(last, bytes, lastStart)) return false;
    // The leftmost match of each segment leaves the most bytes for the later segments.
    for (let n = 1; n < segments.length - 1; n++) {
      position = this.#endOf(segments[n] as Segment, bytes, position, lastStart);
      if (position < 0) return false;
    }
    return true;
  }

  /** Returns the end of the segment's leftmost match in the bytes, or -1. */
  #endOf({ length, words, masks }: Segment, bytes: Buffer, start: number, end: number): number {
    const state = this.#state.fill(0);
    const lastBit = 1 << ((length - 1) % WORD_BITS);
    for (let position = start; position < end; position++) {
      const row = (bytes[position] as number) * words;
      let carry = 1;
      for (let word = 0; word < words; word++) {
        const before = state[word] as number;
        state[word] = ((before << 1) | carry) & (masks[row + word] as number);
        carry = before >>> 31;
      }
      if (((state[words - 1] as number) & lastBit) !== 0) return position + 1;
    }
    return -1;
  }
}

/** Returns whether the whole text matches a pattern that is used only once. */
export function matches(pattern: Bytes, text: Bytes): boolean {
  return new Pattern(pattern).matches(text);
}

function matchesAt({ length, words, masks }: Segment, bytes: Buffer, position: number): boolean {
  for (let n = 0; n < length; n++) {
    const mask = masks[(bytes[position + n] as number) * words + (n >> 5)] as number;
    if ((mask & (1 << (n % WORD_BITS))) === 0) return false;
  }
  return true;
}

/** Returns the segments around the runs of stars. Only the first and the last segment may be empty. */
function splitSegments(pattern: Bytes): Segment[] {
  const { bytes, end } = pattern;
  const segments: Segment[] = [];
  let parts: number[] = [];
  let length = 0;
  const close = (): void => void segments.push(compileSegment(pattern, parts));
  for (let position = pattern.start; position < end;) {
    const first = position;
    if (bytes[position] === STAR) {
      while (position < end && bytes[position] === STAR) position++;
      length++;
      close();
      parts = [];
    } else {
      parts.push(position);
      position = partEnd(pattern, position);
      length += position - first;
    }
    if (length > PATTERN_BYTES_MAX) {
      throw new RangeError(
        `the pattern is too long: it may have ${PATTERN_BYTES_MAX} bytes, a run of * counted as one`,
      );
    }
  }
  close();
  return segments;
}

function compileSegment(pattern: Bytes, parts: readonly number[]): Segment {
  const words = Math.max(1, Math.ceil(parts.length / WORD_BITS));
  const masks = new Int32Array(words * 256);
  for (const [n, position] of parts.entries()) {
    const word = n >> 5;
    const bit = 1 << (n % WORD_BITS);
    const single = singleByte(pattern, position);
    for (let byte = single ?? 0; byte <= (single ?? 255); byte++) {
      if (single === undefined && matchPart(pattern, position, byte) < 0) continue;
      masks[byte * words + word] = (masks[byte * words + word] as number) | bit;
    }
  }
  return { length: parts.length, words, masks };
}

/** Returns the byte of a literal part, or undefined for another part. */
function singleByte({ bytes, end }: Bytes, position: number): number | undefined {
  const part = bytes[position] ?? 0;
  if (part === QUESTION || part === OPEN) return undefined;
  return part === BACKSLASH && position + 1 < end ? (bytes[position + 1] ?? 0) : part;
}

/** Returns the end of the part at `position`. */
function partEnd({ bytes, end }: Bytes, position: number): number {
  if (bytes[position] === BACKSLASH && position + 1 < end) return position + 2;
  if (bytes[position] !== OPEN) return position + 1;
  const isNegated = position + 1 < end && bytes[position + 1] === CARET;
  let offset = position + (isNegated ? 2 : 1);
  while (offset < end && bytes[offset] !== CLOSE) {
    if (bytes[offset] === BACKSLASH && offset + 1 < end) offset += 2;
    else offset += offset + 2 < end && bytes[offset + 1] === DASH ? 3 : 1;
  }
  return Math.min(offset + 1, end);
}

/** Returns the end of the part at `position`, ? or a class, if it matches the byte. Returns -1 otherwise. */
function matchPart({ bytes, end }: Bytes, position: number, byte: number): number {
  return bytes[position] === QUESTION ? position + 1 : matchClass(bytes, position + 1, end, byte);
}

/** Returns the end of the class if it matches the byte, or -1. A class without ] ends with the pattern. */
function matchClass(bytes: Buffer, start: number, end: number, byte: number): number {
  const isNegated = start < end && bytes[start] === CARET;
  let position = isNegated ? start + 1 : start;
  let isIn = false;
  while (position < end && bytes[position] !== CLOSE) {
    if (bytes[position] === BACKSLASH && position + 1 < end) {
      isIn ||= bytes[position + 1] === byte;
      position += 2;
    } else if (position + 2 < end && bytes[position + 1] === DASH) {
      const a = bytes[position] ?? 0;
      const b = bytes[position + 2] ?? 0;
      isIn ||= byte >= Math.min(a, b) && byte <= Math.max(a, b);
      position += 3;
    } else {
      isIn ||= bytes[position] === byte;
      position++;
    }
  }
  return isIn === isNegated ? -1 : Math.min(position + 1, end);
}
