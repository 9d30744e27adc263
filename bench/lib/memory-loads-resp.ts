// Loads of bench memory on the Redis port.

import type { MemoryLoad } from "./memory-load.ts";
import { command, type Peer, openPeers, SECONDS, until } from "./memory-peer.ts";

const KB = 2 ** 10;
const MB = 2 ** 20;

/** Options without which a load would be refused before it costs anything. */
const NONE: readonly string[] = [];

/** Connections that send commands, each the next one once the last is answered, for some seconds. */
function loop(
  name: string,
  connections: number,
  next: (count: number, peer: number) => Uint8Array,
  options: readonly string[] = NONE,
): MemoryLoad {
  return {
    name,
    options,
    connections,
    async run({ resp }) {
      await using peers = await openPeers(resp, connections);
      const endMs = performance.now() + SECONDS * 1000;
      let count = 0;
      const onAnswer = (peer: Peer) => {
        if (performance.now() < endMs) peer.send(next(count++, peer.number));
      };
      for (const peer of peers.all) {
        peer.onData = onAnswer;
        onAnswer(peer);
      }
      await until(endMs);
    },
  };
}

/** Connections that send this once, read nothing, and stay for some seconds. */
function unread(
  name: string,
  connections: number,
  bytes: (peer: number) => Uint8Array,
  before: readonly Uint8Array[] = [],
  options: readonly string[] = NONE,
): MemoryLoad {
  return {
    name,
    options,
    connections,
    async run({ resp }) {
      await using first = await openPeers(resp, 1);
      for (const one of before) first.all[0]?.send(one);
      await Bun.sleep(2000);
      await using peers = await openPeers(resp, connections);
      for (const peer of peers.all) {
        peer.pause();
        peer.send(bytes(peer.number));
      }
      await until(performance.now() + SECONDS * 1000);
    },
  };
}

/** 20 values of 1 MiB, for answers of any length. */
const LONG_VALUES = Array.from({ length: 20 }, (_, n) =>
  command("SET", `long${n}`, Buffer.alloc(MB - 64, 120)),
);
const keys = (count: number, of = 1e9) =>
  Array.from({ length: count }, () => `key:${Math.floor(Math.random() * of)}`);
const mset = (count: number, bytes: number) =>
  command("MSET", ...keys(count).flatMap((key) => [key, Buffer.alloc(bytes, 120)]));
const value = (bytes: number) => Buffer.alloc(bytes, 120);
/** Made once: to make them costs more than to send them. */
const MSETS_10K = Array.from({ length: 4 }, () => mset(10_000, 100));
const MSETS_1K = Array.from({ length: 16 }, () => mset(1000, 100));
const MSETS_1MB = Array.from({ length: 2 }, () => mset(30, 1_000_000));
const ofMany = (all: readonly Uint8Array[]) => (count: number) =>
  all[count % all.length] ?? new Uint8Array();
const random = (most: number) => Math.floor(Math.random() * most);
const pipeline = (count: number, one: () => Uint8Array) =>
  Buffer.concat(Array.from({ length: count }, one));

/** Token of the services that ask for one. */
export const TOKEN = "a-token-for-the-bench";
const AUTH: readonly string[] = ["--auth-token", TOKEN];

export const RESP_LOADS: readonly MemoryLoad[] = [
  loop("SET 1 MB, 50 clients", 50, () => command("SET", `k${random(100)}`, value(1_000_000))),
  loop("SET 1 MB, 5 clients", 5, () => command("SET", `k${random(100)}`, value(1_000_000))),
  loop("SET 16 KB, 500 clients", 500, () => command("SET", `k${random(5000)}`, value(16_000))),
  loop("MSET 10,000 x 100 B, 1 client", 1, ofMany(MSETS_10K)),
  loop("MSET 10,000 x 100 B, 4 clients", 4, ofMany(MSETS_10K)),
  loop("MSET 1,000 x 100 B, 4 clients", 4, ofMany(MSETS_1K)),
  loop("DEL of 10,000 keys, 4 clients", 4, () => command("DEL", ...keys(10_000, 1e5))),
  loop("MGET of 10,000 keys, 4 clients", 4, () => command("MGET", ...keys(10_000, 1e5))),
  loop("MSET 30 x 1 MB, 20 clients", 20, ofMany(MSETS_1MB)),
  loop("SET 1 B to 1 MiB, 4 in a pipeline, 4 clients", 4, () =>
    pipeline(4, () =>
      command("SET", `k${random(1e6)}`, value(Math.floor(2 ** (Math.random() * 20)))),
    ),
  ),
  loop("SET 300 B, pipelines of 100, 4 clients", 4, () =>
    pipeline(100, () => command("SET", `k${random(1e7)}`, value(300))),
  ),
  loop("SET 1 B, pipelines of 100, 4 clients", 4, () =>
    pipeline(100, () => command("SET", `k${random(1e8)}`, "x")),
  ),
  loop("SET PX, up to 200 B, pipelines of 100, 4 clients", 4, () =>
    pipeline(100, () => command("SET", `k${random(1e7)}`, value(random(200)), "PX", "1000")),
  ),
  loop("APPEND and SETRANGE up to 0.9 MB, 4 clients", 4, () =>
    pipeline(4, () =>
      Math.random() < 0.9
        ? command("APPEND", `k${random(50)}`, value(random(10_000)))
        : command("SETRANGE", `k${random(50)}`, `${random(900_000)}`, value(100)),
    ),
  ),
  loop("SETRANGE to 1 MiB, 4 clients", 4, () =>
    pipeline(4, () => command("SETRANGE", `k${random(1e5)}`, `${random(MB - 100)}`, "x")),
  ),
  loop("random commands, arguments of 1 MB, 3 clients", 3, (count) =>
    command(
      ["ECHO", "GETSET", "APPEND", "NOSUCH", "SETEX"][count % 5] ?? "",
      "k",
      value(1_000_000),
    ),
  ),
  loop("inline commands of 60 KB, 4 clients", 4, () =>
    Buffer.from(`SET k${random(1e5)} ${"x".repeat(60_000)}\r\n`),
  ),
  loop("GET 1 MiB, RESP3, 20 clients", 20, (count) =>
    count < 20
      ? Buffer.concat([command("HELLO", "3"), ...LONG_VALUES])
      : command("GET", `long${random(20)}`),
  ),
  {
    name: "CLIENT REPLY OFF, MGET of 20 MiB, 4 clients",
    options: NONE,
    connections: 4,
    async run({ resp }) {
      await using peers = await openPeers(resp, 4);
      const mget = command("MGET", ...Array.from({ length: 20 }, (_, n) => `long${n}`));
      for (const peer of peers.all) {
        peer.send(Buffer.concat([command("CLIENT", "REPLY", "OFF"), ...LONG_VALUES]));
        peer.send(Buffer.concat(Array.from({ length: 50 }, () => mget)));
      }
      await until(performance.now() + SECONDS * 1000);
    },
  },
  unread("MGET of 60 MB that never ends, 30 clients", 30, () =>
    command("MGET", ...keys(60_000), value(58 * MB)).subarray(0, -100),
  ),
  unread("MGET of 60 MB of short keys that never ends, 30 clients", 30, () =>
    Buffer.concat([
      Buffer.from("*2000000\r\n$4\r\nMGET\r\n"),
      Buffer.alloc(6 * 1_000_000, "$0\r\n\r\n"),
    ]),
  ),
  unread(
    "MGET of 60 MiB, unread, 20 clients",
    20,
    () => command("MGET", ...Array.from({ length: 60 }, (_, n) => `long${n % 20}`)),
    LONG_VALUES,
  ),
  unread(
    "MGET of 12 MiB, unread, 20 clients",
    20,
    () => command("MGET", ...Array.from({ length: 12 }, (_, n) => `long${n}`)),
    LONG_VALUES,
  ),
  unread(
    "10,000 GET of 1 MiB, unread, 20 clients",
    20,
    (peer) => pipeline(10_000, () => command("GET", `long${peer}`)),
    LONG_VALUES,
  ),
  unread(
    "1,000 GET of 1 MiB, unread, 200 clients",
    200,
    () => pipeline(1000, () => command("GET", `long${random(20)}`)),
    LONG_VALUES,
  ),
  unread("half a command of 60 KB, 3,000 clients", 3000, () =>
    command("SET", "k", value(60 * KB)).subarray(0, -100),
  ),
  unread("half a command of 15 KB, 5,000 clients", 5000, () =>
    command("SET", "k", value(15 * KB)).subarray(0, -100),
  ),
  unread("idle, 5,000 clients", 5000, () => command("PING")),
  unread(
    "9 x 16 KB without a token, 3,000 clients",
    3000,
    () => command(...Array.from({ length: 9 }, () => value(16_000)), "x").subarray(0, -20),
    [],
    AUTH,
  ),
  unread(
    "9 x 1 KB without a token, 3,000 clients",
    3000,
    () =>
      command("HELLO", "3", ...Array.from({ length: 6 }, () => value(1000)), value(500)).subarray(
        0,
        -20,
      ),
    [],
    AUTH,
  ),
  unread(
    "PING without a token, unread, 500 clients",
    500,
    () => pipeline(200_000, () => Buffer.from("PING\r\n")),
    [],
    AUTH,
  ),
  loop(
    "AUTH with arguments of 1 KB, 100 clients",
    100,
    () => command("AUTH", "default", value(1024)),
    AUTH,
  ),
];
