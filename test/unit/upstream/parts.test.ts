// The parts of the upstream that need no server: slots, the topology, and the options.

import { expect, test } from "bun:test";
import { tracingChannel } from "node:diagnostics_channel";

import { ByteBuffer } from "../../../src/cache/cache.ts";
import { readConfig } from "../../../src/config/config.ts";
import { readUpstream } from "../../../src/config/upstream.ts";
import { allocateBudget, ByteBudget } from "../../../src/shared-memory/byte-budget.ts";
import { Claim, NoUpstreamRoomError } from "../../../src/upstream/claim.ts";
import { UnreachableError } from "../../../src/upstream/engine.ts";
import { inParts, PART_COMMANDS } from "../../../src/upstream/parts.ts";
import { slotOf } from "../../../src/upstream/slots.ts";
import { completeTracingChannels } from "../../../src/upstream/tracing-channels.ts";
import {
  readClusterNodes,
  readPreferredHosts,
  readServerInfo,
} from "../../../src/upstream/topology.ts";

test("the slot of a key is that of the cluster specification", () => {
  const slot = (key: string) => slotOf(ByteBuffer.ofText(key));
  expect(slot("123456789")).toBe(0x31c3);
  expect(slot("{user1000}.following")).toBe(slot("user1000"));
  expect(slot("{user1000}.following")).toBe(slot("{user1000}.followers"));
  // CLUSTER KEYSLOT of Redis 7.
  expect([slot("foo"), slot("foo{}{bar}"), slot("foo{{bar}}zap"), slot("foo{bar}{zap}")]).toEqual([
    12_182,
    8363,
    slot("{bar"),
    slot("bar"),
  ]);
});

test("CLUSTER NODES lists the primaries, with and without slots", () => {
  const id = (letter: string) => letter.repeat(40);
  const text = [
    `${id("a")} 127.0.0.1:7000@17000,host myself,master - 0 1 1 connected 0-5 9 [10->-${id("b")}]`,
    `${id("b")} ::1:7001@17001 master - 0 1 2 connected`,
    `${id("c")} 127.0.0.1:7002@17002 slave ${id("a")} 0 1 1 connected`,
    `${id("d")} :0@0 master,noaddr - 0 1 1 disconnected`,
    "",
  ].join("\n");
  expect(readClusterNodes(text)).toEqual([
    {
      id: id("a"),
      host: "127.0.0.1",
      port: 7000,
      slots: [
        [0, 5],
        [9, 9],
      ],
    },
    { id: id("b"), host: "::1", port: 7001, slots: [] },
  ]);
});

test("CLUSTER SLOTS names the preferred hosts of the primaries", () => {
  const replica = ["10.0.0.9", 6379, "r", []];
  const reply = [
    [0, 100, ["a.example", 6379, "a", ["ip", "10.0.0.1"]], replica],
    [101, 200, [null, 6379, "b", []]],
    [201, 300, ["?", 6379, "c", []], replica],
    [301, 400, [Buffer.from("10.0.0.4"), "6379", Buffer.from("d")]],
  ];
  const hosts = [...readPreferredHosts(reply)];
  // "": the host at which the server was reached.
  expect(hosts).toEqual([
    ["a", "a.example"],
    ["b", ""],
    ["c", ""],
    ["d", "10.0.0.4"],
  ]);
});

test("INFO server says whether it is a cluster, under the names of Redis and Valkey", () => {
  expect(readServerInfo("# Server\r\nredis_mode:cluster\r\nrun_id:abc\r\n")).toEqual({
    isCluster: true,
    runId: "abc",
  });
  expect(readServerInfo("server_mode:standalone\r\n").isCluster).toBe(false);
});

test("--upstream names servers, with or without TLS and a user", () => {
  expect(readUpstream("a:1,[::1]:2,c")).toEqual({
    seeds: [
      { host: "a", port: 1 },
      { host: "::1", port: 2 },
      { host: "c", port: 6379 },
    ],
    usesTls: false,
    user: "",
  });
  expect(readUpstream("rediss://me@a:1,b:2")).toMatchObject({ usesTls: true, user: "me" });
});

test.each([
  [["--upstream", "redis://:secret@a:1"], "--upstream-password-file"],
  [["--upstream", "http://a:1"], "not a list of servers"],
  [["--upstream", "a:1/3"], "something behind the port"],
  [["--upstream", "redis://me:12/secret@a:1"], "something behind the port"],
  [["--upstream", "redis://me:12?secret@a:1"], "something behind the port"],
  [["--upstream", "redis://me:12#secret@a:1"], "something behind the port"],
  [["--upstream", "redis://%zz@a:1"], 'wrong "%"'],
  [["--upstream", "a:1,"], "not a list of servers"],
  [["--upstream", "redis://a,rediss://b"], "mixes"],
  [["--upstream", "a", "--data-dir", "x"], "--data-dir does not go with --upstream"],
  [["--upstream", "a", "--eviction", "none"], "--eviction s3fifo"],
  [["--upstream", "a", "--default-ttl", "5"], "--near-ttl"],
  [["--upstream", "a", "--upstream-tls-ca", "x"], "rediss://"],
  [["--upstream", "a", "--near-prefix", "u:,u:1"], "the shorter one covers both"],
  [["--upstream-tls-ca", "x"], "need --upstream"],
])("%p is refused", (options, reason) => {
  expect(() => readConfig(options, {})).toThrow(reason);
  expect(() => readConfig(options, {})).not.toThrow("secret");
});

test("a request of many keys has a part of its commands in flight, and its results in order", async () => {
  let inFlight = 0;
  let most = 0;
  const items = Array.from({ length: 2 * PART_COMMANDS + 1 }, (_, n) => n);
  const send = async (n: number): Promise<number> => {
    most = Math.max(most, ++inFlight);
    await Promise.resolve();
    inFlight--;
    return -n;
  };
  expect(await inParts(items, send)).toEqual(items.map((n) => -n));
  expect(most).toBe(PART_COMMANDS);
  expect(await inParts([], send)).toEqual([]);
});

test("commands and replies of a request are claimed until it ends", async () => {
  const budget = new ByteBudget(allocateBudget(1), 0, 2 ** 20);
  const claim = new Claim(budget);
  claim.command(["SET", "k", Buffer.alloc(2 ** 19)]);
  expect(budget.usedBytes).toBeGreaterThan(2 ** 19);
  await claim.reply(Promise.resolve([Buffer.alloc(2 ** 18), null, "1"]));
  expect(budget.usedBytes).toBeGreaterThan(2 ** 19 + 2 ** 18);
  // Neither this request nor another one has room for more.
  expect(claim.reply(Promise.resolve(Buffer.alloc(2 ** 19)))).rejects.toThrow(NoUpstreamRoomError);
  const other = new Claim(budget);
  expect(() => other.command(["SET", "k", Buffer.alloc(2 ** 19)])).toThrow(NoUpstreamRoomError);
  claim.release();
  expect(budget.usedBytes).toBe(0);
  // A single value may exceed the limit: it has arrived already.
  other.command(["GET", "k"]);
  await other.reply(Promise.resolve(Buffer.alloc(2 ** 21)));
  expect(other.reply(Promise.resolve(Buffer.alloc(1)))).rejects.toThrow(NoUpstreamRoomError);
  other.release();
  // What arrives after the end is not claimed.
  await other.reply(Promise.resolve(Buffer.alloc(100)));
  expect(budget.usedBytes).toBe(0);
});

test("commands of a body are claimed once its own claim has ended", async () => {
  const budget = new ByteBudget(allocateBudget(1), 0, 2 ** 20);
  const bodyBytes = 600_000;
  budget.resize(0, bodyBytes);
  const claim = new Claim(budget);
  expect(claim.tryCommand(bodyBytes)).toBe(false);
  const claiming = claim.commandsOfBody([["SET", "k", Buffer.alloc(bodyBytes)]]);
  budget.resize(bodyBytes, 0);
  await claiming;
  expect(budget.usedBytes).toBeGreaterThan(bodyBytes);
  const other = new Claim(budget);
  const refused = other.commandsOfBody([["SET", "k", Buffer.alloc(bodyBytes)]]);
  await expect(refused).rejects.toThrow(NoUpstreamRoomError);
  claim.release();
  other.release();
  expect(budget.usedBytes).toBe(0);
});

test("tracing channels say whether they have subscribers", () => {
  completeTracingChannels();
  const channel: { readonly hasSubscribers?: boolean } & ReturnType<typeof tracingChannel> =
    tracingChannel("ringcache-test");
  expect(channel.hasSubscribers).toBe(false);
  const onError = (): void => {};
  channel.error.subscribe(onError);
  expect(channel.hasSubscribers).toBe(true);
  channel.error.unsubscribe(onError);
  expect(channel.hasSubscribers).toBe(false);
});

test.each([
  ["lost", true],
  ["timeout", true],
  ["not run", false],
] as const)(
  "the error of a command that was %p tells whether a write is stored",
  (reason, isOpen) => {
    const error = new UnreachableError("gone", reason);
    expect(error.toText()).toBe("the upstream cannot be reached (gone)");
    const tail = isOpen ? "; the write may or may not have been stored" : "";
    expect(error.ofWrite().toText()).toBe(`the upstream cannot be reached (gone)${tail}`);
  },
);
