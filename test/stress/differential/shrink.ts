// Finds a short sequence that still has a difference: removes halves, quarters, … single steps.

/** Returns a sequence from which no single step can be removed. `fails` is called O(n log n) times, at most `callsMax`. */
export async function shrink<T>(
  steps: readonly T[],
  fails: (steps: readonly T[]) => Promise<boolean>,
  callsMax = 400,
): Promise<readonly T[]> {
  let current = steps;
  let calls = 0;
  for (let size = Math.ceil(current.length / 2); size >= 1;) {
    let hasRemoved = false;
    for (let at = 0; at < current.length && calls < callsMax;) {
      const shorter = [...current.slice(0, at), ...current.slice(at + size)];
      calls++;
      if (shorter.length > 0 && (await fails(shorter))) {
        current = shorter;
        hasRemoved = true;
      } else {
        at += size;
      }
    }
    if (calls >= callsMax) break;
    if (size > 1) size = Math.ceil(size / 2);
    else if (!hasRemoved) break;
  }
  return current;
}
