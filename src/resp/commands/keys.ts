// Where the keys of a command are among its arguments.

import { readNumber } from "../protocol/numbers.ts";
import type { Argument } from "../protocol/parser.ts";
import type { Command } from "./context.ts";

/** Whether the command may have keys. */
export function hasKeys({ keys, countedKeys }: Command): boolean {
  return keys !== undefined || countedKeys !== undefined;
}

/**
 * Returns the indexes of the keys among the first `count` arguments, the name included; undefined if the number
 * of keys is not a number, or larger than the rest of the arguments. O(keys).
 */
export function keyIndexesOf(
  { keys, countedKeys }: Command,
  args: readonly Argument[],
  count: number,
): number[] | undefined {
  if (countedKeys !== undefined) return countedIndexes(countedKeys, args, count);
  if (keys === undefined) return [];
  const [first, last, step] = keys;
  const end = last < 0 ? count + last : Math.min(last, count - 1);
  const indexes: number[] = [];
  for (let index = first; index <= end; index += step) indexes.push(index);
  return indexes;
}

function countedIndexes(
  { at, step }: NonNullable<Command["countedKeys"]>,
  args: readonly Argument[],
  count: number,
): number[] | undefined {
  const counter = args[at];
  const found = counter === undefined || at >= count ? undefined : readNumber(counter);
  if (found === undefined || found < 0 || at + found * step >= count) return undefined;
  return Array.from({ length: found }, (_, n) => at + 1 + n * step);
}

/** The keys of a command: their first and last index among its arguments, and the step between them. */
export interface KeyRange {
  first: number;
  last: number;
  step: number;
}
/** The last result of `keyRangeOf`. One object: the function runs for each command. */
const range: KeyRange = { first: 1, last: 0, step: 1 };

/** Returns the keys of a command that runs; empty if it has none. The result is valid until the next call. O(1). */
export function keyRangeOf(
  { keys, countedKeys }: Command,
  args: readonly Argument[],
  count: number,
): KeyRange {
  if (keys !== undefined) {
    // Destructuring would use an iterator.
    const last = keys[1];
    range.first = keys[0];
    range.last = last < 0 ? count + last : Math.min(last, count - 1);
    range.step = keys[2];
    return range;
  }
  range.first = 1;
  range.last = 0;
  if (countedKeys === undefined) return range;
  const { at, step } = countedKeys;
  const counter = args[at];
  const found = counter === undefined || at >= count ? undefined : readNumber(counter);
  // A wrong number is an error of the command.
  if (found === undefined || found < 0 || at + found * step >= count) return range;
  range.first = at + 1;
  range.last = at + found * step;
  range.step = step;
  return range;
}
