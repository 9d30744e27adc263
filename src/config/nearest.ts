// The name that a misspelt name probably means.

/** A name is near if at most this part of the longer name, rounded down, has to change. */
const NEAR_PART = 0.4;

/**
 * Returns the name of `names` with the fewest edits from `wrong`, or undefined if none is near. An edit
 * inserts, removes or replaces a letter, or swaps two neighbours. O(names × letters²).
 */
export function nearest(wrong: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let fewest = Infinity;
  for (const name of names) {
    const edits = editsBetween(wrong, name);
    const isNear = edits <= Math.floor(Math.max(wrong.length, name.length) * NEAR_PART);
    if (isNear && edits < fewest) [best, fewest] = [name, edits];
  }
  return best;
}

/**
 * The distance of Damerau and Levenshtein in its restricted form (optimal string alignment): no letter
 * is edited twice. Source: L. Boytsov, "Indexing methods for approximate dictionary searching", JEA 16 (2011).
 */
function editsBetween(a: string, b: string): number {
  let twoBefore: number[] = [];
  let before = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1];
      const replaced = (before[column - 1] ?? 0) + (isSame ? 0 : 1);
      const removed = (before[column] ?? 0) + 1;
      const inserted = (current[column - 1] ?? 0) + 1;
      const isSwap = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swapped = isSwap ? (twoBefore[column - 2] ?? Infinity) + 1 : Infinity;
      current.push(Math.min(replaced, removed, inserted, swapped));
    }
    [twoBefore, before] = [before, current];
  }
  return before[b.length] ?? 0;
}
