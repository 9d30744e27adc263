// The laws of a shard, run on every implementation.

import { describe, expect, test } from "bun:test";

import { ByteBuffer, type Bytes, MISS } from "../../../../src/cache/bytes.ts";
import {
  type Change,
  type Entry,
  NEVER,
  SCAN_END,
  type Shard,
} from "../../../../src/cache/store/shard.ts";
import { random } from "../../../lib/random.ts";

/** Longer than a segment of any log. */
const LONGEST_VALUE = 300_000;

/** `STEPS=1000000 bun test test/unit/cache/store` is the long form. */
const STEPS = Number(process.env["STEPS"] ?? 200_000);

export function describeShard(name: string, create: () => Shard): void {
  describe(name, () => {
    test("a value comes back byte for byte, whatever bytes key and value hold", () => {
      const shard = create();
      const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      put(shard, every, every);
      put(shard, Buffer.from([0]), Buffer.alloc(0));
      expect(get(shard, every)).toEqual(every);
      expect(get(shard, Buffer.from([0]))).toEqual(Buffer.alloc(0));
      expect(get(shard, Buffer.from([1]))).toBeUndefined();
    });

    test("get appends to what the buffer holds and answers the value's length", () => {
      const shard = create();
      put(shard, "k", "value");
      const into = ByteBuffer.ofText("before:");
      expect(shard.get(run("k"), 0, into)).toBe(5);
      expect(into.toText()).toBe("before:value");
      expect(shard.get(run("other"), 0, into)).toBe(MISS);
      expect(into.toText()).toBe("before:value");
    });

    test("key and value are copied, so the caller may use its buffers again", () => {
      const shard = create();
      const key = ByteBuffer.ofText("k");
      const value = ByteBuffer.ofText("first");
      shard.put(key, value, NEVER, 0);
      value.setText("other");
      key.setText("x");
      expect(get(shard, "k")?.toString()).toBe("first");
    });

    test("keys and values may be runs in the middle of larger buffers", () => {
      const shard = create();
      const bytes = Buffer.from("..key=value..");
      shard.put({ bytes, start: 2, end: 5 }, { bytes, start: 6, end: 11 }, NEVER, 0);
      expect(get(shard, "key")?.toString()).toBe("value");
    });

    test("an entry is a miss from its deadline on, before and after a sweep", () => {
      const shard = create();
      put(shard, "k", "v", 1000);
      expect(get(shard, "k", 999.5)?.toString()).toBe("v");
      expect(get(shard, "k", 1000)).toBeUndefined();
      put(shard, "k", "v", 2000, 1000);
      shard.sweep(2000, 10);
      expect(get(shard, "k", 2000)).toBeUndefined();
      expect(shard.stats()).toMatchObject({ entries: 0, bytes: 0, expired: 2 });
    });

    test("a put without a deadline takes the old deadline away", () => {
      const shard = create();
      put(shard, "k", "v", 1000);
      put(shard, "k", "w");
      expect(get(shard, "k", 5000)?.toString()).toBe("w");
    });

    test("a put of an equally long value has its own deadline, or none", () => {
      for (const length of [4, 1024, 10_240]) {
        const shard = create();
        const value = (letter: string) => letter.repeat(length);
        put(shard, "k", value("a"), 1000);
        put(shard, "k", value("b"), 2000);
        expect(get(shard, "k", 1999)?.toString()).toBe(value("b"));
        expect(get(shard, "k", 2000)).toBeUndefined();
        put(shard, "k", value("c"), 3000, 2000);
        expect(shard.stats()).toMatchObject({ entries: 1, overwritten: 1, expired: 1 });
        put(shard, "k", value("d"), NEVER, 2000);
        put(shard, "k", value("e"), NEVER, 2000);
        expect(get(shard, "k", 5000)?.toString()).toBe(value("e"));
        put(shard, "k", value("f"), 6000, 5000);
        expect(get(shard, "k", 6000)).toBeUndefined();
        shard.sweep(6000, 10);
        expect(shard.stats()).toMatchObject({ entries: 0, bytes: 0, overwritten: 4, expired: 2 });
        shard.check();
      }
    });

    test("an expired entry cannot be deleted, updated or scanned", () => {
      const shard = create();
      put(shard, "a", "v", 10);
      put(shard, "b", "v", 10);
      put(shard, "c", "v", 10);
      expect(shard.delete(run("a"), 10)).toBe(false);
      shard.update(run("b"), 10, (entry) => {
        expect(entry).toBeUndefined();
        return "keep";
      });
      shard.scan(10, 0, 100, () => expect.unreachable());
    });

    test("a scan in steps of any size shows each entry once", () => {
      for (const count of [1, 7, 1000]) {
        const shard = create();
        for (let n = 0; n < 500; n++) put(shard, `key${n}`, `${n}`);
        const seen: string[] = [];
        scanAll(shard, 0, count, (key, { value }) => seen.push(`${text(key)} ${text(value)}`));
        expect(seen.toSorted()).toEqual(
          Array.from({ length: 500 }, (_, n) => `key${n} ${n}`).toSorted(),
        );
      }
    });

    test("a scan whose step ends just before the end of the index shows each entry once", () => {
      // The last cluster of some of these shards goes on at the start of the index.
      for (let times = 0; times < 20; times++) {
        const shard = create();
        for (let n = 0; n < 500; n++) put(shard, `key${n}`, `${n}`);
        for (let count = 480; count <= 540; count += 4) {
          const seen: string[] = [];
          scanAll(shard, 0, count, (key) => seen.push(text(key)));
          expect([new Set(seen).size, seen.length]).toEqual([500, 500]);
        }
      }
    });

    test("a scan shows what stays, though others come and go and the index grows and shrinks", () => {
      const { below } = random();
      const shard = create();
      const stays = Array.from({ length: 300 }, (_, n) => `stays${n}`);
      for (const key of stays) put(shard, key, "v");
      const seen = new Set<string>();
      let others = 0;
      scanAll(
        shard,
        0,
        5,
        (key) => seen.add(text(key)),
        () => {
          const wanted = below(3000);
          while (others < wanted) put(shard, `other${others++}`, "v");
          while (others > wanted) shard.delete(run(`other${--others}`), 0);
        },
      );
      expect(stays.filter((key) => !seen.has(key))).toEqual([]);
    });

    test("clear deletes everything, and the shard works on", () => {
      const shard = create();
      for (let n = 0; n < 1000; n++) put(shard, `key${n}`, "v", n < 10 ? 100 : NEVER);
      shard.clear();
      expect(get(shard, "key500")).toBeUndefined();
      expect(shard.stats()).toMatchObject({
        entries: 0,
        bytes: 0,
        inserted: 1000,
        deleted: 1000,
      });
      shard.check();
      put(shard, "key1", "again");
      expect(get(shard, "key1")?.toString()).toBe("again");
    });

    test("a thread that holds a shard reads and writes it as usual", () => {
      const shard = create();
      put(shard, "a", "1");
      const version = shard.version();
      expect(get(shard, "a")?.toString()).toBe("1");
      expect(shard.isUnchanged(version)).toBe(true);
      shard.lock();
      expect(get(shard, "a")?.toString()).toBe("1");
      put(shard, "a", "2");
      shard.update(run("a"), 0, () => ({ value: run("3"), expiresAtMs: NEVER }));
      expect(get(shard, "a")?.toString()).toBe("3");
      expect(shard.delete(run("a"), 0)).toBe(true);
      shard.unlock();
      put(shard, "a", "4");
      expect(get(shard, "a")?.toString()).toBe("4");
    });

    test("delete answers whether there was an entry", () => {
      const shard = create();
      put(shard, "k", "v");
      expect(shard.delete(run("k"), 0)).toBe(true);
      expect(shard.delete(run("k"), 0)).toBe(false);
      expect(get(shard, "k")).toBeUndefined();
    });

    test("update shows the entry and keeps, replaces or deletes it", () => {
      const shard = create();
      const seen: (string | undefined)[] = [];
      const change = (answer: Change) =>
        shard.update(run("k"), 0, (entry) => {
          seen.push(entry && text(entry.value));
          return answer;
        });
      change("keep");
      change({ value: run("1"), expiresAtMs: 50 });
      change("keep");
      change({ value: run("22"), expiresAtMs: NEVER });
      expect(get(shard, "k", 60)?.toString()).toBe("22");
      change("delete");
      change("delete");
      expect(seen).toEqual([undefined, undefined, "1", "1", "22", undefined]);
      expect(shard.stats()).toMatchObject({ entries: 0, bytes: 0 });
    });

    test("a sweep in small steps frees every expired entry and no other", () => {
      const shard = create();
      for (let n = 0; n < 500; n++) put(shard, `k${n}`, "v", n % 2 === 0 ? 100 : NEVER);
      for (let step = 0; step < 200; step++) shard.sweep(100, 7);
      expect(shard.stats()).toMatchObject({ entries: 250, expired: 250 });
      shard.check();
    });

    test("random operations agree with a model, and nothing is unaccounted for", () => {
      const { below } = random();
      const shard = create();
      const model = new Map<string, { value: string; expiresAtMs: number }>();
      let nowMs = 0;
      const counts = { put: 0, overwritten: 0, deleted: 0, expired: 0 };
      const live = (key: string) => {
        const entry = model.get(key);
        if (entry !== undefined && entry.expiresAtMs <= nowMs) {
          model.delete(key);
          counts.expired++;
          return undefined;
        }
        return entry;
      };
      const set = (key: string, value: string, expiresAtMs: number) => {
        counts.put++;
        if (model.has(key)) counts.overwritten++;
        model.set(key, { value, expiresAtMs });
      };
      for (let step = 0; step < STEPS; step++) {
        nowMs += below(3);
        const key = `key${below(300)}`;
        // Most are short; now and then one is as long as any.
        const dice = below(10_000);
        const longest = dice === 0 ? LONGEST_VALUE : dice < 1000 ? 2000 : 20;
        const value = "v".repeat(below(longest)) + step;
        const expiresAtMs = below(2) === 0 ? NEVER : nowMs + below(400);
        const before = live(key);
        switch (below(6)) {
          case 0:
            shard.put(run(key), run(value), expiresAtMs, nowMs);
            set(key, value, expiresAtMs);
            break;
          case 1:
            expect(shard.delete(run(key), nowMs)).toBe(before !== undefined);
            if (model.delete(key)) counts.deleted++;
            break;
          case 2:
            shard.update(run(key), nowMs, (entry) => {
              expect(entry && text(entry.value)).toBe(before?.value);
              expect(entry?.expiresAtMs).toBe(before?.expiresAtMs);
              return { value: run(`${value}+`), expiresAtMs };
            });
            set(key, `${value}+`, expiresAtMs);
            break;
          case 3:
            shard.sweep(nowMs, below(50));
            break;
          default:
            expect(get(shard, key, nowMs)?.toString()).toBe(before?.value as string);
        }
      }
      shard.check();
      for (const key of [...model.keys()]) live(key);
      const scanned = new Map<string, string>();
      scanAll(shard, nowMs, 1000, (key, entry) => scanned.set(text(key), text(entry.value)));
      expect(scanned).toEqual(new Map([...model].map(([key, { value }]) => [key, value])));

      while (shard.sweep(nowMs, 1000) === 1000);
      while (shard.sweep(nowMs, 1000) === 1000);
      const stats = shard.stats();
      const held = [...model].reduce((sum, [key, { value }]) => sum + key.length + value.length, 0);
      expect(stats).toMatchObject({ entries: model.size, bytes: held, expired: counts.expired });
      const gone = counts.overwritten + counts.deleted + stats.expired + stats.evicted;
      expect(counts.put).toBe(stats.entries + gone);
    });
  });
}

function scanAll(
  shard: Shard,
  nowMs: number,
  count: number,
  visit: (key: Bytes, entry: Entry) => void,
  between = () => {},
): void {
  let position = 0;
  while (position < SCAN_END) {
    position = shard.scan(nowMs, position, count, visit);
    between();
  }
}

function run(value: string | Buffer): Bytes {
  const bytes = Buffer.from(value);
  return { bytes, start: 0, end: bytes.length };
}

function text({ bytes, start, end }: Bytes): string {
  return bytes.toString("utf8", start, end);
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
