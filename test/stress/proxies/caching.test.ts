// A shared cache with its defaults in front of the service reuses no response of the API.

import { expect, test } from "bun:test";

import { createService, serveParts } from "../../lib/service.ts";
import { isInstalled, startProxy, VARNISH } from "./proxies.ts";

if (!isInstalled(VARNISH)) console.log("skipped, not installed: varnishd");

test.skipIf(!isInstalled(VARNISH))(
  "Varnish asks the service for each value, each miss, each error and each state",
  async () => {
    const service = createService();
    await using server = serveParts({ service });
    await using varnish = await startProxy(VARNISH, server.url);
    const request = async (path: string, init?: RequestInit) => {
      const response = await fetch(varnish.url + path, init);
      // Varnish names a second transaction where it responds from its cache.
      expect([path, response.headers.get("x-varnish")?.split(" ").length]).toEqual([path, 1]);
      return { status: response.status, text: await response.text() };
    };
    const put = async (value: string) => {
      const body = JSON.stringify({ key: "cart", value });
      expect(await request("/put", { method: "POST", body })).toMatchObject({ status: 200 });
    };
    expect(await request("/get?key=cart")).toMatchObject({ status: 404 });
    await put("1 item");
    expect((await request("/get?key=cart")).text).toContain("1 item");
    await put("2 items");
    expect((await request("/get?key=cart")).text).toContain("2 items");
    for (const path of ["/put", "/nowhere", "/get", "/stats", "/ring", "/health", "/metrics"]) {
      const first = await request(path);
      expect(await request(path)).toMatchObject({ status: first.status });
    }
    expect(await request("/readyz")).toMatchObject({ status: 200 });
    service.state.phase = "draining";
    expect(await request("/readyz")).toMatchObject({ status: 503 });
    expect(await request("/livez")).toMatchObject({ status: 200 });
  },
  60_000,
);
