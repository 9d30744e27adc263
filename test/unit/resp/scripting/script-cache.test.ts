import { expect, test } from "bun:test";

import {
  allocateScripts,
  recoverScripts,
  SCRIPT_CACHE_BYTES,
  ScriptCache,
} from "../../../../src/resp/scripting/script-cache.ts";

const shaOf = (source: Buffer): string => new Bun.CryptoHasher("sha1").update(source).digest("hex");
const scriptOf = (n: number, bytes = 100): Buffer =>
  Buffer.from(`return ${n} --`.padEnd(bytes, "x"));

test("a thread finds the scripts of another one, with every length", () => {
  const memory = allocateScripts();
  const [writer, reader] = [new ScriptCache(memory, 0), new ScriptCache(memory, 1)];
  for (let bytes = 12; bytes < 40; bytes++) {
    const source = scriptOf(bytes, bytes);
    writer.add(shaOf(source), source, false, 1);
    expect(reader.find(shaOf(source))?.source).toEqual(source);
  }
  expect(reader.exist([shaOf(scriptOf(12, 12)), "0".repeat(40), "short"])).toEqual([
    true,
    false,
    false,
  ]);
  expect(reader.stats().count).toBe(28);
  reader.clear();
  expect(writer.stats()).toEqual({ count: 0, bytes: 0 });
});

test("a full cache drops the least recently used scripts that were not loaded", () => {
  const memory = allocateScripts();
  const cache = new ScriptCache(memory, 0);
  const bytes = 64 * 1024;
  const loaded = scriptOf(-1, bytes);
  cache.add(shaOf(loaded), loaded, true, 0);
  const { generation } = cache;
  const count = Math.floor(SCRIPT_CACHE_BYTES / bytes) + 1;
  for (let n = 0; n < count; n++) {
    const source = scriptOf(n, bytes);
    expect(cache.add(shaOf(source), source, false, n + 1)).toBeGreaterThan(0);
    // Script 0 is used all the time.
    cache.used(cache.find(shaOf(scriptOf(0, bytes)))?.record ?? -1, n + 1);
  }
  const has = (n: number) => cache.find(shaOf(scriptOf(n, bytes))) !== undefined;
  expect([has(-1), has(0), has(1), has(count - 1)]).toEqual([true, true, false, true]);
  expect(cache.generation).not.toBe(generation);
  expect(cache.stats().bytes).toBeLessThanOrEqual(SCRIPT_CACHE_BYTES);
});

test("a cache that loaded scripts fill takes no other, and none that is too large", () => {
  const cache = new ScriptCache(allocateScripts(), 0);
  let n = 0;
  const add = (isLoaded: boolean): number => {
    const source = scriptOf(n++, 256 * 1024);
    return cache.add(shaOf(source), source, isLoaded, 0);
  };
  while (add(true) > 0);
  expect(n).toBeGreaterThan(10);
  expect(add(false)).toBe(-1);
  cache.clear();
  const huge = scriptOf(0, SCRIPT_CACHE_BYTES);
  expect(cache.add(shaOf(huge), huge, false, 0)).toBe(-1);
  expect(add(true)).toBeGreaterThan(0);
});

test("the cache is emptied if a thread ends with its lock, and not otherwise", () => {
  const memory = allocateScripts();
  const cache = new ScriptCache(memory, 0);
  const source = scriptOf(1);
  cache.add(shaOf(source), source, true, 0);
  recoverScripts(memory, 1);
  expect(cache.find(shaOf(source))).toBeDefined();
  // The first word is the lock.
  new Int32Array(memory)[0] = 2;
  recoverScripts(memory, 1);
  expect(cache.find(shaOf(source))).toBeUndefined();
});
