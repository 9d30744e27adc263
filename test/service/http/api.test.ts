import { afterAll, describe, expect, test } from "bun:test";

import { serve } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";

const server = serve();
afterAll(() => server.stop(0));

const NOT_FOUND = { status: "ERROR", message: "Key not found." };

describe("put, get and delete", () => {
  test("get returns a value that was put", async () => {
    expect(await post("/put", { key: "k", value: "v" })).toEqual([200, { status: "OK" }]);
    expect(await get("/get?key=k")).toEqual([200, { status: "OK", key: "k", value: "v" }]);
  });

  test("get of an unknown key is 404", async () => {
    expect(await get("/get?key=never")).toEqual([404, NOT_FOUND]);
  });

  test("a second put replaces the value", async () => {
    await post("/put", { key: "twice", value: "1" });
    await post("/put", { key: "twice", value: "2" });
    expect(await get("/get?key=twice")).toEqual([200, { status: "OK", key: "twice", value: "2" }]);
  });

  test("an empty value can be stored", async () => {
    await post("/put", { key: "empty", value: "" });
    expect(await get("/get?key=empty")).toEqual([200, { status: "OK", key: "empty", value: "" }]);
  });

  test("delete removes an entry, by body and by query, and is 404 for an unknown key", async () => {
    await post("/put", { key: "d", value: "v" });
    expect(await post("/delete", { key: "d" })).toEqual([200, { status: "OK" }]);
    expect(await post("/delete", { key: "d" })).toEqual([404, NOT_FOUND]);
    await post("/put", { key: "d", value: "v" });
    expect(await call("DELETE", "/delete?key=d")).toEqual([200, { status: "OK" }]);
    expect(await call("DELETE", "/delete?key=d")).toEqual([404, NOT_FOUND]);
    expect(await get("/get?key=d")).toEqual([404, NOT_FOUND]);
  });

  test("the first response of a service is complete, also a long one", async () => {
    for (const length of [4000, 4063, 4064, 4065, 10_000, 100_000]) {
      await using fresh = serve("--max-value-length", "100000");
      const value = "v".repeat(length);
      await call("POST", "/put", { key: "k", value }, fresh.url);
      const answer = await call("GET", "/get?key=k", undefined, fresh.url);
      expect(answer).toEqual([200, { status: "OK", key: "k", value }]);
    }
  });

  test("content-type of a request is not required", async () => {
    const body = new Blob([`{"key":"typeless","value":"v"}`]);
    const answer = await fetch(`${server.url}/put`, { method: "POST", body });
    expect(answer.status).toBe(200);
  });

  test("each response is JSON in UTF-8", async () => {
    for (const path of ["/get?key=none", "/get", "/none", "/put", "/health", "/stats", "/ring"]) {
      const answer = await fetch(server.url + path);
      expect(answer.headers.get("content-type")).toBe("application/json");
      expect(await answer.json()).toHaveProperty("status");
    }
  });
});

describe("ttl", () => {
  test("get returns an entry before it expires, and 404 afterwards", async () => {
    await post("/put", { key: "short", value: "v", ttl: 0.001 });
    await post("/put", { key: "long", value: "v", ttl: 1000.5 });
    await until("the entry is gone", async () => (await get("/get?key=short"))[0] === 404);
    expect(await get("/get?key=short")).toEqual([404, NOT_FOUND]);
    expect((await get("/get?key=long"))[0]).toBe(200);
  });
});

describe("lifetimes by option", () => {
  test("--default-ttl applies to entries without a ttl, --max-ttl to all entries", async () => {
    await using fresh = serve("--default-ttl", "0.2", "--max-ttl", "0.3");
    const to = (method: string, path: string, body?: unknown) =>
      call(method, path, body, fresh.url);
    const putMs = Date.now();
    await to("POST", "/put", { key: "none", value: "v" });
    await to("POST", "/put", { key: "long", value: "v", ttl: 1000 });
    await until("the entry is gone", async () => (await to("GET", "/get?key=none"))[0] === 404);
    expect(Date.now() - putMs).toBeGreaterThanOrEqual(200);
    await until("the entry is gone", async () => (await to("GET", "/get?key=long"))[0] === 404);
    expect(Date.now() - putMs).toBeGreaterThanOrEqual(300);
  });
});

describe("the limits of memory", () => {
  test("a value over --max-value-bytes is 413 with the limit's name, by /put and /mput", async () => {
    await using fresh = serve("--max-value-bytes", "10", "--memory", "1mb");
    const to = (path: string, body: unknown) => call("POST", path, body, fresh.url);
    const message = `"value" is 12 bytes in UTF-8; it may have 10, the limit set by --max-value-bytes`;
    expect(await to("/put", { key: "k", value: "äöüäöü" })).toEqual(httpError(413, message));
    const entries = [
      { key: "a", value: "fits" },
      { key: "b", value: "äöüäöü" },
    ];
    expect(await to("/mput", { entries })).toEqual(httpError(413, message));
    expect((await call("GET", "/get?key=a", undefined, fresh.url))[0]).toBe(404);
  });

  test("a value that does not fit the memory is 413, and no entry is lost", async () => {
    await using fresh = serve("--max-value-length", "1000000", "--memory", "2mb");
    const to = (path: string, body: unknown) => call("POST", path, body, fresh.url);
    await to("/put", { key: "small", value: "v" });
    const [status, body] = await to("/put", { key: "k", value: "v".repeat(300_000) });
    expect(status).toBe(413);
    expect(body).toMatchObject({ message: expect.stringContaining("--memory 2mb has room for") });
    expect((await to("/put", { key: "k", value: "v".repeat(200_000) }))[0]).toBe(200);
    expect((await call("GET", "/get?key=small", undefined, fresh.url))[0]).toBe(200);
  });

  test("with --eviction none a full cache responds with 507 and keeps all entries", async () => {
    await using fresh = serve("--eviction", "none", "--memory", "1mb");
    const to = (path: string, body: unknown) => call("POST", path, body, fresh.url);
    const value = "v".repeat(256);
    const entries = Array.from({ length: 5000 }, (_, n) => ({ key: `k${n}`, value }));
    const [status, body] = await to("/mput", { entries });
    expect(status).toBe(507);
    const { message } = body as { message: string };
    expect(message).toStartWith("the cache is full, and --eviction none keeps all entries");
    const stored = Number(/(\d+) were stored$/.exec(message)?.[1]);
    const [, stats] = await call("GET", "/stats", undefined, fresh.url);
    expect(stats).toMatchObject({ total_items: stored, evicted_count: 0 });
    expect((await to("/put", { key: "k0", value }))[0]).toBe(200);
    expect((await to("/put", { key: "new", value }))[0]).toBe(507);
  });
});

describe("mput and mget", () => {
  test("entries are stored, and returned in the order of the request", async () => {
    const entries = [
      { key: "m1", value: "1" },
      { key: "m2", value: "2", ttl: 60 },
    ];
    expect(await post("/mput", { entries })).toEqual([200, { status: "OK", stored: 2 }]);
    const values = ["2", null, "1", "2"];
    expect(await post("/mget", { keys: ["m2", "none", "m1", "m2"] })).toEqual([
      200,
      { status: "OK", values },
    ]);
  });

  test("empty lists get empty results", async () => {
    expect(await post("/mput", { entries: [] })).toEqual([200, { status: "OK", stored: 0 }]);
    expect(await post("/mget", { keys: [] })).toEqual([200, { status: "OK", values: [] }]);
  });

  test("no entry is stored if one is wrong, and the message says which", async () => {
    const entries = [{ key: "all", value: "1" }, { key: "or none" }];
    expect(await post("/mput", { entries })).toEqual(
      httpError(400, `"entries[1].value" is missing`),
    );
    expect(await get("/get?key=all")).toEqual([404, NOT_FOUND]);
  });
});

describe("health, stats and ring", () => {
  test("health is OK while the service serves", async () => {
    expect(await get("/health")).toEqual([200, { status: "OK" }]);
  });

  test("stats count requests", async () => {
    await using fresh = serve("--shards", "8", "--virtual-nodes", "32", "--memory", "1gb");
    const to = (method: string, path: string, body?: unknown) =>
      call(method, path, body, fresh.url);
    await to("POST", "/mput", { entries: ["a", "b", "c"].map((key) => ({ key, value: "v" })) });
    await to("POST", "/put", { key: "a", value: "w" });
    await to("POST", "/mget", { keys: ["a", "none"] });
    await to("GET", "/get?key=b");
    await to("GET", "/get?key=b");
    await to("GET", "/get?key=none");
    await to("POST", "/delete", { key: "c" });
    await to("POST", "/delete", { key: "c" });
    const [status, stats] = await to("GET", "/stats");
    expect(status).toBe(200);
    expect(stats).toEqual({
      status: "OK",
      total_items: 2,
      hit_rate: 60,
      memory_usage_percent: expect.any(Number),
      put_count: 4,
      get_count: 5,
      hit_count: 3,
      miss_count: 2,
      uptime_seconds: expect.any(Number),
      requests_per_second: expect.any(Number),
      allocated_memory_mb: expect.any(Number),
      system_memory_mb: expect.any(Number),
      evicted_count: 0,
      expired_count: 0,
      overwritten_count: 1,
      delete_count: 1,
      cache_memory_bytes: 2 ** 30,
      max_connections: 10_000,
      max_pending_bytes: 2 ** 25,
      planned_memory_bytes: expect.any(Number),
      cache_used_bytes: expect.any(Number),
      live_bytes: 4,
      dead_bytes: 16,
      ghost_count: 0,
      eviction_policy: "s3fifo",
      shards: 8,
      virtual_nodes: 32,
      workers: 1,
      worker_restarts: 0,
      shards_emptied: 0,
      loaded_count: 0,
      snapshot_time: 0,
      snapshot_count: 0,
      snapshot_failed_count: 0,
      snapshot_shards_dropped: 0,
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    });
  });

  test("ring shows every shard's share, entries and bytes", async () => {
    await using fresh = serve("--shards", "3", "--virtual-nodes", "50");
    await call("POST", "/put", { key: "key", value: "value" }, fresh.url);
    const answer = await fetch(`${fresh.url}/ring`);
    const { ring, ...rest } = (await answer.json()) as Ring;
    expect(rest).toEqual({ status: "OK", shards: 3, virtual_nodes: 50 });
    expect(ring.map(({ shard }) => shard)).toEqual([0, 1, 2]);
    expect(ring.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(ring.reduce((sum, { entries }) => sum + entries, 0)).toBe(1);
    expect(ring.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(8);
  });
});

describe("errors", () => {
  const long = "x".repeat(257);
  const cases: readonly (readonly [string, unknown, string])[] = [
    ["/put", [], "the body is an array; it must be a JSON object"],
    ["/put", null, "the body is null; it must be a JSON object"],
    ["/put", 7, "the body is a number; it must be a JSON object"],
    ["/put", "text", "the body is a string; it must be a JSON object"],
    ["/put", { value: "v" }, `"key" is missing`],
    ["/put", { key: "", value: "v" }, `"key" is empty; it needs at least 1 character`],
    ["/put", { key: 1, value: "v" }, `"key" is a number; it must be a string`],
    ["/put", { key: null, value: "v" }, `"key" is null; it must be a string`],
    ["/put", { key: "k" }, `"value" is missing`],
    ["/put", { key: "k", value: {} }, `"value" is an object; it must be a string`],
    ["/put", { key: "k", value: false }, `"value" is a boolean; it must be a string`],
    ["/put", { key: long, value: "v" }, longer("key", "--max-key-length")],
    ["/put", { key: "k", value: long }, longer("value", "--max-value-length")],
    ["/put", { key: "k", value: "v", ttl: 0 }, ttl("0")],
    ["/put", { key: "k", value: "v", ttl: -1.5 }, ttl("-1.5")],
    ["/put", { key: "k", value: "v", ttl: "60" }, ttl('"60"')],
    ["/put", { key: "k", value: "v", ttl: null }, ttl("null")],
    [
      "/put",
      { key: "k", value: "v", tll: 60 },
      `the body has an unknown member "tll"; it may have key, value, ttl, stale, tags, encoding, lease, if`,
    ],
    ["/delete", {}, `"key" is missing`],
    ["/delete", { key: "k", v: 1 }, `the body has an unknown member "v"; it may have key`],
    ["/mput", {}, `"entries" is missing`],
    ["/mput", { entries: {} }, `"entries" is an object; it must be an array`],
    ["/mput", { entries: [1] }, `entries[0] is a number; use {"key":"k","value":"v"}`],
    [
      "/mput",
      { entries: [{ key: "k", value: "v", x: 1 }] },
      `entries[0] has an unknown member "x"; it may have key, value, ttl, stale, tags, encoding`,
    ],
    [
      "/mput",
      { entries: [], more: 1 },
      `the body has an unknown member "more"; it may have entries`,
    ],
    ["/mget", { keys: "a" }, `"keys" is a string; it must be an array`],
    ["/mget", { keys: ["a", 1] }, `"keys[1]" is a number; it must be a string`],
  ];
  for (const [path, body, message] of cases) {
    test(`${path} ${JSON.stringify(body).slice(0, 60)}: ${message}`, async () => {
      expect(await post(path, body)).toEqual(httpError(400, message));
    });
  }

  for (const [name, body] of [
    ["an infinite ttl", `{"key":"k","value":"v","ttl":1e999}`],
    ["a __proto__ member", `{"key":"k","value":"v","__proto__":{}}`],
    ["a lone surrogate in the key", `{"key":"\\ud800","value":"v"}`],
    ["a lone surrogate in the value", `{"key":"k","value":"\\udc00x"}`],
    ["no body", ""],
    ["half a body", `{"key":"k"`],
    ["nesting without end", "[".repeat(1_000_000)],
    ["deep objects", `{"key":`.repeat(200_000)],
  ] as const) {
    test(`${name} is 400 with a message`, async () => {
      const answer = await fetch(`${server.url}/put`, { method: "POST", body });
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ status: "ERROR", message: expect.any(String) });
    });
  }

  test("a query without a key, or with an empty one, is 400", async () => {
    const message = `"key" is missing from the query: use ?key=NAME`;
    expect(await get("/get")).toEqual(httpError(400, message));
    expect(await get("/get?other=1")).toEqual(httpError(400, message));
    expect(await call("DELETE", "/delete")).toEqual(httpError(400, message));
    const empty = httpError(400, `"key" is empty; it needs at least 1 character`);
    expect(await get("/get?key=")).toEqual(empty);
  });

  test("an unknown path is 404, and the message names the known paths", async () => {
    const message =
      "no such path; there are /put, /get, /delete, /release, /invalidate, /mput, /mget, /incr, /ttl, /entry, /keys, /flush, /cache/{key}, /redis, /redis/pipeline, /redis/multi-exec, /snapshot, /stats, /ring, /health, /livez, /readyz, /metrics, /openapi.json, /events, /";
    expect(await get("/nope")).toEqual(httpError(404, message));
    expect(await get("/get/?key=k")).toEqual(httpError(404, message));
    expect(await post("/nope", {})).toEqual(httpError(404, message));
  });

  test("a wrong method on a known path is 405 with an Allow header", async () => {
    for (const [method, path, allow] of [
      ["GET", "/put", "POST"],
      ["POST", "/get", "GET, HEAD"],
      ["PUT", "/delete", "POST, DELETE"],
      ["PATCH", "/stats?x=1", "GET, HEAD"],
      ["OPTIONS", "/mget", "POST"],
    ] as const) {
      const answer = await fetch(server.url + path, { method });
      expect([answer.status, answer.headers.get("allow")]).toEqual([405, allow]);
      const [bare] = path.split("?");
      const message = `${method} is not allowed on ${bare}; use ${allow}`;
      expect(await answer.json()).toEqual({ status: "ERROR", message });
    }
  });
});

interface Ring {
  readonly ring: readonly { shard: number; share: number; entries: number; bytes: number }[];
}
type Answer = readonly [number, unknown];

async function call(
  method: string,
  path: string,
  body?: unknown,
  base = server.url,
): Promise<Answer> {
  const text = body === undefined ? null : JSON.stringify(body);
  const answer = await fetch(base + path, { method, body: text });
  return [answer.status, await answer.json()];
}

function get(path: string): Promise<Answer> {
  return call("GET", path);
}

function post(path: string, body: unknown): Promise<Answer> {
  return call("POST", path, body);
}

function httpError(status: number, message: string): Answer {
  return [status, { status: "ERROR", message }];
}

function longer(name: string, setting: string): string {
  return `"${name}" is longer than 256 characters, the limit set by ${setting}`;
}

function ttl(shown: string): string {
  return `"ttl" is ${shown}; it must be a positive number of seconds`;
}
