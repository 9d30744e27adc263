// MULTI, EXEC, DISCARD, WATCH and UNWATCH, as Redis 7 has them, and their bounds.

import { describe, expect, test } from "bun:test";

import { ByteBuffer, Cache, fitOptions, NEVER } from "../../../src/cache/cache.ts";
import { WatchedKeys } from "../../../src/cache/watched-keys.ts";
import { SINGLE_THREAD_DEFAULTS } from "../../../src/cache/options.ts";
import { serveRedis } from "../../lib/service.ts";
import { converse } from "./conversation.ts";
import { commandBytes, connectRaw } from "./raw-client.ts";

/** Says each line on one connection, and expects the reply behind the arrow. */
async function expectReplies(port: number, transcript: string): Promise<void> {
  using client = await converse(port);
  for (const line of transcript.trim().split("\n")) {
    const [command = "", reply = ""] = line.trim().split(" → ");
    expect(`${command} → ${await client.say(command)}`).toBe(`${command} → ${reply}`);
  }
}

const NOT_AN_INTEGER = "-ERR value is not an integer or out of range";

test("replies and errors are those of Redis", async () => {
  await using service = serveRedis([]);
  await expectReplies(
    service.port,
    `EXEC → -ERR EXEC without MULTI
    DISCARD → -ERR DISCARD without MULTI
    MULTI → +OK
    EXEC → *0
    MULTI → +OK
    MULTI → -ERR MULTI calls can not be nested
    WATCH a → -ERR WATCH inside MULTI is not allowed
    SET a 1 → +QUEUED
    INCR a → +QUEUED
    INCRBY a x → +QUEUED
    EXPIRE a 100 → +QUEUED
    MGET a b → +QUEUED
    GET a → +QUEUED
    EXEC → *6 +OK :2 ${NOT_AN_INTEGER} :1 *2 $1 2 $-1 $1 2
    MULTI → +OK
    SET a 7 → +QUEUED
    DISCARD → +OK
    GET a → $1 2
    MULTI → +OK
    SET a 7 → +QUEUED
    NOSUCH → -ERR unknown command 'NOSUCH', with args beginning with: 
    SET a 8 → +QUEUED
    EXEC → -EXECABORT Transaction discarded because of previous errors.
    GET a → $1 2
    MULTI → +OK
    GET → -ERR wrong number of arguments for 'get' command
    EXEC → -EXECABORT Transaction discarded because of previous errors.
    MULTI → +OK
    SAVE → -ERR Command not allowed inside a transaction
    EXEC → -EXECABORT Transaction discarded because of previous errors.
    MULTI → +OK
    CLIENT REPLY OFF → -ERR Command not allowed inside a transaction
    DISCARD → +OK
    MULTI → +OK
    SET a 9 → +QUEUED
    RESET → +RESET
    EXEC → -ERR EXEC without MULTI
    EXEC x → -EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command
    GET a → $1 2
    MULTI → +OK
    KEYS * → +QUEUED
    DBSIZE → +QUEUED
    FLUSHALL → +QUEUED
    RANDOMKEY → +QUEUED
    PING → +QUEUED
    EXEC → *5 *1 $1 a :1 +OK $-1 +PONG`,
  );
});

describe("WATCH", () => {
  const cases: readonly (readonly [string, readonly string[], isRun: boolean])[] = [
    ["without a change", ["GET k", "TTL k", "SET other 1", "DEL missing"], true],
    ["a write", ["SET k 1"], false],
    ["the same value again", ["SET k old"], false],
    ["a delete, and the old value again", ["DEL k", "SET k old"], false],
    ["another lifetime", ["EXPIRE k 100"], false],
    ["a lifetime in the past", ["EXPIRE k -1"], false],
    ["APPEND of part of the value", ["APPEND k x"], false],
    ["RENAME to the key", ["SET other 1", "RENAME other k"], false],
    ["FLUSHALL", ["FLUSHALL"], false],
    ["a missing key that is written", ["SET missing 1"], false],
    ["a missing key that is written and deleted", ["SET missing 1", "DEL missing"], false],
    ["no lifetime to remove", ["PERSIST k", "GETEX k PERSIST", "EXPIRE k 100 XX"], true],
    ["a failed write", ["INCR k", "SETNX k 1", "SET k 1 XX GET IFEQ"], true],
  ];
  for (const [name, commands, isRun] of cases) {
    test(name, async () => {
      await using service = serveRedis([]);
      using client = await converse(service.port);
      using other = await converse(service.port);
      await client.say("SET k old");
      expect(await client.say("WATCH k missing")).toBe("+OK");
      for (const command of commands) await other.say(command);
      await client.say("MULTI");
      await client.say("SET result 1");
      expect(await client.say("EXEC")).toBe(isRun ? "*1 +OK" : "*-1");
      // The watches have ended.
      await other.say("SET k 2");
      await client.say("MULTI");
      expect(await client.say("EXEC")).toBe("*0");
    });
  }

  test("FLUSHALL does not touch a key that is not there; UNWATCH, DISCARD and EXECABORT end watches", async () => {
    await using service = serveRedis([]);
    using client = await converse(service.port);
    using other = await converse(service.port);
    await client.say("WATCH missing");
    await other.say("FLUSHALL");
    await client.say("MULTI");
    expect(await client.say("EXEC")).toBe("*0");
    for (const end of [["UNWATCH"], ["MULTI", "DISCARD"], ["MULTI", "NOSUCH", "EXEC"], ["RESET"]]) {
      await client.say("WATCH k");
      for (const command of end) await client.say(command);
      await other.say("SET k 1");
      await client.say("MULTI");
      expect(await client.say("EXEC")).toBe("*0");
    }
    await client.say("HELLO 3");
    await client.say("WATCH k");
    await client.say("SET k 1");
    await client.say("MULTI");
    expect(await client.say("EXEC")).toBe("_");
  });

  test("a change by another thread, by eviction, and the end of a lifetime", async () => {
    const options = fitOptions({ ...SINGLE_THREAD_DEFAULTS, memoryBytes: 2 ** 20, shards: 2 });
    const memory = Cache.allocate(options, 2);
    const cache = new Cache(options, memory, 0);
    const other = new Cache(options, memory, 1);
    await using service = serveRedis([], cache);
    using client = await converse(service.port);
    const key = ByteBuffer.ofText("k");
    const value = ByteBuffer.ofText("v".repeat(2000));
    const isRunAfter = async (change: () => void): Promise<boolean> => {
      await client.say("SET k old");
      await client.say("WATCH k");
      change();
      await client.say("MULTI");
      return (await client.say("EXEC")) === "*0";
    };
    expect(await isRunAfter(() => {})).toBe(true);
    expect(await isRunAfter(() => other.put(key, value, NEVER, 0))).toBe(false);
    expect(await isRunAfter(() => other.delete(key, 0))).toBe(false);
    const evict = () => {
      for (let n = 0; n < 2000; n++) other.put(ByteBuffer.ofText(`f${n}`), value, NEVER, 0);
    };
    expect(await isRunAfter(evict)).toBe(other.look(key, 0) !== undefined);
    expect(cache.maintenance.stats().evicted).toBeGreaterThan(500);
    // The key expires, and no sweep has freed it yet.
    await client.say("SET k old PX 1");
    await client.say("WATCH k");
    const wasThere = (await client.say("EXISTS k")) === ":1";
    while ((await client.say("EXISTS k")) === ":1");
    await client.say("MULTI");
    if (wasThere) expect(await client.say("EXEC")).toBe("*-1");
    else expect(await client.say("EXEC")).toMatch(/^\*(-1|0)$/);
  });

  test("a closed connection and a dead thread leave no watches", async () => {
    const options = fitOptions({ ...SINGLE_THREAD_DEFAULTS, memoryBytes: 2 ** 20, shards: 2 });
    const memory = Cache.allocate(options, 3);
    const cache = new Cache(options, memory, 0);
    const { changes } = cache;
    const service = serveRedis([], cache);
    const client = await converse(service.port);
    await client.say(["WATCH", ...Array.from({ length: 1000 }, (_, n) => `k${n}`)]);
    expect(changes.words[0]).toBe(1000);
    await client.say("QUIT");
    await client.closed;
    using second = await converse(service.port);
    await second.say("PING");
    expect(changes.words[0]).toBe(0);
    await second.say(["WATCH", ...Array.from({ length: 16_384 }, (_, n) => `k${n}`)]);
    expect(await second.say("WATCH more")).toMatch(/^-ERR no room to watch more keys/);
    await service[Symbol.asyncDispose]();
    // The supervisor recovers thread 0 as if it had ended now.
    new Cache(options, memory, 2).maintenance.recoverThread(0);
    expect(changes.words[0]).toBe(0);
    // Its successor takes its watches out of the table before its own first watch.
    const successor = new Cache(options, memory, 0);
    expect(successor.watchTable.hasOldEntries).toBe(true);
    const watched = new WatchedKeys(successor, () => true);
    for (let n = 0; n < 16_384; n++) watched.add(ByteBuffer.ofText(`k${n}`), 0);
    expect(watched.add(ByteBuffer.ofText("more"), 0)).toBe(false);
    expect(watched.areUnchanged(0)).toBe(true);
    successor.put(ByteBuffer.ofText("k1"), ByteBuffer.ofText("v"), NEVER, 0);
    expect(watched.areUnchanged(0)).toBe(false);
    watched.clear();
    expect(changes.words[0]).toBe(0);
  });
});

test("EXEC runs commands on many keys, of any length and in any number", async () => {
  await using service = serveRedis([]);
  using client = await converse(service.port);
  await client.say("MULTI");
  const keys = Array.from({ length: 300 }, (_, n) => `key:${n}`);
  for (const key of keys) await client.say(`SET ${key} ${key.repeat(200)}`);
  await client.say(["MGET", ...keys]);
  await client.say(["DEL", ...keys, ...keys]);
  await client.say(["EXISTS", ...keys]);
  const reply = await client.say("EXEC");
  expect(reply).toStartWith(`*303 ${"+OK ".repeat(300)}*300 `);
  expect(reply).toEndWith(` :300 :0`);
  for (const key of keys) expect(reply).toContain(` ${key.repeat(200)} `);
});

test("EXEC without a key runs long commands to their end", async () => {
  await using service = serveRedis([]);
  using client = await converse(service.port);
  const names = Array<string>(5000).fill("get");
  const patterns = Array.from({ length: 800 }, (_, n) => `no-parameter-${n}-*`);
  await client.say("MULTI");
  await client.say(["COMMAND", "INFO", ...names]);
  await client.say(["CONFIG", "GET", ...patterns]);
  const reply = await client.say("EXEC");
  expect(reply).toStartWith("*2 *5000 *10 $3 get ");
  expect(reply).toEndWith(" *0");
});

test("a transaction that is too long is refused before it runs", async () => {
  await using service = serveRedis(["--resp-query-limit", "1mb", "--max-pending-bytes", "8mb"]);
  using client = await converse(service.port);
  const value = "v".repeat(60_000);
  await client.say("MULTI");
  for (let n = 0; n < 10; n++) expect(await client.say(`SET k${n} ${value}`)).toBe("+QUEUED");
  let reply = "";
  for (let n = 0; n < 20 && !reply.startsWith("-"); n++) reply = await client.say(`SET l ${value}`);
  expect(reply).toBe(
    "-ERR the transaction is longer than --resp-query-limit (1048576 bytes); split it",
  );
  expect(await client.say("EXEC")).toStartWith("-EXECABORT");
  expect(await client.say("DBSIZE")).toBe(":0");
  // Its memory is free again.
  await client.say("MULTI");
  for (let n = 0; n < 10; n++) expect(await client.say(`SET k${n} ${value}`)).toBe("+QUEUED");
  expect(await client.say("EXEC")).toStartWith("*10");
});

test("a transaction runs to its end if its answers are too long", async () => {
  await using service = serveRedis(["--resp-output-limit", "1mb"]);
  using client = await converse(service.port);
  const value = "v".repeat(300_000);
  await client.say(["SET", "k", value]);
  await client.say("MULTI");
  for (let n = 0; n < 6; n++) {
    await client.say("INCR n");
    await client.say("GET k");
  }
  await client.say(["GETSET", "k", "new"]);
  await client.say("INCR n");
  expect(await client.say("EXEC")).toBe(
    "-ERR the transaction has run, but its answers are longer than --resp-output-limit (1048576 bytes)",
  );
  expect(await client.say("MGET n k")).toBe("*2 $1 7 $3 new");
});

test("replies are left out as CLIENT REPLY says, and pipelines run in order", async () => {
  await using service = serveRedis([]);
  using client = await connectRaw(service.port);
  const lines = ["MULTI", "INCR n", "EXEC", "CLIENT REPLY OFF", "MULTI", "INCR n", "EXEC"];
  const all = [...lines, "CLIENT REPLY ON", "GET n", "MULTI", "INCR n", "INCR n", "EXEC", "QUIT"];
  client.send(Buffer.concat(all.map((line) => commandBytes(...line.split(" ")))));
  expect((await client.closed).replaceAll("\r\n", " ").trim()).toBe(
    "+OK +QUEUED *1 :1 +OK $1 2 +OK +QUEUED +QUEUED *2 :3 :4 +OK",
  );
});

test("a read-only token may run transactions of reads", async () => {
  await using service = serveRedis(["--auth-token", "full", "--read-token", "reads"]);
  await expectReplies(
    service.port,
    `MULTI → -NOAUTH Authentication required.
    AUTH reads → +OK
    WATCH k → +OK
    MULTI → +OK
    GET k → +QUEUED
    EXEC → *1 $-1
    MULTI → +OK
    SET k 1 → -NOPERM this user has no permissions to run the 'set' command
    EXEC → -EXECABORT Transaction discarded because of previous errors.
    AUTH full → +OK
    MULTI → +OK
    AUTH reads → +QUEUED
    SET k 1 → +QUEUED
    EXEC → *2 +OK -NOPERM this user has no permissions to run the 'set' command`,
  );
});
