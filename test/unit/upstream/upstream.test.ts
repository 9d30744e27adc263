// The rules of trust, with a fake upstream: when a near value may be served, and when a load may fill.

import { expect, test } from "bun:test";

import { ByteBuffer, Cache, fitOptions, MISS } from "../../../src/cache/cache.ts";
import { cacheOptionsOf, readConfig } from "../../../src/config/config.ts";
import { EngineError } from "../../../src/upstream/engine.ts";
import { allocateUpstream } from "../../../src/upstream/memory.ts";
import { NearCache } from "../../../src/upstream/near.ts";
import { UpstreamStats } from "../../../src/upstream/stats.ts";
import { Trust } from "../../../src/upstream/trust.ts";
import { Tracker } from "../../../src/upstream/tracker.ts";
import { Upstream } from "../../../src/upstream/upstream.ts";
import { settle } from "./fake.ts";
import { MAX_STALE_MS, Node } from "./node.ts";

for (const isCluster of [true, false]) {
  const name = isCluster ? "cluster" : "server";

  test(`${name}: a loaded value is served near until it is invalidated`, async () => {
    const node = await Node.ready(isCluster);
    node.current.keys.set("k", "old");
    expect(node.near("k")).toBeUndefined();
    expect(await node.load("k")).toBe("old");
    expect(node.near("k")).toBe("old");
    node.current.set("k", "new");
    expect(node.near("k")).toBeUndefined();
    expect(await node.load("k")).toBe("new");
    expect(node.near("k")).toBe("new");
  });

  test(`${name}: without an answered beat, trust ends after the time of the last one's sending`, async () => {
    const node = await Node.ready(isCluster);
    node.current.keys.set("k", "v");
    await node.load("k");
    for (const server of node.servers) server.isFrozen = true;
    node.nowMs += MAX_STALE_MS / 2;
    await node.beat();
    node.nowMs += MAX_STALE_MS / 2 - 1;
    expect(node.near("k")).toBe("v");
    node.nowMs += 1;
    expect(node.near("k")).toBeUndefined();
    // An answer counts from the time of sending, which is half of the time ago.
    for (const server of node.servers) server.thaw();
    await settle();
    expect(node.near("k")).toBe("v");
    node.nowMs += MAX_STALE_MS / 2 - 1;
    expect(node.near("k")).toBe("v");
    node.nowMs += 1;
    expect(node.near("k")).toBeUndefined();
    await node.beat();
    expect(node.near("k")).toBe("v");
  });

  test(`${name}: a connection that is lost drops all near values of its primary`, async () => {
    const node = await Node.ready(isCluster);
    node.current.keys.set("k", "v");
    await node.load("k");
    node.current.events?.down("test");
    expect(node.near("k")).toBeUndefined();
    // Changes meanwhile are not reported.
    node.current.keys.set("k", "changed");
    node.current.connect();
    await settle();
    await node.beat();
    expect(node.near("k")).toBeUndefined();
    expect(await node.load("k")).toBe("changed");
  });

  test(`${name}: an invalidation of all keys voids near values and loads in flight`, async () => {
    const node = await Node.ready(isCluster);
    node.current.keys.set("k", "v");
    node.current.keys.set("flying", "v");
    await node.load("k");
    node.current.isFrozen = true;
    const flying = node.load("flying");
    node.current.events?.invalidated(null);
    node.current.thaw();
    expect(await flying).toBe("v");
    expect([node.near("k"), node.near("flying")]).toEqual([undefined, undefined]);
  });
}

test("a load does not fill if its key changes while it is in flight", async () => {
  const node = await Node.ready();
  node.current.keys.set("k", "old");
  node.current.isFrozen = true;
  const loading = node.load("k");
  node.current.set("k", "new");
  node.current.thaw();
  expect(await loading).toBe("old");
  expect(node.near("k")).toBeUndefined();
  expect(node.upstream.stats.sum("dropped.invalidated")).toBe(1);
});

test("a load joins one in flight, unless the key has changed since", async () => {
  const node = await Node.ready();
  node.current.keys.set("k", "old");
  node.current.isFrozen = true;
  const first = node.load("k");
  const joined = node.load("k");
  expect(node.current.commands.filter((line) => line === "GET k")).toHaveLength(1);
  node.current.set("k", "new");
  const later = node.load("k");
  const alone = node.load("k", false);
  node.current.thaw();
  expect(await Promise.all([first, joined, later, alone])).toEqual(["old", "old", "new", "new"]);
  expect(node.current.commands.filter((line) => line === "GET k")).toHaveLength(3);
});

test("a write drops the near value before it is acknowledged, and does not fill", async () => {
  const node = await Node.ready();
  node.current.keys.set("k", "old");
  await node.load("k");
  // Its own invalidation is late.
  const { events } = node.current;
  node.current.events = undefined;
  const key = ByteBuffer.ofText("k");
  await node.upstream.send("write", key, ["SET", "k", "new"], [key]);
  node.current.events = events;
  expect(node.near("k")).toBeUndefined();
  expect(await node.load("k")).toBe("new");
});

test("a write that fails drops the near value, too", async () => {
  const node = await Node.ready();
  node.current.keys.set("k", "old");
  await node.load("k");
  const key = ByteBuffer.ofText("k");
  const failing = node.upstream.send("write", key, ["NOPE"], [key]);
  await expect(failing).rejects.toThrow("does not know NOPE");
  expect(node.near("k")).toBeUndefined();
});

test("a load that another server answers than the tracked one does not fill", async () => {
  const node = await Node.ready();
  const [, other] = node.servers;
  node.current = other;
  other.keys.set("k", "v");
  expect(await node.load("k")).toBe("v");
  expect(node.near("k")).toBeUndefined();
});

test("slots that move flush both primaries", async () => {
  const node = await Node.ready();
  node.current.keys.set("k", "v");
  await node.load("k");
  for (const server of node.servers) server.currentEpoch = 2;
  node.listNodes(0);
  await node.beat();
  await node.beat();
  expect(node.near("k")).toBeUndefined();
  expect(node.log.filter((line) => line === "flushed topology").length).toBeGreaterThanOrEqual(2);
});

test("a seed that knows an older list does not stop the primaries from correcting it", async () => {
  const node = await Node.ready();
  const [a, b] = node.servers;
  const { trust } = node.upstream;
  const older = a.nodes;
  node.listNodes(0);
  for (const server of node.servers) server.currentEpoch = 2;
  await node.beat();
  await node.beat();
  expect(trust.idOf(trust.ownerOf(0))).toBe(b.id);
  for (const server of node.servers) server.events?.down("test");
  const newer = a.nodes;
  a.nodes = older;
  await node.beat();
  expect(trust.idOf(trust.ownerOf(0))).toBe(a.id);
  a.nodes = newer;
  for (const server of node.servers) server.connect();
  await settle();
  await node.beat();
  await node.beat();
  expect(trust.idOf(trust.ownerOf(0))).toBe(b.id);
});

test("an invalidation waits for no thread that has ended with a lock, and still ends the near value", () => {
  const options = fitOptions({
    ...cacheOptionsOf(readConfig([], {})),
    memoryBytes: 2 ** 22,
    shards: 2,
  });
  const memory = Cache.allocate(options, 2);
  const cache = new Cache(options, memory, 0);
  const ended = new Cache(options, memory, 1);
  const { trust: trustMemory, stats: statsMemory } = allocateUpstream(1);
  const trust = new Trust(trustMemory);
  const stats = new UpstreamStats(statsMemory, 0);
  const near = new NearCache(cache, trust, stats, [], 60_000);
  const key = ByteBuffer.ofText("k");
  const fill = () => near.fill(key, Buffer.from("v"), -1, trust.tokenOf(key, 0), 0);
  const read = () => near.read(key, 0, new ByteBuffer());
  trust.trustUntil(0, 1);
  fill();
  expect(read()).toBe(1);
  near.invalidateInTime(key);
  expect([read(), stats.sum("flushes.busy")]).toEqual([MISS, 0]);
  fill();
  ended.exclusively(() => near.invalidateInTime(key));
  expect([read(), stats.sum("flushes.busy")]).toEqual([MISS, 1]);
  fill();
  expect(read()).toBe(1);
});

test("a primary with cluster_state fail is not trusted, nor one with an epoch below another's", async () => {
  const node = await Node.ready();
  const [a, b] = node.servers;
  a.keys.set("k", "v");
  await node.load("k");
  a.isOk = false;
  await node.beat();
  expect(node.near("k")).toBeUndefined();
  a.isOk = true;
  await node.beat();
  expect(node.near("k")).toBe("v");
  b.currentEpoch = 9;
  await node.beat();
  await node.beat();
  expect(node.near("k")).toBeUndefined();
  // It would take its slots back: its topology does not count.
  a.nodes = "";
  await node.beat();
  expect(node.upstream.trust.primaries()).toHaveLength(2);
});

test("each change of trust is reported once", async () => {
  const node = await Node.ready();
  await node.beat();
  const [a] = node.servers;
  a.events?.down("test");
  a.events?.down("test");
  await node.beat();
  expect(node.log.filter((line) => line.startsWith("a:1"))).toEqual([
    "a:1 trusted",
    "a:1 not trusted",
  ]);
});

test("a command follows a redirect, and its value is not kept", async () => {
  const node = await Node.ready();
  const [a, b] = node.servers;
  b.keys.set("k", "v");
  const said: string[] = [];
  const errors = ["MOVED 7 b:2", "TRYAGAIN keys are on their way"];
  const moved = {
    ...a.target,
    send: (): Promise<never> => Promise.reject(new EngineError(errors.pop() ?? "MOVED 7 b:2")),
  };
  node.upstream.useEngine({
    targetOf: () => moved,
    targetAt: () => moved,
    redirected: (message) => {
      said.push(message);
      return message.startsWith("MOVED") ? b.target : undefined;
    },
    close: () => {},
  });
  expect(await node.load("k")).toBe("v");
  expect(said).toEqual(["TRYAGAIN keys are on their way", "MOVED 7 b:2"]);
  expect(node.near("k")).toBeUndefined();
  expect(node.upstream.stats.sum("dropped.redirected")).toBe(1);
  expect(node.upstream.stats.sum("inFlight")).toBe(0);
});

test("a command that is always redirected fails, as does one of a slot without a primary", async () => {
  const node = await Node.ready();
  const target = {
    ...node.current.target,
    send: (): Promise<never> => Promise.reject(new EngineError("MOVED 7 a:1")),
  };
  const engine = { targetAt: () => target, redirected: () => target, close: () => {} };
  node.upstream.useEngine({ ...engine, targetOf: () => target });
  expect(node.load("k")).rejects.toThrow("still redirected: MOVED 7 a:1");
  node.upstream.useEngine({ ...engine, targetOf: () => undefined });
  expect(node.load("k")).rejects.toThrow("no primary serves the slot");
});

test("an upstream that nobody finds is reported once, and looked for again", async () => {
  const node = new Node(true, []);
  let isThere = false;
  const log: string[] = [];
  const tracker = new Tracker({
    trust: node.upstream.trust,
    seeds: [{ host: "a", port: 1 }],
    maxStaleMs: MAX_STALE_MS,
    now: () => node.nowMs,
    open: ({ host }, events) => node.serverAt(host).link(events),
    probe: async () => {
      if (!isThere) throw new Error("refused");
      return { isCluster: true, nodes: node.servers[0].nodes, hosts: new Map() };
    },
    invalidate: () => {},
    events: {
      flushed: () => {},
      topologyChanged: () => log.push("topology"),
      trustChanged: () => {},
      unreachable: (reason) => log.push(reason),
    },
  });
  for (let n = 0; n < 3; n++) {
    tracker.tick();
    await settle();
  }
  expect([log, node.upstream.trust.mode]).toEqual([["a:1: refused"], "unknown"]);
  isThere = true;
  tracker.tick();
  await settle();
  expect([log, node.upstream.trust.mode]).toEqual([["a:1: refused", "topology"], "cluster"]);
});

test("a worker that restarts in an outage does not make its node unready", async () => {
  const node = new Node(false, []);
  expect(node.upstream.isConnected).toBe(false);
  new Uint8Array(node.memory.connected).fill(1);
  const { cache, memory, config } = node;
  const successor = new Upstream({ config, cache, thread: 0, memory });
  expect(successor.isConnected).toBe(true);
  expect(successor.load(ByteBuffer.ofText("k"), true)).rejects.toThrow("not connected yet");
});
