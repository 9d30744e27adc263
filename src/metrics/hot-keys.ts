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

export interface HotKey {
  /** One character a byte. */
  readonly key: string;
  readonly count: number;
  readonly error: number;
}

export class HotKeys {
  /** Place of each key in the sketch. */
  readonly #places = new Map<string, number>();
  /** By place. Plain arrays: the least of 128 counts is found in 0.1 µs, over a Map in 1.3. */
  readonly #keys: string[] = [];
  readonly #counts = new Float64Array(CAPACITY);
  readonly #errors = new Float64Array(CAPACITY);
  #sampled = 0;
  #ticks = 0;

  /** Gets that were counted, of late. */
  get sampled(): number {
    return this.#sampled;
  }

  /** Counts a get. `key`: one character a byte. O(CAPACITY) for a key that is not in the sketch, else O(1). */
  saw(key: string): void {
    this.#sampled++;
    let place = this.#places.get(key);
    if (place === undefined) place = this.#takeIn(key);
    this.#counts[place] = (this.#counts[place] as number) + 1;
  }

  /** Once a second. Halves all counts every so often. */
  tick(): void {
    if (++this.#ticks % HALVE_EVERY !== 0) return;
    this.#sampled /= 2;
    for (let place = 0; place < this.#keys.length; place++) {
      this.#counts[place] = (this.#counts[place] as number) / 2;
      this.#errors[place] = (this.#errors[place] as number) / 2;
    }
  }

  /** The keys with the highest counts, highest first. O(CAPACITY log CAPACITY). */
  top(most: number): HotKey[] {
    return this.#keys
      .map((key, place) => {
        return { key, count: this.#counts[place] as number, error: this.#errors[place] as number };
      })
      .filter(({ count }) => count >= 1)
      .sort((a, b) => b.count - a.count)
      .slice(0, most);
  }

  /** Answers the place that the key has now. */
  #takeIn(key: string): number {
    let place = this.#keys.length;
    if (place === CAPACITY) {
      const counts = this.#counts;
      place = 0;
      for (let other = 1; other < CAPACITY; other++) {
        if ((counts[other] as number) < (counts[place] as number)) place = other;
      }
      this.#places.delete(this.#keys[place] as string);
      this.#errors[place] = counts[place] as number;
    }
    this.#keys[place] = key;
    this.#places.set(key, place);
    return place;
  }
}
