// Leases, stale values and tags on both ports of a service.

import { describe, expect, test } from "bun:test";

import { freePort, serve, serveRedis, startService } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";
import { connectRaw } from "../resp/raw-client.ts";

interface Answer {
  readonly status: number;
  readonly value?: string;
  readonly stale?: boolean;
  readonly lease?: string;
  readonly retry_after?: number;
  readonly message?: string;
}

const NO_LEASE = "AAAAAAAAAAAAAAAAAAAAAA";

/** Sends a GET, or a POST with this body. */
async function call(
  url: string,
  path: string,
  body?: object,
  init: RequestInit = {},
): Promise<Answer> {
  const post = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await fetch(url + path, { ...post, ...init });
  const { status: _, ...members } = (await response.json()) as Answer;
  return { ...members, status: response.status };
}

async function leaseOf(url: string, key: string): Promise<string> {
  const { lease } = await call(url, `/get?key=${key}&lease=60`);
  if (lease === undefined) throw new Error(`no lease of ${key}`);
  return lease;
}

test("a put on one worker wakes all that wait on both, over both protocols", async () => {
  const port = freePort();
  await using service = await startService(["--workers", "2", "--resp-port", `${port}`]);
  const { url } = service;
  const lease = await leaseOf(url, "k");
  const waits = Array.from({ length: 20 }, () =>
    call(url, "/get?key=k&lease=60&wait=60", undefined, { keepalive: false }),
  );
  const clients = Array.from({ length: 8 }, () => new Bun.RedisClient(`redis://127.0.0.1:${port}`));
  const redisWaits = clients.map((client) =>
    client.send("RC.GET", ["k", "LEASE", "60", "WAIT", "60"]),
  );
  await until("28 requests to wait", async () => (await metric(url, "lease_waits_total")) === 28);
  expect(await call(url, "/put", { key: "k", value: "v", ttl: 60, lease })).toEqual({
    status: 200,
  });
  for (const answer of await Promise.all(waits)) {
    expect(answer).toEqual({ status: 200, key: "k", value: "v" } as Answer);
  }
  for (const reply of await Promise.all(redisWaits)) {
    expect(reply).toMatchObject({ value: "v", lease: null, stale: 0 });
  }
  for (const client of clients) client.close();
  expect(await metric(url, "leases_granted_total")).toBe(1);
});

test("a lease of one port is valid on the other", async () => {
  const port = freePort();
  await using service = await startService(["--resp-port", `${port}`]);
  const { url } = service;
  const client = new Bun.RedisClient(`redis://127.0.0.1:${port}`);
  const lease = await leaseOf(url, "a");
  expect(await client.send("RC.SET", ["a", "1", "LEASE", NO_LEASE])).toBeNull();
  expect(await client.send("RC.SET", ["a", "1", "EX", "60", "LEASE", lease])).toBe("OK");
  const given = (await client.send("RC.GET", ["b", "LEASE", "60"])) as { lease: string };
  expect(given).toMatchObject({ value: null, stale: 0 });
  expect((await call(url, "/get?key=b&lease=60")).retry_after).toBeGreaterThan(0);
  expect(await call(url, "/put", { key: "b", value: "2", lease: given.lease })).toEqual({
    status: 200,
  });
  expect(await client.send("GET", ["b"])).toBe("2");
  client.close();
});

describe("over HTTP", () => {
  test("a release hands the lease to one of the waiters, and the others wait on", async () => {
    await using server = serve();
    const lease = await leaseOf(server.url, "k");
    const waits = Array.from({ length: 3 }, () =>
      call(server.url, "/get?key=k&lease=60&wait=60", undefined, { keepalive: false }),
    );
    await until("3 waits", async () => (await metric(server.url, "lease_waits_total")) === 3);
    expect(await call(server.url, "/release", { key: "k", lease })).toEqual({ status: 200 });
    const next = await Promise.race(waits);
    expect([next.status, next.lease]).toEqual([404, expect.stringMatching(/^[\w-]{22}$/)]);
    expect(await call(server.url, "/release", { key: "k", lease })).toMatchObject({ status: 409 });
    await call(server.url, "/put", { key: "k", value: "v", lease: next.lease });
    const answers = (await Promise.all(waits)).map(({ status, value }) => [status, value]);
    expect(answers.toSorted()).toEqual([
      [200, "v"],
      [200, "v"],
      [404, undefined],
    ]);
  });

  test("the end of a lease gives a waiter a new one, and the end of the wait the time that is left", async () => {
    await using server = serve();
    await call(server.url, "/get?key=short&lease=0.05");
    const next = await call(server.url, "/get?key=short&lease=60&wait=60");
    expect(next).toMatchObject({ status: 404, lease: expect.any(String) });
    const late = await call(server.url, "/get?key=short&lease=60&wait=0.05");
    expect(late.status).toBe(404);
    expect(late.retry_after).toBeGreaterThan(50);
  });

  test("more waiters than --max-waiters get 503, and a waiter ends with its connection", async () => {
    await using server = serve("--max-waiters", "1");
    const lease = await leaseOf(server.url, "k");
    const aborting = new AbortController();
    const aborted = call(server.url, "/get?key=k&lease=60&wait=60", undefined, {
      signal: aborting.signal,
    }).catch(() => "aborted");
    await until("a wait", async () => (await metric(server.url, "lease_waits_total")) === 1);
    const refused = await call(server.url, "/get?key=k&lease=60&wait=60");
    const message = "1 requests wait already, the limit set by --max-waiters; retry in 1 s";
    expect(refused).toEqual({ status: 503, message });
    aborting.abort();
    expect(await aborted).toBe("aborted");
    await until("room for a waiter", async () => {
      return (await call(server.url, "/get?key=k&lease=60&wait=0.01")).status === 404;
    });
    // The client that has left did not get a lease in place of this one.
    expect(await call(server.url, "/put", { key: "k", value: "v", lease })).toEqual({
      status: 200,
    });
  });

  test("a delete, an invalidation and a put void a lease, and the message says why", async () => {
    await using server = serve();
    const { url } = server;
    const ends: [string, () => Promise<unknown>, RegExp][] = [
      ["deleted", () => call(url, "/delete", { key: "deleted" }), /was deleted or invalidated/],
      ["keys", () => call(url, "/invalidate", { keys: ["keys"] }), /was deleted or invalidated/],
      ["all", () => call(url, "/invalidate", { all: true }), /was deleted or invalidated/],
      ["tag", () => call(url, "/invalidate", { tags: ["t"] }), /a tag .* was invalidated/],
      ["put", () => call(url, "/put", { key: "put", value: "other" }), /the key was put/],
      ["plain", () => fetch(`${url}/cache/plain`, { method: "PUT", body: "x" }), /the key was put/],
      ["gone", () => fetch(`${url}/cache/gone`, { method: "DELETE" }), /was deleted or invalid/],
      ["incr", () => call(url, "/incr", { key: "incr" }), /the key was put/],
    ];
    for (const [key, end, reason] of ends) {
      const lease = await leaseOf(url, key);
      await end();
      const answer = await call(url, "/put", { key, value: "late", tags: ["t"], lease });
      expect([key, answer.status, answer.message]).toEqual([
        ...[key, 409],
        expect.stringMatching(reason),
      ]);
      expect((await call(url, `/get?key=${key}`)).value).not.toBe("late");
    }
  });

  test("a stale value comes with stale, and with the lease for the first caller", async () => {
    await using server = serve();
    const { url } = server;
    await call(url, "/put", { key: "k", value: "v", ttl: 1e-3, stale: 600 });
    await until("the end of freshness", async () => (await call(url, "/get?key=k")).status === 404);
    const stale = { status: 200, key: "k", value: "v", stale: true };
    expect(await call(url, "/get?key=k&stale=1")).toEqual(stale as Answer);
    const { lease, ...rest } = await call(url, "/get?key=k&lease=60");
    expect(rest).toEqual(stale as Answer);
    expect(await call(url, "/get?key=k&lease=60&wait=60")).toEqual(stale as Answer);
    expect(await call(url, "/put", { key: "k", value: "w", lease })).toEqual({ status: 200 });
    expect(await call(url, "/get?key=k&stale=1")).toEqual({
      ...{ status: 200, key: "k", value: "w" },
    } as Answer);
    expect(await metric(url, "stale_served_total")).toBe(3);
  });

  test("the token for reading gets stale values and no leases", async () => {
    await using server = serve("--auth-token", "full", "--read-token", "reader");
    const headers = { authorization: "Bearer reader" };
    const get = (query: string) => call(server.url, `/get?key=k&${query}`, undefined, { headers });
    expect(await get("stale=1")).toMatchObject({ status: 404 });
    expect(await get("lease=5")).toMatchObject({ status: 403 });
  });

  const WRONG: readonly [string, object | undefined, string][] = [
    [
      "/get?key=k&lease=0",
      undefined,
      '"lease" is "0"; it must be a number of seconds from 0.001 to 3600',
    ],
    [
      "/get?key=k&lease=x",
      undefined,
      '"lease" is "x"; it must be a number of seconds from 0.001 to 3600',
    ],
    ["/get?key=k&wait=1", undefined, '"wait" needs "lease": use ?key=NAME&lease=10&wait=3'],
    [
      "/get?key=k&lease=1&wait=61",
      undefined,
      '"wait" is "61"; it must be a number of seconds from 0 to 60',
    ],
    ["/get?key=k&stale=yes", undefined, '"stale" is "yes"; use 1 for stale values too, or 0'],
    [
      "/put",
      { key: "k", value: "v", stale: -1 },
      '"stale" is -1; it must be a number of seconds, 0 or more',
    ],
    [
      "/put",
      { key: "k", value: "v", tags: "t" },
      '"tags" is a string; it must be an array of at most 16 strings',
    ],
    [
      "/put",
      { key: "k", value: "v", tags: Array(17).fill("t") },
      '"tags" has 17 elements; it may have 16',
    ],
    [
      "/put",
      { key: "k", value: "v", tags: [""] },
      '"tags[0]" has 0 bytes; it must have 1 to 256 in UTF-8',
    ],
    ["/put", { key: "k", value: "v", tags: [7] }, '"tags[0]" is a number; it must be a string'],
    [
      "/put",
      { key: "k", value: "v", lease: "x" },
      '"lease" is "x", which is no token; send the "lease" of a response to /get',
    ],
    [
      "/mput",
      { entries: [{ key: "k", value: "v", tags: [7] }] },
      '"entries[0].tags[0]" is a number; it must be a string',
    ],
    ["/release", { key: "k" }, '"lease" is missing'],
    ["/invalidate", {}, 'the body names nothing; send "tags", "keys", or "all":true'],
    ["/invalidate", { all: 1 }, '"all" is 1; it must be true or false'],
  ];
  for (const [path, body, message] of WRONG) {
    test(`${path} ${JSON.stringify(body) ?? ""} is 400`, async () => {
      await using server = serve();
      expect(await call(server.url, path, body)).toEqual({ status: 400, message });
    });
  }
});

describe("on the Redis port", () => {
  test("a waiter ends with its connection, and its lease goes to another client", async () => {
    await using service = serveRedis(["--max-waiters", "1"]);
    const holder = new Bun.RedisClient(`redis://127.0.0.1:${service.port}`);
    const { lease } = (await holder.send("RC.GET", ["k", "LEASE", "60"])) as { lease: string };
    const leaving = await connectRaw(service.port);
    leaving.send(
      "*6\r\n$6\r\nRC.GET\r\n$1\r\nk\r\n$5\r\nLEASE\r\n$2\r\n60\r\n$4\r\nWAIT\r\n$2\r\n60\r\n",
    );
    const waits = () => service.cache.maintenance.stats().leaseWaits;
    await until("a wait", () => waits() === 1);
    const full = holder.send("RC.GET", ["k", "LEASE", "60", "WAIT", "60"]);
    expect(full).rejects.toThrow("--max-waiters");
    leaving[Symbol.dispose]();
    let other: unknown;
    await until("room for a waiter", async () => {
      other = await holder.send("RC.GET", ["k", "LEASE", "60", "WAIT", "1"]).catch(() => undefined);
      return other !== undefined;
    });
    expect(other).toMatchObject({ value: null, lease: null });
    expect(await holder.send("RC.RELEASE", ["k", lease])).toBe(1);
    expect(await holder.send("RC.RELEASE", ["k", lease])).toBe(0);
    expect(await holder.send("RC.GET", ["k", "LEASE", "60"])).toMatchObject({
      lease: expect.any(String),
    });
    holder.close();
  });

  test("RC.GET does not wait in a transaction, and its replies are an array or a map", async () => {
    await using service = serveRedis();
    const client = await connectRaw(service.port);
    let sent = 0;
    let seen = 0;
    const send = async (...words: string[]) => {
      client.send([...words, `ECHO end${++sent}`].map((word) => `${word}\r\n`).join(""));
      const all = await client.until(`end${sent}\r\n`);
      const reply = all.slice(seen).replace(/\$\d+\r\nend\d+\r\n$/, "");
      seen = all.length;
      return reply;
    };
    await send("RC.GET k LEASE 60");
    const reply = await send("MULTI", "RC.GET k LEASE 60 WAIT 60", "EXEC");
    expect(reply).toContain("*1\r\n*8\r\n$5\r\nvalue\r\n$-1\r\n$5\r\nlease\r\n$-1\r\n");
    expect(await send("RC.SET k v PX 100000 TAGS 1 t")).toBe("+OK\r\n");
    expect(await send("RC.GET k")).toMatch(
      /^\*8\r\n\$5\r\nvalue\r\n\$1\r\nv\r\n.*ms\r\n:\d+\r\n$/s,
    );
    expect(await send("RC.INVALIDATE t")).toBe("+OK\r\n");
    expect(await send("GET k")).toBe("$-1\r\n");
  });

  test("wrong options are errors", async () => {
    await using service = serveRedis();
    const client = new Bun.RedisClient(`redis://127.0.0.1:${service.port}`);
    const wrong: readonly [string[], string][] = [
      [["RC.GET", "k", "LEASE", "0"], "ERR LEASE must be a whole number of seconds from 1 to 3600"],
      [["RC.GET", "k", "WAIT", "1"], "ERR WAIT needs LEASE: RC.GET key LEASE 10 WAIT 3"],
      [["RC.SET", "k", "v", "TAGS", "2", "a"], "ERR TAGS must be followed by the number of tags"],
      [["RC.SET", "k", "v", "TAGS", "1", ""], "ERR a tag must have 1 to 256 bytes"],
      [["RC.SET", "k", "v", "LEASE", "x"], "ERR LEASE must be a token"],
      [["RC.SET", "k", "v", "STALE", "-1"], "ERR STALE must be a whole number of seconds"],
      [["RC.SET", "k", "v", "EX", "1", "PX", "1"], "ERR syntax error"],
      [["RC.INVALIDATE", ""], "ERR a tag must have 1 to 256 bytes"],
    ];
    for (const [[name = "", ...args], message] of wrong) {
      const failing = client.send(name, args).then(String, (error: Error) => error.message);
      expect([name, ...args, await failing]).toEqual([
        name,
        ...args,
        expect.stringContaining(message),
      ]);
    }
    client.close();
  });
});

/** Returns the value of a metric without labels. */
async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^ringcache_${name} (\\S+)$`, "m").exec(text)?.[1]);
}
