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
