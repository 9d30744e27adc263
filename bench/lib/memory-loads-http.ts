// Loads of bench memory on the HTTP port.

import type { Socket } from "bun";

import type { MemoryLoad } from "./memory-load.ts";

const SECONDS = 6;
const MB = 1_000_000;
const LONG_VALUES = ["--max-value-length", `${MB}`];

/** Sends one body again and again over `connections` connections: for some seconds, or a fixed number of times. */
interface Sending {
  readonly name: string;
  readonly path: string;
  readonly body: () => string;
  readonly connections?: number;
  readonly options?: readonly string[];
  readonly isChunked?: boolean;
  /** Requests, in the place of some seconds. */
  readonly times?: number;
}

function sending(load: Sending): MemoryLoad {
  const { name, path, connections = 1, options = [], isChunked = false, times = Infinity } = load;
  return {
    ...{ name, options, connections },
    async run({ http }) {
      const body = Buffer.from(load.body());
      const endMs = performance.now() + SECONDS * 1000;
      const client = async (): Promise<void> => {
        for (let n = 0; n < times && performance.now() < endMs; n++) {
          const sent = isChunked ? streamOf(body) : body;
          const url = `http://127.0.0.1:${http}${path}`;
          // A connection that the service closes is no failure of a load.
          const answer = await fetch(url, { method: "POST", body: sent }).catch(() => undefined);
          await answer?.arrayBuffer().catch(() => undefined);
        }
      };
      await Promise.all(Array.from({ length: connections }, client));
    },
  };
}

/** A body whose length is not known to `fetch`, which sends it in chunks then. */
function streamOf(body: Buffer): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(body.subarray(at, at + 65_536));
      at += 65_536;
      if (at >= body.length) controller.close();
    },
  });
}

/** Connections that send something, and then neither send nor read for some seconds. */
interface Holding {
  readonly name: string;
  readonly connections: number;
  readonly bytes: string;
  readonly options?: readonly string[];
  /** An entry to put first. */
  readonly entry?: { readonly key: string; readonly value: string; readonly encoding?: string };
}

function holding({ name, connections, bytes, options = [], entry }: Holding): MemoryLoad {
  return {
    ...{ name, options, connections },
    async run({ http }) {
      if (entry !== undefined) {
        const body = JSON.stringify(entry);
        await fetch(`http://127.0.0.1:${http}/put`, { method: "POST", body });
      }
      const sockets: Socket[] = [];
      for (let n = 0; n < connections; n++) {
        const socket = await Bun.connect({
          ...{ hostname: "127.0.0.1", port: http },
          socket: { data() {}, error() {} },
        });
        socket.pause();
        socket.write(bytes);
        sockets.push(socket);
      }
      await Bun.sleep((SECONDS * 1000) / 2);
      for (const socket of sockets) socket.terminate();
    },
  };
}

const entriesOf = (count: number, value: string): string =>
  JSON.stringify({ entries: Array.from({ length: count }, (_, n) => ({ key: `k${n}`, value })) });
const nest = (): string => "[".repeat(2 ** 22);
const bomb = (): string => `{"entries":[${"[],".repeat(1_390_000)}[]]}`;
const members = (): string =>
  `{${Array.from({ length: 330_000 }, (_, n) => `"k${n}":1`).join(",")}}`;
const shapes: readonly Sending[] = [
  { name: "/put of 4 MiB of [, 10 in turn", path: "/put", body: nest, times: 10 },
  { name: "/mput of 1,390,000 arrays, 10 in turn", path: "/mput", body: bomb, times: 10 },
  {
    ...{ name: "the same in chunks", path: "/mput", body: bomb, times: 10, isChunked: true },
  },
  { name: "/put of 4 MiB of [", path: "/put", body: nest },
  { name: "/put of 330,000 members", path: "/put", body: members },
  { name: "/mput of 1,390,000 arrays", path: "/mput", body: bomb },
  { name: "/put of 4 MiB of [, 8 clients", path: "/put", body: nest, connections: 8 },
  { name: "/mput of 1,390,000 arrays, 8 clients", path: "/mput", body: bomb, connections: 8 },
  {
    ...{ name: "/mget of 1,390,000 arrays, 20 in turn", path: "/mget", times: 20 },
    body: () => bomb().replace("entries", "keys"),
  },
  {
    ...{ name: "/put of 16 KB of [, 50 clients", path: "/put", connections: 50 },
    body: () => "[".repeat(16_384),
  },
  {
    ...{ name: "/mput of 10,000 objects with own names, 8 clients", path: "/mput", connections: 8 },
    body: () =>
      JSON.stringify({ entries: Array.from({ length: 10_000 }, (_, n) => ({ [`n${n}`]: n })) }),
  },
  {
    ...{ name: "/put of 4 MiB of escapes, 8 clients", path: "/put", connections: 8 },
    body: () => `{"key":"k","value":"${String.raw`\u0101`.repeat(699_000)}"}`,
  },
  {
    ...{ name: "/put of a number of 4 million digits, 8 clients", path: "/put", connections: 8 },
    body: () => `{"key":"k","value":"v","ttl":${"1".repeat(4_000_000)}}`,
  },
  {
    ...{ name: "/put of 1 MB, 50 clients", path: "/put", connections: 50, options: LONG_VALUES },
    body: () => JSON.stringify({ key: "k", value: "x".repeat(MB) }),
  },
  {
    ...{ name: "/mput of 1 MB, 50 clients", path: "/mput", connections: 50 },
    body: () => entriesOf(8000, "x".repeat(100)),
  },
  {
    ...{ name: "/mput of 4 MiB in chunks, 50 clients", path: "/mput", connections: 50 },
    ...{ body: () => entriesOf(10_000, "x".repeat(250)).padEnd(2 ** 22), isChunked: true },
  },
  {
    ...{ name: "/mget of 10,000 keys, 50 clients", path: "/mget", connections: 50 },
    body: () => JSON.stringify({ keys: Array.from({ length: 10_000 }, (_, n) => `k${n}`) }),
  },
  {
    ...{ name: "a refused body of 4.3 MB, 50 clients", path: "/nowhere", connections: 50 },
    body: () => "x".repeat(4_300_000),
  },
];

const LARGE = { key: "k", value: Buffer.alloc(MB, 1).toString("base64"), encoding: "base64" };
const keys = JSON.stringify({ keys: ["k", "k", "k"] });
const controls: Holding = {
  name: "answers of 6 MB that nobody reads, 100 clients",
  connections: 100,
  bytes: "GET /get?key=k HTTP/1.1\r\nHost: x\r\n\r\n".repeat(8),
  options: LONG_VALUES,
  entry: LARGE,
};
const holdings: readonly Holding[] = [
  controls,
  {
    ...controls,
    name: "answers of 3 MB to /mget that nobody reads, 100 clients",
    bytes: `POST /mget HTTP/1.1\r\nHost: x\r\nContent-Length: ${keys.length}\r\n\r\n${keys}`.repeat(
      8,
    ),
    entry: { key: "k", value: "x".repeat(MB) },
  },
  {
    ...controls,
    name: "answers of 60 KB that nobody reads, 1,000 clients",
    connections: 1000,
    bytes: "GET /get?key=k HTTP/1.1\r\nHost: x\r\n\r\n".repeat(120),
    entry: { key: "k", value: "x".repeat(60_000) },
  },
  {
    name: "bodies of 4 MiB, all but the end, 100 clients",
    connections: 100,
    bytes: `POST /put HTTP/1.1\r\nHost: x\r\nContent-Length: ${2 ** 22}\r\n\r\n${" ".repeat(2 ** 22 - 1)}`,
  },
  { name: "idle, 5,000 clients", connections: 5000, bytes: "" },
  {
    ...{ name: "a head of 15 KB begun, 5,000 clients", connections: 5000 },
    bytes: `GET /get?key=k HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(15_000)}`,
  },
  {
    ...{ name: "a body of 16 KB begun, 5,000 clients", connections: 5000 },
    bytes: `POST /put HTTP/1.1\r\nHost: x\r\nContent-Length: 16384\r\n\r\n${" ".repeat(16_000)}`,
  },
  {
    ...{ name: "/events that nobody reads, 5,000 clients", connections: 5000 },
    bytes: "GET /events HTTP/1.1\r\nHost: x\r\n\r\n",
  },
];

/** Values for the loads below: 1 MB of a letter, and of bytes that JSON escapes. */
const VALUES = [
  { key: "k", value: "x".repeat(MB) },
  { key: "zeros", value: Buffer.alloc(MB).toString("base64"), encoding: "base64" },
  { key: "bytes", value: Buffer.alloc(MB, 200).toString("base64"), encoding: "base64" },
];

/** Puts the values, and then runs the load. */
function withValues(load: MemoryLoad): MemoryLoad {
  return {
    ...load,
    async run(ports) {
      for (const entry of VALUES) {
        const body = JSON.stringify(entry);
        await fetch(`http://127.0.0.1:${ports.http}/put`, { method: "POST", body });
      }
      await load.run(ports);
    },
  };
}

const commandsOf = (count: number, ...words: (string | number)[]): string =>
  JSON.stringify(Array.from({ length: count }, () => words));
const mgetOf = (count: number, key: string): string =>
  JSON.stringify(["MGET", ...Array.from({ length: count }, () => key)]);
const withValuesRun: readonly Sending[] = [
  {
    ...{ name: "/redis/pipeline of 10,000 commands, 20 clients", path: "/redis/pipeline" },
    ...{ body: () => commandsOf(10_000, "SET", "a key", "a value"), connections: 20 },
  },
  {
    ...{ name: "/redis/pipeline of a million commands, 4 clients", path: "/redis/pipeline" },
    ...{ body: () => commandsOf(1_000_000, "PING"), connections: 4 },
    options: ["--max-batch-entries", "1000000", "--max-body-bytes", "16mb"],
  },
  {
    ...{ name: "/redis/pipeline of 1,000 GET of 1 MB, 50 clients", path: "/redis/pipeline" },
    ...{ body: () => commandsOf(1000, "GET", "k"), connections: 50 },
  },
  {
    ...{ name: "/redis/multi-exec of 1,000 GET of 1 MB, 20 clients", path: "/redis/multi-exec" },
    ...{ body: () => commandsOf(1000, "GET", "k"), connections: 20 },
  },
  ...["k", "zeros", "bytes"].map((key) => ({
    ...{ name: `/redis MGET of 7 MB of ${key}, 20 clients`, path: "/redis", connections: 20 },
    body: () => mgetOf(7, key),
  })),
  {
    ...{ name: "/redis MGET of 15 MB of zeros, 4 clients", path: "/redis", connections: 4 },
    body: () => mgetOf(15, "zeros"),
  },
  {
    ...{
      name: "/redis EVAL that returns 7 MB of zeros, 8 clients",
      path: "/redis",
      connections: 8,
    },
    body: () => JSON.stringify(["EVAL", "return string.rep(string.char(0), 7000000)", 0]),
  },
];

/** PUT and GET of raw values. */
function raw(name: string, connections: number, bytes: number, tags: string): MemoryLoad {
  return {
    ...{ name, connections, options: [] },
    async run({ http }) {
      const body = Buffer.alloc(bytes, 120);
      const endMs = performance.now() + SECONDS * 1000;
      const client = async (_: unknown, number: number): Promise<void> => {
        for (let n = 0; performance.now() < endMs; n++) {
          const url = `http://127.0.0.1:${http}/cache/${number}-${n % 10}`;
          const headers = { "cache-tag": tags, "content-type": `text/plain; n=${n}` };
          const put = await fetch(url, { method: "PUT", body, headers }).catch(() => undefined);
          await put?.arrayBuffer().catch(() => undefined);
          const got = await fetch(url).catch(() => undefined);
          await got?.arrayBuffer().catch(() => undefined);
        }
      };
      await Promise.all(Array.from({ length: connections }, client));
    },
  };
}
const TAGS = Array.from({ length: 16 }, (_, n) => `${n}`.padEnd(256, "x")).join(",");

const unreadValues: readonly Holding[] = [
  {
    name: "values of 1 MB from /cache that nobody reads, 200 clients",
    ...{ connections: 200, entry: { key: "k", value: "x".repeat(MB) } },
    bytes: "GET /cache/k HTTP/1.1\r\nHost: x\r\n\r\n".repeat(8),
  },
  {
    name: "requests that wait for a lease, 2,000 clients",
    connections: 2000,
    bytes:
      "GET /get?key=missing&lease=3600 HTTP/1.1\r\nHost: x\r\n\r\n" +
      `GET /get?key=${"x".repeat(200)}&lease=3600&wait=60 HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(2),
  },
];

export const HTTP_LOADS: readonly MemoryLoad[] = [
  ...shapes.map(sending),
  ...holdings.map(holding),
  ...withValuesRun.map((load) => withValues(sending(load))),
  ...unreadValues.map(holding),
  raw("/cache with values of 1 MB, 20 clients", 20, MB, ""),
  raw("/cache with 16 tags of 256 B, 50 clients", 50, 100, TAGS),
];
