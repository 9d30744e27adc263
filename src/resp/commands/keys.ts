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
