import { expect, test } from "bun:test";

import {
  ByteBuffer,
  Cache,
  type ChangeListener,
  fitOptions,
  NEVER,
} from "../../../src/cache/cache.ts";
import { SINGLE_THREAD_DEFAULTS } from "../../../src/cache/options.ts";
import { until } from "../../lib/until.ts";

/** Records what a listener is shown: "key origin", "*" for everything, "." for the end. */
function recorder(): { seen: string[]; listener: ChangeListener } {
  const seen: string[] = [];
  return {
    seen,
    listener: {
      changed: ({ bytes, start, end }, origin) =>
        void seen.push(`${bytes.toString("utf8", start, end)} ${origin}`),
      everythingChanged: () => void seen.push("*"),
      shown: () => void seen.push("."),
    },
  };
}

function twoThreads(): [Cache, Cache] {
  const options = fitOptions({ ...SINGLE_THREAD_DEFAULTS, memoryBytes: 2 ** 22, virtualNodes: 16 });
  const memory = Cache.allocate(options, 2);
  return [new Cache(options, memory, 0), new Cache(options, memory, 1)];
}

const put = (cache: Cache, text: string, expiresAtMs = NEVER) => {
  const key = ByteBuffer.ofText(text);
  return cache.put(key, key, expiresAtMs, 0);
};

test("a listener sees the changes of all threads since it listens, with their origins", () => {
  const [first, second] = twoThreads();
  put(first, "before");
  const { seen, listener } = recorder();
  const stop = second.feed.listen(listener);
  first.feed.origin = 7;
  put(first, "a");
  put(second, "b");
  first.delete(ByteBuffer.ofText("b"), 0);
  second.feed.drain();
  expect(seen).toEqual(["a 7", "b 7", "b 0", "."]);
  second.feed.drain();
  stop();
  put(first, "after");
  second.feed.drain();
  expect(seen.length).toBe(4);
});

test("an entry that expires has no origin, and a read changes nothing", () => {
  const [first, second] = twoThreads();
  const { seen, listener } = recorder();
  second.feed.listen(listener);
  put(first, "a", 10);
  first.get(ByteBuffer.ofText("a"), 0, new ByteBuffer());
  first.feed.origin = 7;
  first.maintenance.sweep(20, 1000);
  second.feed.drain();
  expect(seen).toEqual(["a 0", "a 0", "."]);
});

test("several listeners of a thread see the same changes", () => {
  const [first] = twoThreads();
  const [one, two] = [recorder(), recorder()];
  const stopOne = first.feed.listen(one.listener);
  first.feed.listen(two.listener);
  put(first, "a");
  first.feed.drain();
  stopOne();
  put(first, "b");
  first.feed.drain();
  expect([one.seen, two.seen]).toEqual([
    ["a 0", "."],
    ["a 0", ".", "b 0", "."],
  ]);
});

test("an emptied cache and too many changes are shown as everything, once", () => {
  const [first, second] = twoThreads();
  const { seen, listener } = recorder();
  second.feed.listen(listener);
  first.clear();
  second.feed.drain();
  for (let n = 0; n < 20_000; n++) put(first, `key${n}`);
  second.feed.drain();
  put(first, "a");
  second.feed.drain();
  expect(seen).toEqual(["*", ".", "*", ".", "a 0", "."]);
});

test("changes arrive without a call of drain, those of one step together", async () => {
  const [first, second] = twoThreads();
  const { seen, listener } = recorder();
  second.feed.listen(listener);
  for (const name of ["a", "b", "c"]) put(first, name);
  await until("the changes have arrived", () => seen.length > 0);
  expect(seen).toEqual(["a 0", "b 0", "c 0", "."]);
  put(first, "d");
  put(second, "e");
  await until("the next changes have arrived", () => seen.includes("d 0") && seen.includes("e 0"));
});

test("after a thread has ended, nothing is reported to it", () => {
  const [first, second] = twoThreads();
  second.feed.listen(recorder().listener);
  expect(Atomics.load(first.changes.words, 0)).not.toBe(0);
  first.maintenance.recoverThread(1);
  expect(Atomics.load(first.changes.words, 0)).toBe(0);
});
