// Shared caches in front of /cache/{key} keep a value for its lifetime and no longer.

import { expect, test } from "bun:test";

import { serve } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";
import { CACHING_NGINX, isInstalled, type Proxy, startProxy, VARNISH } from "./proxies.ts";

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly etag: string | null;
  readonly age: number;
  /** Whether the cache responded without the service. */
  readonly isFromCache: boolean;
}

/** Whether a response came from the cache of this proxy. */
const IS_HIT: Readonly<Record<string, (headers: Headers) => boolean>> = {
  nginx: (headers) => ["HIT", "REVALIDATED"].includes(headers.get("x-cache") ?? ""),
  // Varnish names a second transaction where it responds from its cache.
  varnishd: (headers) => headers.get("x-varnish")?.split(" ").length === 2,
};

async function send(proxy: Proxy, url: string, path: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(`${url}/cache/${path}`, init);
  const { status, headers } = response;
  return {
    ...{ status, text: await response.text(), etag: headers.get("etag") },
    age: Number(headers.get("age") ?? 0),
    isFromCache: IS_HIT[proxy.name]?.(headers) ?? false,
  };
}

for (const proxy of [CACHING_NGINX, VARNISH]) {
  if (!isInstalled(proxy)) console.log(`skipped, not installed: ${proxy.name}`);
  const behind = (
    name: string,
    body: (get: Get, put: Put) => Promise<void>,
    options: string[] = [],
  ) =>
    test.skipIf(!isInstalled(proxy))(
      `${proxy.name} ${name}`,
      async () => {
        await using server = serve(...options);
        await using running = await startProxy(proxy, server.url);
        const get: Get = (path, headers = {}) => send(proxy, running.url, path, { headers });
        const put: Put = (path, body, headers = {}) =>
          send(proxy, running.url, path, { method: "PUT", body, headers });
        await body(get, put);
      },
      60_000,
    );

  behind("keeps a fresh value, and responds to conditions from it", async (get, put) => {
    expect((await put("a/b", "one", { "cache-control": "max-age=1000" })).status).toBe(201);
    const first = await get("a/b");
    expect([first.status, first.text, first.isFromCache]).toEqual([200, "one", false]);
    const again = await get("a/b");
    expect([again.status, again.text, again.isFromCache]).toEqual([200, "one", true]);
    expect(again.etag).toBe(first.etag);
    const condition = await get("a/b", { "if-none-match": first.etag ?? "" });
    expect([condition.status, condition.text]).toEqual([304, ""]);
  });

  behind("asks for a value without a lifetime each time", async (get, put) => {
    for (const text of ["one", "two"]) {
      await put("k", text);
      expect(await get("k")).toMatchObject({ status: 200, text });
      expect(await get("k")).toMatchObject({ status: 200, text });
    }
  });

  behind("keeps a value for no longer than the rest of its lifetime", async (get, put) => {
    await put("short", "one", { "cache-control": "max-age=2" });
    await get("short");
    await until("the value is gone", async () => (await get("short")).status === 404);
    // The proxy keeps no miss.
    await put("short", "two", { "cache-control": "max-age=1000" });
    expect(await get("short")).toMatchObject({ status: 200, text: "two" });
  });

  behind("keeps no miss, and no value that is stale", async (get, put) => {
    expect((await get("late")).status).toBe(404);
    await put("late", "one", { "cache-control": "max-age=0, stale-while-revalidate=1000" });
    for (let n = 0; n < 3; n++) {
      // Varnish does not pass the field on, so its client gets a miss.
      const stale = await get("late", { "cache-control": "max-stale" });
      expect(stale.isFromCache).toBe(false);
    }
    expect((await get("late")).status).toBe(404);
  });

  behind(
    "keeps no value of a service with a token",
    async (get, put) => {
      const authorization = "Bearer token";
      await put("private", "one", { "cache-control": "max-age=1000", authorization });
      for (let n = 0; n < 2; n++) {
        const answer = await get("private", { authorization });
        expect([answer.status, answer.isFromCache]).toEqual([200, false]);
      }
      expect((await get("private")).status).toBe(401);
    },
    ["--auth-token", "token"],
  );
}

type Get = (path: string, headers?: Record<string, string>) => Promise<Answer>;
type Put = (path: string, body: string, headers?: Record<string, string>) => Promise<Answer>;
