// Steps and reads of several keys, beside another thread that holds a shard or writes.

import { expect, test } from "bun:test";

import { ByteBuffer, Cache, fitOptions, NEVER, NotHeldError } from "../../../src/cache/cache.ts";
import { SINGLE_THREAD_DEFAULTS } from "../../../src/cache/options.ts";

const options = fitOptions({
  ...SINGLE_THREAD_DEFAULTS,
  ...{ store: "shared", shards: 8, virtualNodes: 16, memoryBytes: 8 * 2 ** 20 },
});
const keys = Array.from({ length: 64 }, (_, n) => ByteBuffer.ofText(`key:${n}`));
const first = keys.slice(0, 1);
const value = ByteBuffer.ofText("v");

/** Returns two threads of one cache, both in this thread. */
function twoThreads(): [Cache, Cache] {
  const memory = Cache.allocate(options, 2);
  return [new Cache(options, memory, 0), new Cache(options, memory, 1)];
}

test("an extended step may use every key, and the next step may not", () => {
  const [cache, other] = twoThreads();
  const putAll = () => keys.every((key) => cache.put(key, value, NEVER, 0));
  expect(() => cache.atomically(first, putAll)).toThrow(NotHeldError);
  cache.atomically(first, () => {
    expect(cache.tryExtendStep()).toBe(true);
    expect(cache.tryExtendStep()).toBe(true);
    expect(putAll()).toBe(true);
  });
  expect(() => cache.atomically(first, putAll)).toThrow(NotHeldError);
  // All shards are free again.
  other.exclusively(() => expect(other.delete(keys[1] ?? value, 0)).toBe(true));
  expect(cache.isInStep).toBe(false);
});

test("a step is not extended while another thread holds a shard, and holds no more after it", () => {
  const [cache, other] = twoThreads();
  const shardOf = (key: ByteBuffer) =>
    cache.route(Object.assign(key, { shard: -1, hash: 0, slot: -1 }));
  const elsewhere = keys.find((key) => shardOf(key) !== shardOf(keys[0] ?? value)) ?? value;
  other.atomically([elsewhere], () => {
    cache.atomically(first, () => expect(cache.tryExtendStep()).toBe(false));
  });
  cache.atomically(first, () => expect(cache.tryExtendStep()).toBe(true));
});

/** A list of values as text; undefined is a miss. `begin` is called with the index of each value before it is read. */
function textList(begin: (index: number) => void = () => {}) {
  const out = new ByteBuffer();
  let values: (string | undefined)[] = [];
  return {
    out,
    beginBulk() {
      if (out.end === 0) values = [];
      begin(values.length);
      return out;
    },
    endBulk(length: number) {
      values.push(length < 0 ? undefined : out.bytes.toString("utf8", out.end - length, out.end));
    },
    values: () => values,
  };
}

test("the values of several keys are of one moment", () => {
  const [cache, other] = twoThreads();
  let round = 0;
  const putRound = () => {
    round++;
    for (const key of keys) other.put(key, ByteBuffer.ofText(`round ${round}`), NEVER, 0);
  };
  for (const changes of [0, 1, 3]) {
    putRound();
    // In this number of attempts, the other thread writes all keys before the second of them is read.
    let left = changes;
    const list = textList((index) => {
      if (index === 1 && left-- > 0) putRound();
    });
    cache.getAll([...keys, ByteBuffer.ofText("none")], 0, list);
    expect(list.values()).toEqual([...keys.map(() => `round ${round}`), undefined]);
  }
});

test("several keys are read inside a step too", () => {
  const [cache] = twoThreads();
  const list = textList();
  for (const key of keys) cache.put(key, value, NEVER, 0);
  cache.exclusively(() => cache.getAll(keys, 0, list));
  expect(list.values()).toEqual(keys.map(() => "v"));
});
