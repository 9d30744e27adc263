// The slot of a key in a Redis Cluster: CRC16 of the key, or of its part in braces, modulo 16,384.
// Source: the Redis Cluster specification, appendix A (CRC16-XMODEM).
//
// Typed arrays: indexes are in range by construction.

import type { Bytes } from "../cache/cache.ts";

export const SLOTS = 16_384;

const OPEN = 0x7b;
const CLOSE = 0x7d;
const POLYNOMIAL = 0x1021;

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
  return crc;
});

/** Returns the slot, 0 to 16,383. O(key). */
export function slotOf({ bytes, start, end }: Bytes): number {
  let first = start;
  let last = end;
  for (let at = start; at < end; at++) {
    if (bytes[at] !== OPEN) continue;
    let close = at + 1;
    while (close < end && bytes[close] !== CLOSE) close++;
    if (close < end && close > at + 1) {
      first = at + 1;
      last = close;
    }
    break;
  }
  let crc = 0;
  for (let at = first; at < last; at++) {
    crc = ((crc << 8) ^ TABLE[((crc >> 8) ^ bytes[at]!) & 0xff]!) & 0xffff;
  }
  return crc % SLOTS;
}
