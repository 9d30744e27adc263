import { expect, test } from "bun:test";

import { ByteBuffer, Cache, MISS, NEVER, type RoutedKey } from "../../../src/cache/cache.ts";
import { random } from "../../lib/random.ts";

const KEYS = 600;
const BATCH = 32;

/** A key that `Cache.prefetch` can route. */
function routable(text: string): ByteBuffer & RoutedKey {
  return Object.assign(ByteBuffer.ofText(text), { shard: -1, hash: 0, slot: -1 });
}

test("calls find their entries after a prefetch, whatever has changed since then", () => {
  const numbers = random();
  const cache = Cache.create({ memoryBytes: 2 ** 22, shards: 2 });
  const model = new Map<string, string>();
  const into = new ByteBuffer();
  const nameOf = () => `key:${numbers.below(KEYS)}`;
  // The objects of a batch are those of earlier keys: their slots are out of date.
  const keys = Array.from({ length: BATCH }, () => routable(""));
  for (let batch = 0; batch < 400; batch++) {
    const names = keys.map((key) => {
      const name = nameOf();
      key.setText(name);
      key.shard = -1;
      return name;
    });
    if (batch % 3 !== 0) cache.prefetch(keys, BATCH);
    if (batch % 100 === 99) {
      cache.clear();
      model.clear();
    }
    for (const [n, name] of names.entries()) {
      const key = keys[n] ?? routable(name);
      const kind = numbers.below(4);
      if (kind === 0) expect(cache.delete(key, 0)).toBe(model.delete(name));
      if (kind === 1) {
        const value = "v".repeat(numbers.below(300)) + batch;
        cache.put(key, ByteBuffer.ofText(value), NEVER, 0);
        model.set(name, value);
      }
      if (kind < 2) continue;
      into.clear();
      const length = cache.get(key, 0, into);
      expect(length === MISS ? undefined : into.toText()).toEqual(model.get(name));
    }
  }
});
