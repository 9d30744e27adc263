// Patterns of KEYS and SCAN MATCH: * ? [a-c] [^x] and \ before a byte that is meant as
// itself, as redis's stringmatchlen reads them, over bytes.

import type { Bytes } from "../../cache/bytes.ts";

const STAR = 42;
const QUESTION = 63;
const OPEN = 91;
const CLOSE = 93;
const BACKSLASH = 92;
const CARET = 94;
const DASH = 45;

/** Bytes of a pattern, a run of stars counted as one. */
export const MOST_PATTERN_BYTES = 1024;
const WORD_BITS = 32;

/**
 * What stands between two stars. Bit n of the masks of a byte says whether part n may be that byte.
 * So a text is searched with all parts at once: R. Baeza-Yates, G. H. Gonnet, "A New Approach to Text
 * Searching", CACM 1992 (shift-and), one step a byte and 32 parts.
 */
interface Segment {
  readonly length: number;
  readonly words: number;
  /** `words` words for each byte. */
  readonly masks: Int32Array;
}

/** A pattern that is matched in linear time: O(text × parts / 32). */
export class Pattern {
  readonly #segments: readonly Segment[];
  readonly #state: Int32Array;

  /** O(pattern). Throws RangeError for one of more than MOST_PATTERN_BYTES. */
  constructor(pattern: Bytes) {
    this.#segments = segmentsOf(pattern);
    this.#state = new Int32Array(Math.max(...this.#segments.map(({ words }) => words)));
  }

  /** Whether the whole text matches. */
  matches({ bytes, start, end }: Bytes): boolean {
    const segments = this.#segments;
    const first = segments[0] as Segment;
    const last = segments[segments.length - 1] as Segment;
    if (end - start < first.length || !isAt(first, bytes, start)) return false;
    if (segments.length === 1) return end - start === first.length;
    let at = start + first.length;
    const lastStart = end - last.length;
    if (lastStart < at || !isAt(last, bytes, lastStart)) return false;
    // The leftmost place of each is the best one for those behind.
    for (let n = 1; n < segments.length - 1; n++) {
      at = this.#endOf(segments[n] as Segment, bytes, at, lastStart);
      if (at < 0) return false;
    }
    return true;
  }

  /** Where the segment's leftmost place in the bytes ends, or -1. */
  #endOf({ length, words, masks }: Segment, bytes: Buffer, start: number, end: number): number {
    const state = this.#state.fill(0);
    const lastBit = 1 << ((length - 1) % WORD_BITS);
    for (let at = start; at < end; at++) {
      const row = (bytes[at] as number) * words;
      let carry = 1;
      for (let word = 0; word < words; word++) {
        const before = state[word] as number;
        state[word] = ((before << 1) | carry) & (masks[row + word] as number);
        carry = before >>> 31;
      }
      if (((state[words - 1] as number) & lastBit) !== 0) return at + 1;
    }
    return -1;
  }
}

/** Whether the whole text matches, for a pattern that is needed once. */
export function matches(pattern: Bytes, text: Bytes): boolean {
  return new Pattern(pattern).matches(text);
}

function isAt({ length, words, masks }: Segment, bytes: Buffer, at: number): boolean {
  for (let n = 0; n < length; n++) {
    const mask = masks[(bytes[at + n] as number) * words + (n >> 5)] as number;
    if ((mask & (1 << (n % WORD_BITS))) === 0) return false;
  }
  return true;
}

/** One more than there are runs of stars; empty ones only at the ends. */
function segmentsOf(pattern: Bytes): Segment[] {
  const { bytes, end } = pattern;
  const segments: Segment[] = [];
  let parts: number[] = [];
  let length = 0;
  const close = (): void => void segments.push(segmentOf(pattern, parts));
  for (let at = pattern.start; at < end;) {
    const first = at;
    if (bytes[at] === STAR) {
      while (at < end && bytes[at] === STAR) at++;
      length++;
      close();
      parts = [];
    } else {
      parts.push(at);
      at = endOfPart(pattern, at);
      length += at - first;
    }
    if (length > MOST_PATTERN_BYTES) {
      throw new RangeError(
        `the pattern is too long: it may have ${MOST_PATTERN_BYTES} bytes, a run of * counted as one`,
      );
    }
  }
  close();
  return segments;
}

function segmentOf(pattern: Bytes, parts: readonly number[]): Segment {
  const words = Math.max(1, Math.ceil(parts.length / WORD_BITS));
  const masks = new Int32Array(words * 256);
  for (const [n, at] of parts.entries()) {
    const word = n >> 5;
    const bit = 1 << (n % WORD_BITS);
    const single = singleByte(pattern, at);
    for (let byte = single ?? 0; byte <= (single ?? 255); byte++) {
      if (single === undefined && matchOne(pattern, at, byte) < 0) continue;
      masks[byte * words + word] = (masks[byte * words + word] as number) | bit;
    }
  }
  return { length: parts.length, words, masks };
}

/** The byte that the part means as itself, if it is such a part. */
function singleByte({ bytes, end }: Bytes, at: number): number | undefined {
  const part = bytes[at] ?? 0;
  if (part === QUESTION || part === OPEN) return undefined;
  return part === BACKSLASH && at + 1 < end ? (bytes[at + 1] ?? 0) : part;
}

/** Where the part behind the one at `at` begins. */
function endOfPart({ bytes, end }: Bytes, at: number): number {
  if (bytes[at] === BACKSLASH && at + 1 < end) return at + 2;
  if (bytes[at] !== OPEN) return at + 1;
  const isNegated = at + 1 < end && bytes[at + 1] === CARET;
  let place = at + (isNegated ? 2 : 1);
  while (place < end && bytes[place] !== CLOSE) {
    if (bytes[place] === BACKSLASH && place + 1 < end) place += 2;
    else place += place + 2 < end && bytes[place + 1] === DASH ? 3 : 1;
  }
  return Math.min(place + 1, end);
}

/** Where the pattern goes on if its part at `at`, ? or a class, matches the byte, or -1. */
function matchOne({ bytes, end }: Bytes, at: number, byte: number): number {
  return bytes[at] === QUESTION ? at + 1 : matchClass(bytes, at + 1, end, byte);
}

/** A class that is not closed ends with the pattern. */
function matchClass(bytes: Buffer, start: number, end: number, byte: number): number {
  const isNegated = start < end && bytes[start] === CARET;
  let at = isNegated ? start + 1 : start;
  let isIn = false;
  while (at < end && bytes[at] !== CLOSE) {
    if (bytes[at] === BACKSLASH && at + 1 < end) {
      isIn ||= bytes[at + 1] === byte;
      at += 2;
    } else if (at + 2 < end && bytes[at + 1] === DASH) {
      const a = bytes[at] ?? 0;
      const b = bytes[at + 2] ?? 0;
      isIn ||= byte >= Math.min(a, b) && byte <= Math.max(a, b);
      at += 3;
    } else {
      isIn ||= bytes[at] === byte;
      at++;
    }
  }
  return isIn === isNegated ? -1 : Math.min(at + 1, end);
}
