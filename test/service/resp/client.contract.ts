// What programs do with a cache through a client library, run with every library.

import { describe, expect, test } from "bun:test";

import { type RedisService, serveRedis } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";

/** A library's own calls under names that all have in common. A refused command rejects with the server's text. */
export interface Client extends AsyncDisposable {
  set(key: string, value: string | Uint8Array, seconds?: number): Promise<unknown>;
  get(key: string): Promise<string | null>;
  getBytes(key: string): Promise<Uint8Array | null>;
  ttl(key: string): Promise<number>;
  incr(key: string): Promise<number>;
  /** Answers how many there were. */
  del(...keys: string[]): Promise<number>;
  mset(entries: Readonly<Record<string, string>>): Promise<unknown>;
  mget(keys: string[]): Promise<(string | null)[]>;
  /** All keys that match, found by SCAN. */
  scan(pattern: string): Promise<string[]>;
  /** Commands sent at once; the answers in their order. */
  pipeline(commands: readonly string[][]): Promise<unknown[]>;
  /** Any command; what it answers as text. */
  call(command: string, ...args: string[]): Promise<string>;
}

export interface Library {
  readonly name: string;
  /** Of the protocol. */
  readonly version: 2 | 3;
  connect(port: number): Promise<Client>;
}

type Run = (name: string, body: () => Promise<void>) => void;

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);

/** `run` skips where the library is not to be had. */
export function describeClient(library: Library, run: Run = test): void {
  describe(`${library.name}, version ${library.version}`, () => {
    const law = (name: string, body: (client: Client, service: RedisService) => Promise<void>) =>
      run(name, async () => {
        await using service = serveRedis();
        await using client = await library.connect(service.port);
        await body(client, service);
        expect(service.told).toEqual([]);
      });

    law("speaks the version that it was told to", async (client) => {
      expect(await client.call("PING")).toBe("PONG");
      expect(await client.call("CLIENT", "INFO")).toContain(` resp=${library.version} `);
    });

    law("gets what it has set, and nothing where nothing is", async (client) => {
      await client.set("k", "välue 🎉\r\n");
      expect(await client.get("k")).toBe("välue 🎉\r\n");
      await client.set("k", "");
      expect(await client.get("k")).toBe("");
      expect(await client.get("nobody")).toBeNull();
    });

    law("reads the lifetime that it gave", async (client) => {
      await client.set("short", "v", 100);
      const seconds = await client.ttl("short");
      expect(seconds === 100 || seconds === 99).toBe(true);
      await client.set("long", "v");
      expect(await client.ttl("long")).toBe(-1);
      expect(await client.ttl("nobody")).toBe(-2);
    });

    law("gets all bytes back as they were", async (client) => {
      await client.set("bytes", EVERY_BYTE);
      expect(bytesOf(await client.getBytes("bytes"))).toEqual([...EVERY_BYTE]);
      const long = Uint8Array.from({ length: 2 ** 20 }, (_, n) => (n * 31 + (n >> 8)) & 0xff);
      await client.set("long", long);
      expect(Bun.hash(Uint8Array.from(bytesOf(await client.getBytes("long"))))).toBe(
        Bun.hash(long),
      );
    });

    law("gets the answers to a thousand commands at once in their order", async (client) => {
      const commands = Array.from({ length: 1000 }, (_, n) =>
        n % 2 === 0 ? ["SET", `k${n}`, `v${n}`] : ["GET", `k${n - 1}`],
      );
      const answers = Array.from({ length: 1000 }, (_, n) => (n % 2 === 0 ? "OK" : `v${n - 1}`));
      expect(await client.pipeline(commands)).toEqual(answers);
    });

    law("counts, and deletes", async (client) => {
      expect(await client.incr("n")).toBe(1);
      expect(await client.incr("n")).toBe(2);
      expect(await client.get("n")).toBe("2");
      await client.set("m", "v");
      expect(await client.del("n", "m", "nobody")).toBe(2);
      expect(await client.get("n")).toBeNull();
    });

    law("sets and gets many keys by one command", async (client) => {
      await client.mset({ a: "1", b: "", c: "3" });
      expect(await client.mget(["c", "nobody", "b", "a"])).toEqual(["3", null, "", "1"]);
    });

    law("finds a thousand keys by scanning", async (client) => {
      const wanted = Array.from({ length: 1000 }, (_, n) => `wanted:${n}`);
      await client.mset(Object.fromEntries(wanted.map((key) => [key, "v"])));
      await client.mset({ "other:1": "v", "other:2": "v" });
      const found = await client.scan("wanted:*");
      expect([...new Set(found)].toSorted()).toEqual(wanted.toSorted());
    });

    law("hears redis's errors, and goes on", async (client) => {
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
        expect([command, await errorOf(client.call(name, ...args))]).toEqual([
          command,
          // Some libraries take the code from the text, some leave it there.
          expect.stringMatching(new RegExp(`^(ERR )?${RegExp.escape(message).trimEnd()} *$`)),
        ]);
      }
      expect(await client.get("text")).toBe("abc");
    });

    law("connects again after the service has closed its connection", async (client, service) => {
      await using other = await library.connect(service.port);
      await client.set("k", "v");
      const id = await client.call("CLIENT", "ID");
      expect(await other.call("CLIENT", "KILL", "ID", id)).toBe("1");
      // What it sends before it has noticed fails, with some libraries.
      const nextId = () => client.call("CLIENT", "ID").catch(() => id);
      await until("the client has connected again", async () => (await nextId()) !== id);
      expect(await client.get("k")).toBe("v");
      expect(await client.call("CLIENT", "INFO")).toContain(` resp=${library.version} `);
    });
  });
}

function bytesOf(bytes: Uint8Array | null): number[] {
  return [...(bytes ?? [])];
}

async function errorOf(answer: Promise<unknown>): Promise<string> {
  try {
    return `answered ${String(await answer)}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
