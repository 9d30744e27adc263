// --stale-if-error: which near values may be served without trust.

import { expect, test } from "bun:test";

import { UnreachableError } from "../../../src/upstream/engine.ts";
import { MAX_STALE_MS, Node } from "./node.ts";
import { settle } from "./fake.ts";

const STALE_SECONDS = 10;

/** Returns a node that has loaded "k" of server a. */
async function loaded(...options: string[]): Promise<Node> {
  const node = await Node.ready(true, "--stale-if-error", `${STALE_SECONDS}`, ...options);
  node.current.keys.set("k", "v");
  await node.load("k");
  return node;
}

/** Server a goes away, for the Tracker and for the worker. */
function lose(node: Node): void {
  node.servers[0].isGone = true;
  node.servers[0].events?.down("gone");
}

test("a value whose primary cannot be reached is served until its time is over", async () => {
  const node = await loaded();
  const beatMs = node.nowMs;
  lose(node);
  expect(node.near("k")).toBeUndefined();
  expect(node.load("k")).rejects.toThrow(UnreachableError);
  node.nowMs = beatMs + MAX_STALE_MS + STALE_SECONDS * 1000 - 1;
  expect(node.stale("k")).toBe("v");
  node.nowMs++;
  expect(node.stale("k")).toBeUndefined();
  expect(node.cache.maintenance.stats().staleServed).toBe(1);
});

test("no value is served as stale without the option", async () => {
  const node = await loaded("--stale-if-error", "0");
  lose(node);
  expect(node.stale("k")).toBeUndefined();
});

test("a primary that does not answer makes its values stale as one that is gone", async () => {
  const node = await loaded();
  node.servers[0].isFrozen = true;
  node.nowMs += MAX_STALE_MS;
  await node.beat();
  expect([node.near("k"), node.stale("k")]).toEqual([undefined, "v"]);
});

const ENDINGS: Readonly<Record<string, (node: Node) => Promise<void> | void>> = {
  "its invalidation": (node) => node.current.set("k", "new"),
  "FLUSHALL of another client": (node) => node.current.events?.invalidated(null),
  "FLUSHALL through this node": async (node) => {
    await node.upstream.flush().catch(() => {});
  },
  "a write through this node that fails": async (node) => {
    node.servers[0].isGone = true;
    const key = { bytes: Buffer.from("k"), start: 0, end: 1 };
    expect(node.upstream.send("write", key, ["SET", "k", "new"], [key])).rejects.toThrow();
    await settle();
  },
  "a slot that moves": async (node) => {
    node.listNodes(0);
    await node.beat();
    expect(node.log).toContain("flushed topology");
  },
  "a connection that comes back and is lost again": (node) => {
    lose(node);
    node.servers[0].connect();
  },
};

for (const [name, end] of Object.entries(ENDINGS)) {
  test(`no value is served as stale after ${name}`, async () => {
    const node = await loaded();
    await end(node);
    lose(node);
    expect(node.stale("k")).toBeUndefined();
  });
}

test("control: with one kind of epoch, a flushed value would be served", async () => {
  const node = await loaded();
  const { trust } = node.upstream;
  trust.raiseAllEpochs = () => trust.primaries().forEach((number) => trust.loseConnection(number));
  node.current.events?.invalidated(null);
  lose(node);
  expect(node.stale("k")).toBe("v");
});

test("256 lost connections in a row count as a flush", async () => {
  const node = await loaded();
  const { trust } = node.upstream;
  for (let n = 0; n < 256; n++) trust.loseConnection(0);
  for (let n = 0; n < 256; n++) trust.loseConnection(1);
  expect([node.near("k"), node.stale("k")]).toEqual([undefined, undefined]);
});
