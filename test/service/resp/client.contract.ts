// The common uses of a cache through a client library. Each library must pass all of them.

import { describe, expect, test } from "bun:test";

import { type RedisService, serveRedis } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";

/** The calls of a library under common names. A failed command rejects with the server's text. */
export interface Client extends AsyncDisposable {
  set(key: string, value: string | Uint8Array, seconds?: number): Promise<unknown>;
  get(key: string): Promise<string | null>;
  getBytes(key: string): Promise<Uint8Array | null>;
  ttl(key: string): Promise<number>;
  incr(key: string): Promise<number>;
  /** Returns the number of deleted keys. */
  del(...keys: string[]): Promise<number>;
  mset(entries: Readonly<Record<string, string>>): Promise<unknown>;
  mget(keys: string[]): Promise<(string | null)[]>;
  /** All keys that match, found by SCAN. */
  scan(pattern: string): Promise<string[]>;
  /** Sends all commands at once. Returns the replies in order. */
  pipeline(commands: readonly string[][]): Promise<unknown[]>;
  /** Sends a transaction. Returns the replies in order, errors included; null if it was aborted. */
  transaction(commands: readonly string[][]): Promise<unknown[] | null>;
  /** Resolves once the server has confirmed the subscription. */
  subscribe(channel: string, listener: (message: string) => void): Promise<void>;
  /** Runs any command. Returns the reply as text. */
  call(command: string, ...args: string[]): Promise<string>;
}

export interface Library {
  readonly name: string;
  /** The version of the protocol. */
  readonly version: 2 | 3;
  connect(port: number, database?: number): Promise<Client>;
}

type Run = (name: string, body: () => Promise<void>) => void;

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);

/** `run` skips the tests if the library is not installed. */
export function describeClient(library: Library, run: Run = test): void {
  describe(`${library.name}, version ${library.version}`, () => {
    const contract = (
      name: string,
      body: (client: Client, service: RedisService) => Promise<void>,
    ) =>
      run(name, async () => {
        await using service = serveRedis();
        await using client = await library.connect(service.port);
        await body(client, service);
        expect(service.events).toEqual([]);
      });

    contract("uses the configured protocol version", async (client) => {
      expect(await client.call("PING")).toBe("PONG");
      expect(await client.call("CLIENT", "INFO")).toContain(` resp=${library.version} `);
    });

    contract("gets a value that it has set, and null for a missing key", async (client) => {
      await client.set("k", "välue 🎉\r\n");
      expect(await client.get("k")).toBe("välue 🎉\r\n");
      await client.set("k", "");
      expect(await client.get("k")).toBe("");
      expect(await client.get("missing")).toBeNull();
    });

    contract("reads the lifetime that it has set", async (client) => {
      await client.set("short", "v", 100);
      const seconds = await client.ttl("short");
      expect(seconds === 100 || seconds === 99).toBe(true);
      await client.set("long", "v");
      expect(await client.ttl("long")).toBe(-1);
      expect(await client.ttl("missing")).toBe(-2);
    });

    contract("gets every byte of a value back unchanged", async (client) => {
      await client.set("bytes", EVERY_BYTE);
      expect(bytesOf(await client.getBytes("bytes"))).toEqual([...EVERY_BYTE]);
      const long = Uint8Array.from({ length: 2 ** 20 }, (_, n) => (n * 31 + (n >> 8)) & 0xff);
      await client.set("long", long);
      expect(Bun.hash(Uint8Array.from(bytesOf(await client.getBytes("long"))))).toBe(
        Bun.hash(long),
      );
    });

    contract("gets the replies of 1,000 pipelined commands in order", async (client) => {
      const commands = Array.from({ length: 1000 }, (_, n) =>
        n % 2 === 0 ? ["SET", `k${n}`, `v${n}`] : ["GET", `k${n - 1}`],
      );
      const replies = Array.from({ length: 1000 }, (_, n) => (n % 2 === 0 ? "OK" : `v${n - 1}`));
      expect(await client.pipeline(commands)).toEqual(replies);
    });

    contract("increments and deletes", async (client) => {
      expect(await client.incr("n")).toBe(1);
      expect(await client.incr("n")).toBe(2);
      expect(await client.get("n")).toBe("2");
      await client.set("m", "v");
      expect(await client.del("n", "m", "missing")).toBe(2);
      expect(await client.get("n")).toBeNull();
    });

    contract("sets and gets several keys by one command", async (client) => {
      await client.mset({ a: "1", b: "", c: "3" });
      expect(await client.mget(["c", "missing", "b", "a"])).toEqual(["3", null, "", "1"]);
    });

    contract("finds 1,000 keys by SCAN", async (client) => {
      const keys = Array.from({ length: 1000 }, (_, n) => `match:${n}`);
      await client.mset(Object.fromEntries(keys.map((key) => [key, "v"])));
      await client.mset({ "other:1": "v", "other:2": "v" });
      const found = await client.scan("match:*");
      expect([...new Set(found)].toSorted()).toEqual(keys.toSorted());
    });

    contract("receives Redis's errors, and continues", async (client) => {
      await client.set("text", "abc");
      for (const [command, message] of [
        [["INCR", "text"], "value is not an integer or out of range"],
        [
          ["NOSUCH", "one", "two"],
          "unknown command 'NOSUCH', with args beginning with: 'one' 'two' ",
        ],
        [["GET"], "wrong number of arguments for 'get' command"],
        [["SET", "k", "v", "EX", "0"], "invalid expire time in 'set' command"],
      ] as const) {
        const [name, ...args] = command;
        expect([command, await errorMessageOf(client.call(name, ...args))]).toEqual([
          command,
          // Some libraries remove the error code from the text.
          expect.stringMatching(new RegExp(`^(ERR )?${RegExp.escape(message).trimEnd()} *$`)),
        ]);
      }
      expect(await client.get("text")).toBe("abc");
    });

    contract("gets the replies of a transaction, of its failed commands too", async (client) => {
      const increments = [
        ["SET", "n", "1"],
        ["INCR", "n"],
        ["GET", "n"],
      ];
      expect(await client.transaction(increments)).toEqual(["OK", 2, "2"]);
      await client.set("text", "abc");
      const replies = await client.transaction([
        ["INCR", "text"],
        ["SET", "after", "1"],
      ]);
      expect(String(replies?.[0])).toContain("value is not an integer or out of range");
      expect(replies?.[1]).toBe("OK");
    });

    contract("runs no command of a transaction that has an unknown one", async (client) => {
      await client.set("n", "1");
      const sent = client.transaction([["INCR", "n"], ["NOSUCH"]]);
      expect(await errorMessageOf(sent)).not.toStartWith("no error");
      expect(await client.get("n")).toBe("1");
    });

    contract("aborts a transaction if a watched key has changed", async (client, service) => {
      await using other = await library.connect(service.port);
      await client.call("WATCH", "n");
      await other.set("n", "10");
      expect(await client.transaction([["INCR", "n"]])).toBeNull();
      expect(await client.get("n")).toBe("10");
    });

    contract("runs a script, and again by its name", async (client) => {
      const script = "return {redis.call('INCRBY', KEYS[1], ARGV[1]), 'x'}";
      expect(await client.call("EVAL", script, "1", "n", "2")).toBe("2,x");
      const name = await client.call("SCRIPT", "LOAD", script);
      expect(await client.call("EVALSHA", name, "1", "n", "3")).toBe("5,x");
    });

    contract("keeps the keys of two databases apart", async (client, service) => {
      await using second = await library.connect(service.port, 1);
      await client.set("k", "zero");
      expect(await second.get("k")).toBeNull();
      await second.set("k", "one");
      expect([await client.get("k"), await second.get("k")]).toEqual(["zero", "one"]);
    });

    contract("receives the messages of a channel in order", async (client, service) => {
      await using subscriber = await library.connect(service.port);
      const received: string[] = [];
      await subscriber.subscribe("news", (message) => received.push(message));
      for (const message of ["one", "", "two"]) {
        expect(await client.call("PUBLISH", "news", message)).toBe("1");
      }
      await until("all messages have arrived", () => received.length === 3);
      expect(received).toEqual(["one", "", "two"]);
    });

    contract("reconnects after the service has closed its connection", async (client, service) => {
      await using other = await library.connect(service.port);
      await client.set("k", "v");
      const id = await client.call("CLIENT", "ID");
      expect(await other.call("CLIENT", "KILL", "ID", id)).toBe("1");
      // Some libraries fail commands that are sent before they notice the closed connection.
      const nextId = () => client.call("CLIENT", "ID").catch(() => id);
      await until("the client has reconnected", async () => (await nextId()) !== id);
      expect(await client.get("k")).toBe("v");
      expect(await client.call("CLIENT", "INFO")).toContain(` resp=${library.version} `);
    });
  });
}

function bytesOf(bytes: Uint8Array | null): number[] {
  return [...(bytes ?? [])];
}

async function errorMessageOf(reply: Promise<unknown>): Promise<string> {
  try {
    return `no error, but ${String(await reply)}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
