// The table of channels and patterns of all threads, and its recovery after a thread has ended.

import { expect, test } from "bun:test";

import { ByteBuffer } from "../../../../src/cache/cache.ts";
import { readConfig } from "../../../../src/config/config.ts";
import { allocatePush, recoverPush } from "../../../../src/resp/push/memory.ts";
import { CHANNEL, PATTERN, Registry } from "../../../../src/resp/push/registry.ts";

const name = (text: string) => ByteBuffer.ofText(text);

function threads() {
  const config = readConfig(["--workers", "2", "--max-subscription-bytes", "256kb"], {});
  const memory = allocatePush(config);
  return { memory, all: [0, 1].map((thread) => new Registry(memory.registry, thread)) };
}

test("each thread counts the subscribers of all", () => {
  const { all } = threads();
  const [one, two] = all as [Registry, Registry];
  one.set(CHANNEL, name("a"), 3);
  two.set(CHANNEL, name("a"), 2);
  two.set(PATTERN, name("a*"), 4);
  for (const registry of all) {
    expect(registry.count(0, CHANNEL, name("a"))).toBe(3);
    expect(registry.countAll(CHANNEL, name("a"))).toBe(5);
    expect(registry.countMatching(1, name("abc"))).toBe(4);
    expect(registry.countMatching(1, name("b"))).toBe(0);
    expect([...registry.allNames(CHANNEL)]).toEqual(["a"]);
    expect([...registry.allNames(PATTERN)]).toEqual(["a*"]);
  }
  two.set(PATTERN, name("a*"), 0);
  two.set(CHANNEL, name("a"), 0);
  expect(one.countMatching(1, name("abc"))).toBe(0);
  expect(one.countAll(CHANNEL, name("a"))).toBe(3);
});

test("the names of a thread that has ended are removed, and its successor begins anew", () => {
  const { memory, all } = threads();
  const [one, two] = all as [Registry, Registry];
  one.set(CHANNEL, name("a"), 1);
  two.set(CHANNEL, name("a"), 1);
  two.set(PATTERN, name("*"), 1);
  expect(one.countMatching(1, name("x"))).toBe(1);
  recoverPush(memory, 1, 2);
  expect(one.countAll(CHANNEL, name("a"))).toBe(1);
  expect(one.countMatching(1, name("x"))).toBe(0);
  const next = new Registry(memory.registry, 1);
  expect(next.set(CHANNEL, name("b"), 1)).toBe(true);
  expect(one.countAll(CHANNEL, name("b"))).toBe(1);
});

test("a table without room takes no name, and has room again after names have ended", () => {
  const { all } = threads();
  const [one] = all as [Registry, Registry];
  let stored = 0;
  while (one.set(CHANNEL, name(`channel${stored}`), 1)) stored++;
  expect(stored).toBeGreaterThan(1000);
  expect(one.names(0, CHANNEL)).toBe(stored);
  for (let n = 0; n < stored; n++) one.set(CHANNEL, name(`channel${n}`), 0);
  expect(one.names(0, CHANNEL)).toBe(0);
  for (let n = 0; n < stored; n++) expect(one.set(CHANNEL, name(`other${n}`), 1)).toBe(true);
});
