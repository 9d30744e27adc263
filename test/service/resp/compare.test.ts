// Compare and set, compare and delete, MSETEX, and LCS. Replies as in Redis 8.4 and Valkey 9.

import { RedisClient } from "bun";
import { expect, test } from "bun:test";

import { serveRedis } from "../../lib/service.ts";

/** Commands in order, each with its reply; an error has its message. */
const STEPS: readonly (readonly [string, unknown])[] = [
  ["SET k hello", "OK"],
  ["DIGEST k", "9555e8555c62dcfd"],
  ["DIGEST none", null],
  ["SET k world IFEQ hello", "OK"],
  ["SET k x IFEQ hello", null],
  ["SET k x IFEQ hello GET", "world"],
  ["GET k", "world"],
  ["SET k x IFNE world", null],
  ["SET none x IFEQ x", null],
  ["SET none x IFDEQ 0000000000000000", null],
  ["SET none x IFNE x EX 100", "OK"],
  ["TTL none", 100],
  ["SET none y IFNE y KEEPTTL", "OK"],
  ["TTL none", 100],
  ["SET k hello IFDNE 0000000000000000", "OK"],
  ["SET k again IFDEQ 9555E8555C62DCFD", "OK"],
  ["SET k x IFDEQ 9555e8555c62dcfd", null],
  ["SET k x IFDEQ 12", "ERR IFDEQ and IFDNE take the 16 hexadecimal digits that DIGEST replies"],
  ["SET k x NX IFEQ again", "ERR syntax error"],
  ["SET k x IFEQ", "ERR syntax error"],
  ["DELEX k IFEQ hello", 0],
  ["DELEX k IFNE again", 0],
  ["DELEX k IFDEQ 0000000000000000", 0],
  ["DELEX k IFxx again", "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"],
  ["DELEX k IFEQ", "ERR wrong number of arguments for 'delex' command"],
  ["DELEX k IFEQ again", 1],
  ["DELEX k IFNE again", 0],
  ["DELEX none", 1],
  ["DELEX none", 0],
  ["SET k v", "OK"],
  ["DELIFEQ k w", 0],
  ["DELIFEQ k v", 1],
  ["DELIFEQ k v", 0],
  ["MSETEX 2 a 1 b 2 EX 100", 1],
  ["TTL b", 100],
  ["MSETEX 2 b 3 c 4 NX", 0],
  ["MSETEX 2 b 3 c 4 XX", 0],
  ["EXISTS c", 0],
  ["MSETEX 2 a 5 b 6 KEEPTTL XX", 1],
  ["TTL a", 100],
  ["MSETEX 2 a 7 b 8", 1],
  ["TTL a", -1],
  ["MGET a b", ["7", "8"]],
  ["MSETEX 2 a 1 b", "ERR wrong number of key-value pairs"],
  ["MSETEX 0 a 1", "ERR invalid numkeys value"],
  ["MSETEX 1 a 1 NX XX", "ERR syntax error"],
  ["MSETEX 1 a 1 EX 0", "ERR invalid expire time in 'msetex' command"],
  ["MSET x ohmytext y mynewtext", "OK"],
  ["LCS x y", "mytext"],
  ["LCS x y LEN", 6],
  ["LCS x none", ""],
  ["LCS x y LEN IDX", "ERR If you want both the length and indexes, please just use IDX."],
];

test("each command has its reply", async () => {
  await using service = serveRedis();
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  for (const [line, reply] of STEPS) {
    const [name = "", ...words] = line.split(" ");
    const received = await client.send(name, words).catch((error: Error) => error.message);
    expect([line, received]).toEqual([line, reply]);
  }
  const long = client.send("MSETEX", ["5001", ...Array<string>(10_002).fill("k")]);
  expect(await long.catch((error: Error) => error.message)).toContain("at most 5000 keys");
  client.close();
});

test("LCS with IDX replies with the matches from the last to the first", async () => {
  await using service = serveRedis();
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  await client.send("MSET", ["x", "ohmytext", "y", "mynewtext"]);
  const lcs = async (...words: string[]) => await client.send("LCS", ["x", "y", "IDX", ...words]);
  const text = [
    [4, 7],
    [5, 8],
  ];
  const my = [
    [2, 3],
    [0, 1],
  ];
  expect(await lcs()).toEqual({ matches: [text, my], len: 6 });
  expect(await lcs("MINMATCHLEN", "4", "WITHMATCHLEN")).toEqual({
    matches: [[...text, 4]],
    len: 6,
  });
  client.close();
});

test("no increment by GET and SET IFEQ is lost", async () => {
  await using service = serveRedis();
  const clients = [1, 2, 3].map(() => new RedisClient(`redis://127.0.0.1:${service.port}`));
  await clients[0]?.set("n", "0");
  const increment = async (client: RedisClient): Promise<void> => {
    for (;;) {
      const old = (await client.get("n")) ?? "";
      if ((await client.send("SET", ["n", `${Number(old) + 1}`, "IFEQ", old])) === "OK") return;
    }
  };
  const runs = clients.map(async (client) => {
    for (let n = 0; n < 50; n++) await increment(client);
  });
  await Promise.all(runs);
  expect(await clients[0]?.get("n")).toBe("150");
  for (const client of clients) client.close();
});
