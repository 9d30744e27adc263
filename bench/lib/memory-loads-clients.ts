// Loads of bench memory: transactions, messages, tracking, scripts and leases of Redis clients.

import type { MemoryLoad } from "./memory-load.ts";
import { command, type Peer, openPeers, SECONDS, until } from "./memory-peer.ts";

const MB = 2 ** 20;

/** Commands, and about the bytes, that a load sends before it makes the next ones. */
const BLOCK_COMMANDS = 2000;
const BLOCK_BYTES = 2 * MB;

interface Steps {
  readonly name: string;
  readonly connections: number;
  readonly options?: readonly string[];
  /** Each peer sends them in order; each function returns the next bytes until it returns undefined. */
  readonly blocks: (peer: number) => Iterator<Uint8Array, unknown>;
  /** The peers with these numbers do not read after their first reply. */
  readonly unread?: (peer: number) => boolean;
  readonly seconds?: number;
}

/** Connections that send blocks as fast as the service takes them, and read the replies or not. */
function steps(load: Steps): MemoryLoad {
  const { name, options = [], connections, blocks, unread = () => false, seconds = SECONDS } = load;
  return {
    ...{ name, options, connections },
    async run({ resp }) {
      await using peers = await openPeers(resp, connections);
      const endMs = performance.now() + seconds * 1000;
      const run = async (peer: Peer): Promise<void> => {
        const iterator = blocks(peer.number);
        if (unread(peer.number)) peer.pause();
        while (performance.now() < endMs) {
          const { value, done } = iterator.next();
          if (done === true || !(value instanceof Uint8Array)) return;
          peer.send(value);
          await peer.sent();
        }
      };
      await Promise.race([Promise.all(peers.all.map(run)), until(endMs)]);
      await until(endMs);
    },
  };
}

const value = (bytes: number): Buffer => Buffer.alloc(bytes, 120);
const random = (most: number): number => Math.floor(Math.random() * most);

/** `total` commands in blocks. */
function* many(total: number, one: (n: number) => Uint8Array): Generator<Uint8Array> {
  const most = Math.max(1, Math.min(BLOCK_COMMANDS, Math.floor(BLOCK_BYTES / one(0).length)));
  for (let n = 0; n < total; n += most) {
    const count = Math.min(most, total - n);
    yield Buffer.concat(Array.from({ length: count }, (_, more) => one(n + more)));
  }
}

function* transaction(commands: number): Generator<Uint8Array> {
  yield command("MULTI");
  yield* many(commands, (n) => command("INCR", `counter:${n}`));
  yield command("EXEC");
}

function* again(make: () => Iterable<Uint8Array>): Generator<Uint8Array> {
  for (;;) yield* make();
}

/** The first peers subscribe, the others publish. */
function* chat(peer: number, subscribers: number, names: number, bytes: number) {
  const channel = (n: number) => `channel:${n % names}`;
  if (peer < subscribers) {
    for (let n = 0; n < names; n += 100) {
      const some = Array.from({ length: Math.min(100, names - n) }, (_, more) => channel(n + more));
      yield command("SUBSCRIBE", ...some);
    }
    return;
  }
  yield* many(1e9, (n) => command("PUBLISH", channel(n), value(bytes)));
}

const scripts: readonly (readonly [name: string, script: string])[] = [
  ["that allocate for ever", "local t = {} local n = 0 while true do n = n + 1 t[n] = {n} end"],
  ["that build a long string", "local s = 'x' while true do s = s .. s end"],
  ["that build a string of 50 MB at once", "return #string.rep('x', 50000000)"],
  ["that print for ever", "while true do redis.log(redis.LOG_WARNING, string.rep('x', 1000)) end"],
  ["that return 8 MB", "return string.rep('x', 8000000)"],
  ["that return a million numbers", "local t = {} for n = 1, 1000000 do t[n] = n end return t"],
  ["that recurse for ever", "local function f(n) return 1 + f(n + 1) end return f(1)"],
  ["that keep 3 MB", "local t = {} for n = 1, 60000 do t[n] = {n} end return #t"],
  [
    "that ask for 8 MB again and again",
    "redis.call('set', 'big', string.rep('x', 1000000)) for n = 1, 1000 do redis.call('get', 'big') end",
  ],
];

export const CLIENT_LOADS: readonly MemoryLoad[] = [
  steps({
    name: "a transaction of 1,000,000 commands",
    connections: 1,
    blocks: () => transaction(1e6),
  }),
  steps({
    ...{ name: "transactions of 300,000 commands, 200 clients", connections: 200, seconds: 15 },
    blocks: () => transaction(300_000),
  }),
  steps({
    ...{ name: "transactions of 1,000 commands, 200 clients", connections: 200 },
    blocks: () => again(() => transaction(1000)),
  }),
  steps({
    ...{ name: "transactions begun with 200 bytes, 5,000 clients", connections: 5000 },
    blocks: () => [Buffer.concat([command("MULTI"), command("SET", "k", value(200))])].values(),
  }),
  steps({
    ...{
      name: "EXEC of 1,000 GET of 1 MB, unread, 20 clients",
      connections: 20,
      unread: () => true,
    },
    blocks: () =>
      [
        command("SET", "k", value(1_000_000)),
        command("MULTI"),
        Buffer.concat(Array.from({ length: 1000 }, () => command("GET", "k"))),
        command("EXEC"),
      ].values(),
  }),
  steps({
    ...{ name: "WATCH of 10,000 keys of 500 B, 200 clients", connections: 200 },
    blocks: (peer) => many(10_000, (n) => command("WATCH", `${peer}:${n}`.padEnd(500, "x"))),
  }),
  steps({
    ...{ name: "300,000 channels, unread, 1 client", connections: 1, unread: () => true },
    blocks: (peer) => chat(peer, 1, 300_000, 0),
  }),
  steps({
    ...{ name: "1,000,000 subscriptions, 100 clients", connections: 100 },
    blocks: (peer) => many(10_000, (n) => command("SUBSCRIBE", `channel:${peer}:${n}`)),
  }),
  steps({
    ...{ name: "10,000 patterns, 100 clients", connections: 100 },
    blocks: (peer) => many(100, (n) => command("PSUBSCRIBE", `channel:*[a-z]?${peer}*${n}*`)),
  }),
  steps({
    ...{ name: "messages of 100 KB, 100 subscribers that do not read", connections: 104 },
    ...{ blocks: (peer) => chat(peer, 100, 1, 100_000), unread: (peer) => peer < 100 },
  }),
  steps({
    ...{ name: "messages of 100 B, 1,000 subscribers that do not read", connections: 1004 },
    ...{ blocks: (peer) => chat(peer, 1000, 50, 100), unread: (peer) => peer < 1000 },
  }),
  steps({
    ...{ name: "messages of 1 MB, 20 subscribers", connections: 24 },
    blocks: (peer) => chat(peer, 20, 1, 1_000_000),
  }),
  steps({
    ...{ name: "tracking of 1,000,000 keys, unread", connections: 3, unread: (peer) => peer === 0 },
    blocks: (peer) =>
      peer === 0
        ? [
            command("HELLO", "3"),
            command("CLIENT", "TRACKING", "ON"),
            ...many(1e6, (n) => command("GET", `k${n}`)),
          ].values()
        : again(() => many(1e6, (n) => command("SET", `k${n}`, "x"))),
    seconds: 8,
  }),
  steps({
    ...{ name: "tracking of the same 10,000 keys, 500 clients", connections: 501, seconds: 8 },
    blocks: (peer) =>
      peer > 0
        ? [
            command("HELLO", "3"),
            command("CLIENT", "TRACKING", "ON"),
            ...many(10_000, (n) => command("GET", `k${n}`)),
          ].values()
        : again(() => many(10_000, (n) => command("SET", `k${n}`, "x"))),
  }),
  steps({
    ...{ name: "broadcast tracking of 200 prefixes, 200 clients", connections: 204, seconds: 8 },
    blocks: (peer) =>
      peer < 200
        ? [
            command("HELLO", "3"),
            command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a".repeat(peer + 1)),
          ].values()
        : many(1e9, (n) => command("SET", "a".repeat(200) + n, "x")),
    unread: (peer) => peer < 100,
  }),
  steps({
    ...{ name: "broadcast tracking, 4,000 clients that wait", connections: 4004, seconds: 10 },
    blocks: (peer) =>
      peer < 4000
        ? [
            command("HELLO", "3"),
            command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "k"),
            command("RC.GET", "lease", "LEASE", "60", "WAIT", "60"),
          ].values()
        : many(1e9, () => command("SET", `k${random(1e6)}`, "x")),
  }),
  steps({
    ...{
      name: "MONITOR that is not read, 50 clients",
      connections: 54,
      unread: (peer) => peer < 50,
    },
    blocks: (peer) =>
      peer < 50
        ? [command("MONITOR")].values()
        : many(1e9, () => command("SET", `k${random(1000)}`, value(100))),
  }),
  steps({
    ...{ name: "MONITOR of commands of 1 MB, 20 clients", connections: 24 },
    blocks: (peer) =>
      peer < 20
        ? [command("MONITOR")].values()
        : again(() => [command("SET", "k", value(1_000_000))]),
  }),
  ...scripts.map(([name, script]) =>
    steps({
      ...{ name: `scripts ${name}, 8 clients`, connections: 8, seconds: 8 },
      options: ["--script-timeout", "1"],
      blocks: () => again(() => [command("EVAL", script, "0")]),
    }),
  ),
  steps({
    ...{ name: "EVAL of 1,000,000 scripts, 8 clients", connections: 8, seconds: 10 },
    blocks: (peer) => many(1e6, (n) => command("EVAL", `return ${peer * 1e7 + n}`, "0")),
  }),
  steps({
    ...{ name: "SCRIPT LOAD of scripts of 100 KB, 8 clients", connections: 8 },
    blocks: (peer) =>
      again(() => [
        command("SCRIPT", "LOAD", `return '${"x".repeat(100_000)}${peer}${random(1e9)}'`),
      ]),
  }),
  steps({
    ...{ name: "EVAL with arguments of 4 MB, 8 clients", connections: 8 },
    blocks: () =>
      again(() => [
        command("EVAL", "return #ARGV", "0", ...Array.from({ length: 4 }, () => value(MB))),
      ]),
  }),
  steps({
    ...{ name: "1,000,000 open leases, 4 clients", connections: 4, seconds: 10 },
    blocks: (peer) => many(250_000, (n) => command("RC.GET", `${peer}:${n}`, "LEASE", "3600")),
  }),
  steps({
    ...{ name: "4,096 waiters for 4,000 keys of 900 B", connections: 4200, seconds: 8 },
    blocks: (peer) => {
      const key = `${peer % 4000}`.padEnd(900, "x");
      return [
        command("RC.GET", key, "LEASE", "3600"),
        command("RC.GET", key, "LEASE", "3600", "WAIT", "60"),
      ].values();
    },
  }),
  steps({
    ...{ name: "RC.SET with 16 tags of 256 B, 4 clients", connections: 4, seconds: 10 },
    blocks: () =>
      many(1e9, (n) => {
        const tags = Array.from({ length: 16 }, (_, tag) => `${n}:${tag}`.padEnd(256, "x"));
        return command("RC.SET", `k${random(1e6)}`, "x", "EX", "60", "TAGS", "16", ...tags);
      }),
  }),
  {
    name: "4,000 waiters whose connections close, again and again",
    options: [],
    connections: 4000,
    async run({ resp }) {
      const endMs = performance.now() + 10_000;
      while (performance.now() < endMs) {
        await using peers = await openPeers(resp, 1000);
        const wait = command("RC.GET", "lease", "LEASE", "3600", "WAIT", "60");
        for (const peer of peers.all) peer.send(wait);
        await Bun.sleep(100);
      }
    },
  },
];
