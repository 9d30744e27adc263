// A node whose upstream is gone. It needs redis-server.

import { describe, expect, test } from "bun:test";

import { startRedis } from "../../lib/redis-server.ts";
import { until } from "../../lib/until.ts";
import { figureOf, start } from "./parts.ts";

const isMissing = Bun.which("redis-server") === null;
if (isMissing) console.log("skipped: the tests of an upstream that is gone need redis-server");

describe.skipIf(isMissing)("without its upstream, a node", () => {
  test("serves near values as stale over HTTP with --stale-if-error, until it writes them", async () => {
    const parts = await start("--stale-if-error", "600");
    const { redis, node, near } = parts;
    const read = async (query = "") => await fetch(`${node.url}/get?key=k${query}`);
    await near.set("k", "v");
    // The upstream also reports this write: a load before the report is not kept.
    await until("the value is near", async () => {
      const before = await figureOf(node, "near_hits_total");
      expect(await (await read()).json()).toEqual({ status: "OK", key: "k", value: "v" });
      return (await figureOf(node, "near_hits_total")) > before;
    });
    await redis[Symbol.asyncDispose]();
    const stale = { status: "OK", key: "k", value: "v", stale: true };
    await until("the value is stale", async () =>
      Bun.deepEquals(await (await read()).json(), stale),
    );
    expect(await figureOf(node, "stale_served_total")).toBeGreaterThanOrEqual(1);
    expect((await read("&fresh=1")).status).toBe(503);
    expect(near.get("k")).rejects.toThrow("the upstream cannot be reached");
    const body = JSON.stringify({ key: "k", value: "new" });
    expect((await fetch(`${node.url}/put`, { method: "POST", body })).status).toBe(503);
    expect((await read()).status).toBe(503);
    near.close();
    parts.direct.close();
    await node[Symbol.asyncDispose]();
  });

  test("responds with 503, and serves again when the upstream is back", async () => {
    const parts = await start("--upstream-timeout", "0.5");
    const { redis, node, near } = parts;
    await near.set("k", "v");
    await redis[Symbol.asyncDispose]();
    await until("the loss is seen", async () => {
      const response = await fetch(`${node.url}/get?key=k`);
      return response.status === 503 && response.headers.get("retry-after") === "1";
    });
    // No server was there to run it.
    expect(await near.set("k", "v2").catch(String)).not.toMatch("may or may not have been stored");
    const ready = await fetch(`${node.url}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([200, { upstream: "degraded" }]);
    await using again = await startRedis("--port", `${redis.port}`);
    expect(again.port).toBeGreaterThan(0);
    await until("the upstream is back", async () => {
      return (await fetch(`${node.url}/get?key=k`)).status === 404;
    });
    near.close();
    parts.direct.close();
    await node[Symbol.asyncDispose]();
  });
});
