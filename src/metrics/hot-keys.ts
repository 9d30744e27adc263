// The keys that are asked for most, of a sample of the gets of one thread.
//
//   key in the sketch?  count it
//   room left?          take it in with count 1
//   else                it takes the place of the least one, and inherits its count as its error
//
// A key's true count in the sample is at most `count` and at least `count - error`, and every key
// with more than 1/CAPACITY of the sample is in the sketch. Counts are halved from time to time, so
// that what was hot once makes room.
//
// Source: A. Metwally, D. Agrawal, A. El Abbadi, "Efficient Computation of Frequent and Top-k
// Elements in Data Streams", ICDT 2005, section 3 (Space-Saving).

const CAPACITY = 128;
const HALVE_EVERY = 20;

interface Counted {
  count: number;
  error: number;
}

export interface HotKey extends Readonly<Counted> {
  /** One character a byte. */
  readonly key: string;
}

export class HotKeys {
  readonly #keys = new Map<string, Counted>();
  #sampled = 0;
  #ticks = 0;

  /** Gets that were counted, of late. */
  get sampled(): number {
    return this.#sampled;
  }

  /** Counts a get. `key`: one character a byte. O(CAPACITY) for a key that is not in the sketch, else O(1). */
  saw(key: string): void {
    this.#sampled++;
    const known = this.#keys.get(key);
    if (known !== undefined) known.count++;
    else if (this.#keys.size < CAPACITY) this.#keys.set(key, { count: 1, error: 0 });
    else this.#replaceLeast(key);
  }

  /** Once a second. Halves all counts every so often. */
  tick(): void {
    if (++this.#ticks % HALVE_EVERY !== 0) return;
    this.#sampled /= 2;
    for (const [key, counted] of this.#keys) {
      counted.count /= 2;
      counted.error /= 2;
      if (counted.count < 1) this.#keys.delete(key);
    }
  }

  /** The keys with the highest counts, highest first. O(CAPACITY log CAPACITY). */
  top(most: number): HotKey[] {
    return [...this.#keys]
      .map(([key, { count, error }]) => ({ key, count, error }))
      .sort((a, b) => b.count - a.count)
      .slice(0, most);
  }

  #replaceLeast(key: string): void {
    let least = "";
    let count = Infinity;
    for (const [candidate, counted] of this.#keys) {
      if (counted.count >= count) continue;
      least = candidate;
      count = counted.count;
    }
    this.#keys.delete(least);
    this.#keys.set(key, { count: count + 1, error: count });
  }
}
