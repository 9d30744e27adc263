// The prefix that a key of another database than 0 has in the store (see src/cache/databases.ts).
// Typed arrays: indexes are in range by construction.

import { KEY_PREFIX_BYTES, needsPrefix, PREFIX_MARK } from "../../cache/databases.ts";
import type { Argument } from "../protocol/parser.ts";
import type { KeyRange } from "./keys.ts";

/**
 * Gives the keys of a command the prefix of their database. Returns the number of keys that have one
 * now. `hasGap`: KEY_PREFIX_BYTES bytes before each argument may be overwritten; else keys are copied.
 */
export function addPrefixes(
  { first, last, step }: KeyRange,
  args: readonly Argument[],
  database: number,
  hasGap: boolean,
): number {
  let prefixed = 0;
  for (let index = first; index <= last; index += step) {
    const key = args[index]!;
    if (!needsPrefix(database, key)) continue;
    prefixed++;
    key.shard = -1;
    if (!hasGap) {
      const copy = Buffer.allocUnsafe(KEY_PREFIX_BYTES + key.end - key.start);
      key.bytes.copy(copy, KEY_PREFIX_BYTES, key.start, key.end);
      key.bytes = copy;
      key.start = KEY_PREFIX_BYTES;
      key.end = copy.length;
    }
    key.start -= KEY_PREFIX_BYTES;
    key.bytes[key.start] = PREFIX_MARK;
    key.bytes[key.start + 1] = database;
  }
  return prefixed;
}

const CR = 13;
const LF = 10;

/**
 * Takes the prefixes away again, after `addPrefixes` with `hasGap`: the bytes are those of the line end
 * that the parser reads again.
 */
export function removePrefixes({ first, last, step }: KeyRange, args: readonly Argument[]): void {
  for (let index = first; index <= last; index += step) {
    const key = args[index]!;
    // A key that begins with 0xFF has a prefix in any database.
    if (key.bytes[key.start] !== PREFIX_MARK) continue;
    key.bytes[key.start] = CR;
    key.bytes[key.start + 1] = LF;
    key.start += KEY_PREFIX_BYTES;
    key.shard = -1;
  }
}
