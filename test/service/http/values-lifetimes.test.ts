// The lifetimes of /cache/{key}: Cache-Control, Age and Cache-Status of fresh and of stale values.

import { afterAll, describe, expect, test } from "bun:test";

import { Cache } from "../../../src/cache/cache.ts";
import { serve, serveCache } from "../../lib/service.ts";
import { errorOf, valuesOf } from "./values-client.ts";

const server = serve();
afterAll(() => server.stop(0));
const { send, put } = valuesOf(server.url);

describe("lifetimes", () => {
  test("are those of Cache-Control, and show in the response", async () => {
    for (const [control, low, high] of [
      ["max-age=60", 50, 60],
      ["max-age=60, s-maxage=9000", 8000, 9000],
      ["s-maxage=9000,max-age=60", 8000, 9000],
      ['Max-Age="60"', 50, 60],
      ['public, max-age=60, must-revalidate, x="a,max-age=5"', 50, 60],
      ["max-age=60, max-age=9000", 50, 60],
    ] as const) {
      await put("t", "v", { "cache-control": control });
      const { headers } = await send("t");
      const [, age = ""] = /^max-age=(\d+)$/.exec(headers.get("cache-control") ?? "") ?? [];
      expect([control, Number(age) >= low && Number(age) <= high]).toEqual([control, true]);
      expect(headers.get("cache-status")).toBe(`ringcache; hit; ttl=${age}`);
      // The rest of the lifetime counts from this response on.
      expect(headers.get("age")).toBe("0");
    }
  });

  test("without Cache-Control are endless, and caches in front ask each time", async () => {
    await put("t", "v");
    const { headers } = await send("t");
    expect(headers.get("cache-control")).toBe("no-cache");
    expect(headers.get("cache-status")).toBe("ringcache; hit");
    const ttl = await (await fetch(`${server.url}/ttl?key=t`)).json();
    expect(ttl).toMatchObject({ ttl: null });
  });

  test("of a service with a token are private", async () => {
    await using guarded = serve("--auth-token", "token");
    const headers = { authorization: "Bearer token", "cache-control": "max-age=60" };
    await fetch(`${guarded.url}/cache/k`, { method: "PUT", body: "v", headers });
    const response = await fetch(`${guarded.url}/cache/k`, { headers });
    expect(response.headers.get("cache-control")).toMatch(/^private, max-age=\d+$/);
  });

  test("that are none are 400, and no-store too", async () => {
    const error = async (control: string) =>
      await errorOf(await put("t", "v", { "cache-control": control }));
    const number = "it must be a whole number of seconds";
    expect(await error("max-age=abc")).toEqual([400, `"max-age" is "abc"; ${number}`]);
    expect(await error("max-age")).toEqual([400, `"max-age" is ""; ${number}`]);
    expect(await error("s-maxage=-1")).toEqual([400, `"s-maxage" is "-1"; ${number}`]);
    expect(await error("max-age=1, stale-while-revalidate=x")).toEqual([
      400,
      `"stale-while-revalidate" is "x"; ${number}`,
    ]);
    expect((await error("max-age=0"))[0]).toBe(400);
    expect((await error("no-store"))[1]).toContain("no-store");
  });
});

/** A cache whose clock stands still, unless the test moves it. */
function serveAt() {
  const own = Cache.create({ memoryBytes: 2 ** 24 });
  const startMs = own.clock.now();
  let nowMs = startMs;
  Object.defineProperty(own.clock, "now", { value: () => nowMs });
  const served = serveCache(own);
  return {
    url: served.url,
    goTo: (seconds: number) => {
      nowMs = startMs + seconds * 1000;
    },
    get: (control?: string) =>
      fetch(
        `${served.url}/cache/k`,
        control === undefined ? {} : { headers: { "cache-control": control } },
      ),
    put: (control: string) =>
      fetch(`${served.url}/cache/k`, {
        method: "PUT",
        body: "v",
        headers: { "cache-control": control },
      }),
    [Symbol.asyncDispose]: () => served.stop(0),
  };
}

describe("stale values", () => {
  test("are served only to a client that asks for them, until their time is over", async () => {
    await using at = serveAt();
    await at.put("max-age=10, stale-while-revalidate=30");
    at.goTo(9.5);
    expect((await at.get()).headers.get("cache-control")).toBe("max-age=0");
    expect((await at.get()).headers.get("cache-status")).toBe("ringcache; hit; ttl=0");
    at.goTo(10);
    expect((await at.get()).status).toBe(404);
    expect((await at.get("max-stale=0")).status).toBe(404);
    at.goTo(15);
    expect((await at.get("max-age=5")).status).toBe(404);
    expect((await at.get("max-stale=4")).status).toBe(404);
    for (const control of ["max-stale=5", "max-stale", "no-transform, Max-Stale=29"]) {
      const { status, headers } = await at.get(control);
      expect([control, status, headers.get("age")]).toEqual([control, 200, "5"]);
      expect(headers.get("cache-control")).toBe("max-age=0");
      expect(headers.get("cache-status")).toBe("ringcache; hit; ttl=-5");
    }
    at.goTo(39.9);
    expect((await at.get("max-stale")).status).toBe(200);
    at.goTo(40);
    expect((await at.get("max-stale")).status).toBe(404);
    expect(await errorOf(await at.get("max-stale=x"))).toEqual([
      400,
      '"max-stale" is "x"; it must be a whole number of seconds',
    ]);
  });

  test("may be stale from the start", async () => {
    await using at = serveAt();
    await at.put("max-age=0, stale-while-revalidate=30");
    expect((await at.get()).status).toBe(404);
    expect((await at.get("max-stale")).status).toBe(200);
  });

  test("are absent for conditions, and replaced by a new value", async () => {
    await using at = serveAt();
    await at.put("max-age=10, stale-while-revalidate=30");
    at.goTo(15);
    const headers = { "if-match": "*" };
    const url = `${at.url}/cache/k`;
    expect((await fetch(url, { method: "PUT", body: "2", headers })).status).toBe(412);
    expect((await fetch(url, { method: "DELETE", headers })).status).toBe(412);
    expect((await at.put("max-age=10")).status).toBe(201);
    expect((await at.get()).status).toBe(200);
  });
});
