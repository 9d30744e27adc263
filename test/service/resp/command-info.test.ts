// COMMAND INFO: the members that the oracle does not compare.

import { expect, test } from "bun:test";
import { RedisClient } from "bun";

import { serveRedis } from "../../lib/service.ts";

test("a subcommand has the categories of its command, not those of a command with its name", async () => {
  await using service = await serveRedis();
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  const categories = async (name: string) => {
    const [info] = (await client.send("COMMAND", ["INFO", name])) as unknown[][];
    return [...((info?.[6] ?? []) as string[])].toSorted();
  };
  expect(await categories("config|get")).toEqual(["@admin", "@dangerous", "@slow"]);
  expect(await categories("get")).toEqual(["@fast", "@read", "@string"]);
  client.close();
});

test("COMMAND LIST has the subcommands, and its patterns have no case", async () => {
  await using service = await serveRedis();
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  const list = async (...words: string[]) => await client.send("COMMAND", ["LIST", ...words]);
  expect(await list()).toContain("client|id");
  const found = (await list("FILTERBY", "PATTERN", "*GETKEYS*")) as string[];
  expect(found.toSorted()).toEqual(["command|getkeys", "command|getkeysandflags"]);
  client.close();
});

test("COMMAND DOCS describes the arguments as a tree", async () => {
  await using service = await serveRedis();
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  const docs = async (name: string) => {
    const all = (await client.send("COMMAND", ["DOCS", name])) as Record<string, unknown>;
    return (all[name] as Record<string, unknown>)["arguments"];
  };
  const key = { name: "key", type: "key", key_spec_index: 0 };
  const value = { name: "value", type: "string" };
  expect(await docs("get")).toEqual([key]);
  expect(await docs("mget")).toEqual([{ ...key, flags: ["multiple"] }]);
  expect(await docs("mset")).toEqual([
    { name: "key_value", type: "block", flags: ["multiple"], arguments: [key, value] },
  ]);
  const token = (name: string) => ({ name, type: "pure-token", token: name.toUpperCase() });
  const condition = ["nx", "xx", "gt", "lt"].map(token);
  expect(await docs("expire")).toEqual([
    key,
    { name: "seconds", type: "integer" },
    { name: "options", type: "oneof", flags: ["optional"], arguments: condition },
  ]);
  expect(await docs("memory|usage")).toEqual([
    key,
    { name: "count", type: "integer", token: "SAMPLES", flags: ["optional"] },
  ]);
  client.close();
});

test("COMMAND GETKEYS finds keys whose number is an argument", async () => {
  await using service = await serveRedis();
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  const words = ["MSETEX", "2", "a", "1", "b", "2", "NX"];
  expect(await client.send("COMMAND", ["GETKEYS", ...words])).toEqual(["a", "b"]);
  expect(await client.send("COMMAND", ["GETKEYSANDFLAGS", "GET", "k"])).toEqual([
    ["k", ["RO", "access"]],
  ]);
  const wrong = client.send("COMMAND", ["GETKEYS", "MSETEX", "9", "a", "1"]);
  expect(await wrong.catch((error: Error) => error.message)).toBe(
    "ERR Invalid arguments specified for command",
  );
  client.close();
});
