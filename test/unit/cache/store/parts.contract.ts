// The laws of calls on parts of an entry, and of callbacks, run on every implementation of a shard.

import { describe, expect, test } from "bun:test";

import { ByteBuffer, type Bytes, MISS } from "../../../../src/cache/bytes.ts";
import { type Change, NEVER, type Shard } from "../../../../src/cache/store/shard.ts";
import { random } from "../../../lib/random.ts";

/** Longer than a segment of any log. */
const LONGEST_VALUE = 300_000;

export function describeParts(name: string, create: () => Shard): void {
  describe(`${name} in parts`, () => {
    test("a callback that calls the shard throws, and the shard serves on", () => {
      const shard = create();
      put(shard, "k", "value-of-k");
      put(shard, "other", "other-value");
      const forbidden: readonly ((key: string) => unknown)[] = [
        (key) => shard.get(run(key), 0, new ByteBuffer()),
        (key) => shard.look(run(key), 0, false),
        (key) => shard.getRange(run(key), 0, 0, -1, new ByteBuffer()),
        (key) => shard.put(run(key), run("v"), NEVER, 0),
        (key) => shard.delete(run(key), 0),
        (key) => shard.update(run(key), 0, () => "keep"),
        () => shard.scan(0, 0, 10, () => {}),
        () => shard.clear(),
      ];
      const insideOf = [
        (call: () => void) => shard.update(run("k"), 0, () => (call(), "keep")),
        (call: () => void) => shard.scan(0, 0, 10, call),
      ];
      for (const isHeld of [false, true]) {
        for (const inside of insideOf) {
          for (const call of forbidden) {
            for (const key of ["k", "other"]) {
              if (isHeld) shard.lock();
              expect(() => inside(() => call(key))).toThrow("called the cache");
              if (isHeld) shard.unlock();
            }
          }
        }
      }
      expect(get(shard, "k")?.toString()).toBe("value-of-k");
      expect(get(shard, "other")?.toString()).toBe("other-value");
      shard.check();
    });

    test("a thread that holds a shard cannot take it again", () => {
      const shard = create();
      shard.lock();
      expect(() => shard.lock()).toThrow();
      shard.unlock();
      put(shard, "k", "v");
      expect(get(shard, "k")?.toString()).toBe("v");
    });

    test("look tells of an entry without its value", () => {
      const shard = create();
      expect(shard.look(run("k"), 0, true)).toBeUndefined();
      put(shard, "k", "value", 1000);
      expect(shard.look(run("k"), 999, true)).toMatchObject({ valueBytes: 5, expiresAtMs: 1000 });
      expect(shard.look(run("k"), 1000, true)).toBeUndefined();
      put(shard, "k", "v".repeat(LONGEST_VALUE));
      const facts = { valueBytes: LONGEST_VALUE, expiresAtMs: NEVER };
      expect(shard.look(run("k"), 1000, false)).toMatchObject(facts);
    });

    test("getRange appends part of a value, with places as GETRANGE has them", () => {
      const shard = create();
      put(shard, "k", "0123456789");
      const part = (first: number, last: number) => {
        const into = ByteBuffer.ofText("<");
        expect(shard.getRange(run("k"), 0, first, last, into)).toBe(into.end - 1);
        return into.toText().slice(1);
      };
      expect(part(0, -1)).toBe("0123456789");
      expect(part(2, 4)).toBe("234");
      expect(part(-3, -2)).toBe("78");
      expect(part(8, 100)).toBe("89");
      expect(part(5, 4)).toBe("");
      expect(part(-100, -99)).toBe("0");
      expect(part(-1, -2)).toBe("");
      expect(part(100, 200)).toBe("");
      const into = new ByteBuffer();
      expect(shard.getRange(run("none"), 0, 0, -1, into)).toBe(MISS);
      expect(into.end).toBe(0);
    });

    test("a revision changes the deadline alone, or part of the value", () => {
      const shard = create();
      const revise = (revision: Change, nowMs = 0) => shard.update(run("k"), nowMs, () => revision);
      for (const length of [3, 5000, LONGEST_VALUE]) {
        const value = "v".repeat(length);
        put(shard, "k", value);
        expect(revise({ expiresAtMs: 1000 })).toBe(true);
        expect(shard.look(run("k"), 0, false)).toMatchObject({ expiresAtMs: 1000 });
        expect(shard.stats().expiring).toBe(1);
        expect(revise({ expiresAtMs: NEVER })).toBe(true);
        expect(shard.stats().expiring).toBe(0);
        expect(get(shard, "k", 2000)?.toString()).toBe(value);
        expect(revise({ part: run("++"), at: 1, expiresAtMs: 1000 })).toBe(true);
        expect(get(shard, "k")?.toString()).toBe(`v++${"v".repeat(length - 3)}`);
        expect(revise({ part: run("end"), at: length + 2, expiresAtMs: 1000 })).toBe(true);
        expect(get(shard, "k")?.toString()).toBe(`v++${"v".repeat(length - 3)}\0\0end`);
        shard.check();
        shard.delete(run("k"), 0);
      }
      expect(revise({ part: run("new"), at: 2, expiresAtMs: 1000 })).toBe(true);
      expect(get(shard, "k")?.toString()).toBe("\0\0new");
      // What has expired is no part of what comes after it.
      expect(revise({ part: run("x"), at: 0, expiresAtMs: NEVER }, 1000)).toBe(true);
      expect(get(shard, "k")?.toString()).toBe("x");
      const { inserted, entries, overwritten, deleted, expired } = shard.stats();
      expect(inserted).toBe(entries + overwritten + deleted + expired);
      shard.check();
    });

    test("values that grow by turns are as if they had been put whole", () => {
      const shard = create();
      const model = new Map<string, string>();
      const { below } = random();
      for (let step = 0; step < 6000; step++) {
        const key = `key${below(5)}`;
        const before = model.get(key) ?? "";
        const part = `${step}`.repeat(1 + below(20));
        const at = below(4) === 0 ? below(before.length + 10) : before.length;
        const head = before.slice(0, at).padEnd(at, "\0");
        model.set(key, head + part + before.slice(at + part.length));
        shard.update(run(key), 0, () => ({ part: run(part), at, expiresAtMs: NEVER }));
        if (step % 100 === 0) put(shard, `between${step}`, "b".repeat(below(3000)));
      }
      for (const [key, value] of model) expect(get(shard, key)?.toString()).toBe(value);
      shard.check();
    });
  });
}

function run(value: string | Buffer): Bytes {
  const bytes = Buffer.from(value);
  return { bytes, start: 0, end: bytes.length };
}

function put(
  shard: Shard,
  key: string | Buffer,
  value: string | Buffer,
  expiresAtMs = NEVER,
  nowMs = 0,
): void {
  shard.put(run(key), run(value), expiresAtMs, nowMs);
}

function get(shard: Shard, key: string | Buffer, nowMs = 0): Buffer | undefined {
  const into = new ByteBuffer();
  const length = shard.get(run(key), nowMs, into);
  return length === MISS ? undefined : Buffer.from(into.bytes.subarray(0, into.end));
}
