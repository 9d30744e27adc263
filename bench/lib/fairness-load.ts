// One load of bench fairness, in a process of its own: `bun fairness-load.ts LOAD HTTP-PORT RESP-PORT
// SECONDS`. It prepares the load and prints a line. For each line of its input it repeats the load for
// SECONDS, and prints the number of repetitions.

import type { Socket } from "bun";

const MARK = "the answers end here";
const KEYS = 100_000;
const LARGE_BYTES = 31 * 2 ** 20;

interface Load {
  readonly prepare?: () => Promise<unknown>;
  readonly run: () => Promise<unknown>;
}

const [name = "", http = "0", resp = "0", seconds = "1"] = Bun.argv.slice(2);
const url = `http://127.0.0.1:${http}`;

const commandBytes = (...words: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat([
    Buffer.from(`*${words.length}\r\n`),
    ...words.flatMap((word) => [
      Buffer.from(`$${Buffer.byteLength(word)}\r\n`),
      Buffer.from(word),
      Buffer.from("\r\n"),
    ]),
  ]);

/** A connection of the Redis protocol, which drops its answers. */
class Client {
  readonly #socket: Socket;
  #unsent = Buffer.alloc(0);
  #tail = "";
  #ended: PromiseWithResolvers<void> | undefined;

  static async connect(): Promise<Client> {
    const made = Promise.withResolvers<Client>();
    let client: Client | undefined;
    await Bun.connect({
      hostname: "127.0.0.1",
      port: Number(resp),
      socket: {
        open(socket) {
          client = new Client(socket);
          made.resolve(client);
        },
        data: (_socket, chunk) => client?.read(chunk),
        drain: () => client?.write(),
        close: () => client?.closed(),
      },
    });
    return made.promise;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Resolves when the last answer is there. */
  send(...commands: readonly Buffer[]): Promise<void> {
    this.#ended = Promise.withResolvers();
    this.#unsent = Buffer.concat([...commands, commandBytes("ECHO", MARK)]);
    this.write();
    return this.#ended.promise;
  }

  write(): void {
    const sent = this.#socket.write(this.#unsent);
    this.#unsent = this.#unsent.subarray(Math.max(0, sent));
  }

  read(chunk: Buffer): void {
    const error = /^-[A-Z]+ .*/.exec(chunk.toString("latin1", 0, 200))?.[0];
    if (error !== undefined) this.#ended?.reject(new Error(error));
    this.#tail = (this.#tail + chunk.toString("latin1", Math.max(0, chunk.length - 64))).slice(-64);
    if (!this.#tail.endsWith(`${MARK}\r\n`)) return;
    this.#tail = "";
    this.#ended?.resolve();
  }

  closed(): void {
    this.#ended?.reject(new Error("the service has closed the connection"));
  }
}

/** Options of the service under this load; the bench itself reads only the names. */
let client: Client;
const times = (count: number, ...words: string[]): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => commandBytes(...words)));
const keys = Array.from({ length: KEYS }, (_, n) => `key:${n}`);

/** Puts `count` keys. */
async function fill(count: number): Promise<void> {
  for (let first = 0; first < count; first += 1000) {
    const pairs = Array.from({ length: 1000 }, (_, n) => [`key:${first + n}`, "v"]).flat();
    await client.send(commandBytes("MSET", ...pairs));
  }
}

const pipeline = (count: number, ...words: string[]): Load => {
  const bytes = times(count, ...words);
  return { run: () => client.send(bytes) };
};

/** Commands that are sent once the service holds `count` keys. */
const overKeys = (count: number, ...words: string[]): Load => ({
  prepare: () => fill(count),
  run: () => client.send(commandBytes(...words)),
});

async function scanAll(pattern: string): Promise<void> {
  for (let cursor = 0n; cursor < 2n ** 40n; cursor += 2n ** 32n) {
    await client.send(commandBytes("SCAN", `${cursor}`, "MATCH", pattern, "COUNT", "1000000"));
  }
}

/** A load beside idle connections of the Redis port. */
const beside = (count: number, run: () => Promise<unknown>): Load => ({
  prepare: async () => {
    for (let n = 0; n < count; n++) await Client.connect();
  },
  run,
});

const large = (...words: string[]): Load => ({
  prepare: () => client.send(commandBytes("SET", "large", Buffer.alloc(LARGE_BYTES, "x"))),
  run: () => client.send(commandBytes(...words)),
});

async function ask(path: string, body?: string): Promise<void> {
  const init = body === undefined ? {} : { method: "POST", body };
  const response = await fetch(url + path, init);
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`${path}: ${response.status}`);
}
const asked = (path: string, body?: string): Load => ({ run: () => ask(path, body) });

const pairs = () => keys.flatMap((key) => [key, "v"]);
const some = keys.slice(0, 10_000);
const stars = `${"*".repeat(100_000)}x`;
/** 1,024 bytes that take the matcher as long as any. */
const pattern = `*${"?".repeat(1000)}*${"k*".repeat(11)}`;

const LOADS: Readonly<Record<string, () => Load>> = {
  "idle machine": () => ({ run: () => Bun.sleep(100) }),
  "KEYS of 100,000 stars, 100,000 keys": () => overKeys(KEYS, "KEYS", stars),
  "KEYS of a pattern of 1,024 bytes, 1,000,000 keys": () => overKeys(1_000_000, "KEYS", pattern),
  "KEYS *, 1,000,000 keys": () => overKeys(1_000_000, "KEYS", "*"),
  "SCAN MATCH of the same, 1,000,000 keys": () => ({
    prepare: () => fill(1_000_000),
    run: () => scanAll(pattern),
  }),
  "200 CLIENT INFO, 4,000 connections": () =>
    beside(4000, () => client.send(times(200, "CLIENT", "INFO"))),
  "200 CLIENT LIST, 4,000 connections": () =>
    beside(4000, () => client.send(times(200, "CLIENT", "LIST"))),
  "200 CLIENT KILL ID, 4,000 connections": () =>
    beside(4000, () => client.send(times(200, "CLIENT", "KILL", "ID", "1000000000"))),
  "20,000 INFO": () => pipeline(20_000, "INFO"),
  "2,000 COMMAND": () => pipeline(2000, "COMMAND"),
  "20,000 INCRBYFLOAT f 1e4900": () => pipeline(20_000, "INCRBYFLOAT", "f", "1e4900"),
  "1,000 KEYS nope, 100,000 keys": () => ({
    prepare: () => fill(KEYS),
    run: pipeline(1000, "KEYS", "nope").run,
  }),
  "CONFIG GET of 100,000 patterns": () =>
    pipeline(1, "CONFIG", "GET", ...keys.map((key) => `*${key}*`)),
  "CONFIG SET of 50,000 parameters": () =>
    pipeline(1, "CONFIG", "SET", ...keys.flatMap(() => ["tcp-keepalive", "300"])),
  "COMMAND INFO of 100,000 names": () => pipeline(1, "COMMAND", "INFO", ...keys.map(() => "get")),
  "COMMAND DOCS of 100,000 names": () => pipeline(1, "COMMAND", "DOCS", ...keys.map(() => "get")),
  "SCAN with 100,000 MATCH": () =>
    pipeline(1, "SCAN", "0", ...keys.flatMap(() => ["MATCH", pattern.slice(0, 100)])),
  "CLIENT KILL with 100,000 filters, 4,000 connections": () =>
    beside(4000, () =>
      client.send(commandBytes("CLIENT", "KILL", ...keys.flatMap(() => ["ADDR", "1.1.1.1:1"]))),
    ),
  "CLIENT LIST ID of 100,000, 4,000 connections": () =>
    beside(4000, () =>
      client.send(commandBytes("CLIENT", "LIST", "ID", ...keys.map((_, n) => `${n + 1}`))),
    ),
  "INFO of 100,000 sections": () => pipeline(1, "INFO", ...keys),
  "SET with 100,000 options": () => pipeline(1, "SET", "k", "v", ...keys.map(() => "KEEPTTL")),
  "DEL of 100,000 keys": () => ({
    run: async () => {
      await fill(KEYS);
      await client.send(commandBytes("DEL", ...keys));
    },
  }),
  "UNLINK of 100,000 keys": () => pipeline(1, "UNLINK", ...keys),
  "EXISTS of 100,000 keys": () => overKeys(KEYS, "EXISTS", ...keys),
  "TOUCH of 100,000 keys": () => overKeys(KEYS, "TOUCH", ...keys),
  "MGET of 100,000 keys": () => overKeys(KEYS, "MGET", ...keys),
  "MSET of 100,000 keys": () => pipeline(1, "MSET", ...pairs()),
  "MSET of 5,000 keys": () => pipeline(1, "MSET", ...pairs().slice(0, 10_000)),
  "MSETNX of 5,000 keys": () => pipeline(1, "MSETNX", ...pairs().slice(0, 10_000)),
  "FLUSHALL of 1,000,000 entries": () => ({
    run: async () => {
      await fill(1_000_000);
      await client.send(commandBytes("FLUSHALL"));
    },
  }),
  "/stats": () => asked("/stats"),
  "/ring": () => asked("/ring"),
  "/metrics": () => asked("/metrics"),
  "/mput of 10,000 entries": () =>
    asked("/mput", JSON.stringify({ entries: some.map((key) => ({ key, value: "v" })) })),
  "/mget of 10,000 keys": () => asked("/mget", JSON.stringify({ keys: some })),
  "9,000 idle connections": () => beside(9000, () => Bun.sleep(100)),
};

/** Against a service that takes values of 32 MB. */
const LARGE_LOADS: Readonly<Record<string, () => Load>> = {
  "GET of 31 MB": () => large("GET", "large"),
  "SET of 31 MB": () => large("SET", "large", "x".repeat(LARGE_BYTES)),
  "STRLEN of 31 MB": () => large("STRLEN", "large"),
  "GETRANGE of 31 MB": () => large("GETRANGE", "large", "0", "9"),
  "EXPIRE of 31 MB": () => large("EXPIRE", "large", "1000"),
  "APPEND to 31 MB": () => large("APPEND", "large", "x"),
  "SETRANGE in 31 MB": () => large("SETRANGE", "large", "10", "x"),
};

export const LOAD_NAMES = Object.keys(LOADS);
export const LARGE_LOAD_NAMES = Object.keys(LARGE_LOADS);

if (import.meta.main) {
  const load = (LOADS[name] ?? LARGE_LOADS[name])?.();
  if (load === undefined) throw new Error(`no load "${name}"`);
  client = await Client.connect();
  await load.prepare?.();
  console.log("ready");
  for await (const _start of Bun.stdin.stream()) {
    const endMs = performance.now() + Number(seconds) * 1000;
    let runs = 0;
    do {
      await load.run();
      runs++;
    } while (performance.now() < endMs);
    console.log(runs);
  }
  process.exit(0);
}
