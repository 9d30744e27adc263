// Patterns of KEYS and SCAN MATCH: * ? [a-c] [^x] and \ before a byte that is meant as
// itself, as redis's stringmatchlen reads them, over bytes.

import type { Bytes } from "../cache.ts";

const STAR = 42;
const QUESTION = 63;
const OPEN = 91;
const CLOSE = 93;
const BACKSLASH = 92;
const CARET = 94;
const DASH = 45;

/** Whether the whole text matches. O(pattern × text): of the stars before only the last is tried again. */
export function matches(pattern: Bytes, text: Bytes): boolean {
  const { bytes } = pattern;
  let at = pattern.start;
  let place = text.start;
  let starAt = -1;
  let starPlace = 0;
  for (;;) {
    if (at < pattern.end && bytes[at] === STAR) {
      starAt = ++at;
      starPlace = place;
      continue;
    }
    if (place >= text.end) break;
    const next = at < pattern.end ? matchOne(pattern, at, text.bytes[place] ?? 0) : -1;
    if (next >= 0) {
      at = next;
      place++;
    } else {
      if (starAt < 0) return false;
      at = starAt;
      place = ++starPlace;
    }
  }
  return at >= pattern.end;
}

/** Where the pattern goes on if its part at `at` matches the byte, or -1. */
function matchOne({ bytes, end }: Bytes, at: number, byte: number): number {
  const part = bytes[at] ?? 0;
  if (part === QUESTION) return at + 1;
  if (part === OPEN) return matchClass(bytes, at + 1, end, byte);
  const isEscaped = part === BACKSLASH && at + 1 < end;
  return bytes[isEscaped ? at + 1 : at] === byte ? at + (isEscaped ? 2 : 1) : -1;
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
