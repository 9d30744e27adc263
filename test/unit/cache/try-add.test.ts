// A number that is added to where it lies is the number that an update would store.

import { expect, test } from "bun:test";
import fc from "fast-check";

import { ByteBuffer, Cache, NEVER, NOT_ADDED } from "../../../src/cache/cache.ts";

const KEY = ByteBuffer.ofText("counter");

function textOf(cache: Cache, nowMs = 0): string | undefined {
  const into = new ByteBuffer();
  return cache.get(KEY, nowMs, into) < 0 ? undefined : into.toText();
}

test("a sum with as many digits is written in place; other values stay as they are", () => {
  const cache = Cache.create({ memoryBytes: 2 ** 20, shards: 1 });
  const numbers = fc.oneof(
    fc.integer().map(String),
    fc.nat(1200).map(String),
    fc.string({ maxLength: 12 }),
    fc.constantFrom(
      "",
      "0",
      "-0",
      "007",
      "9",
      "10",
      "99",
      "999999999",
      "1000000000",
      " 1",
      "1 ",
      "+1",
    ),
  );
  const deltas = fc.oneof(fc.integer({ min: -20, max: 20 }), fc.integer());
  fc.assert(
    fc.property(numbers, deltas, (text, delta) => {
      const before = ByteBuffer.ofText(text);
      cache.put(KEY, before, NEVER, 0);
      const sum = cache.tryAdd(KEY, delta, 0);
      const isNumber = /^(0|[1-9][0-9]{0,8})$/.test(text);
      const wanted = Number(text) + delta;
      const fits = isNumber && wanted >= 0 && String(wanted).length === text.length;
      expect(sum).toBe(fits ? wanted : NOT_ADDED);
      expect(textOf(cache)).toBe(fits ? String(wanted) : before.toText());
    }),
  );
  cache.maintenance.verify();
});

test("the expiry stays, an expired number and a missing one are not added to", () => {
  const cache = Cache.create({ memoryBytes: 2 ** 20, shards: 1 });
  expect(cache.tryAdd(KEY, 1, 0)).toBe(NOT_ADDED);
  cache.put(KEY, ByteBuffer.ofText("41"), 1000, 0);
  expect(cache.tryAdd(KEY, 1, 999)).toBe(42);
  expect(cache.look(KEY, 999)?.expiresAtMs).toBe(1000);
  expect(cache.tryAdd(KEY, 1, 1000)).toBe(NOT_ADDED);
});

test("an addition counts as an overwrite", () => {
  const cache = Cache.create({ memoryBytes: 2 ** 20, shards: 1 });
  cache.put(KEY, ByteBuffer.ofText("41"), NEVER, 0);
  const before = cache.maintenance.stats();
  cache.tryAdd(KEY, 1, 0);
  const after = cache.maintenance.stats();
  expect(after.overwritten - before.overwritten).toBe(1);
  expect(after.inserted - before.inserted).toBe(1);
});

test("a store of Maps leaves it to update", () => {
  const cache = Cache.create({ memoryBytes: 2 ** 20, shards: 1, store: "map" });
  cache.put(KEY, ByteBuffer.ofText("41"), NEVER, 0);
  expect(cache.tryAdd(KEY, 1, 0)).toBe(NOT_ADDED);
});
