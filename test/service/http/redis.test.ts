// /redis: Upstash's REST API, with its own client and with plain requests.

import { afterAll, describe, expect, test } from "bun:test";
import { Ratelimit } from "@upstash/ratelimit";
import { Redis } from "@upstash/redis";

import { exchange } from "../../lib/raw.ts";
import { serve } from "../../lib/service.ts";

const server = serve();
afterAll(() => server.stop(0));

async function send(
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
  url = server.url,
) {
  const response = await fetch(url + path, { method: "POST", body: JSON.stringify(body), headers });
  return [response.status, await response.json()];
}
const BASE64 = { "upstash-encoding": "base64" };

describe("a request", () => {
  test("runs one command of the Redis port", async () => {
    expect(await send("/redis", ["SET", "k", "v"])).toEqual([200, { result: "OK" }]);
    expect(await send("/redis", ["get", "k"])).toEqual([200, { result: "v" }]);
    expect(await send("/redis", ["GET", "nobody"])).toEqual([200, { result: null }]);
    expect(await send("/redis", ["SET", "n", 41, "EX", 100])).toEqual([200, { result: "OK" }]);
    expect(await send("/redis", ["INCR", "n"])).toEqual([200, { result: 42 }]);
    expect(await send("/redis", ["MGET", "n", "nobody"])).toEqual([200, { result: ["42", null] }]);
  });

  test("gets the errors of the Redis port", async () => {
    const integer = "ERR value is not an integer or out of range";
    await send("/redis", ["SET", "k", "v"]);
    expect(await send("/redis", ["INCR", "k"])).toEqual([400, { error: integer }]);
    const unknown = "ERR unknown command 'nope', with args beginning with: 'a' ";
    expect(await send("/redis", ["nope", "a"])).toEqual([400, { error: unknown }]);
    const count = "ERR wrong number of arguments for 'get' command";
    expect(await send("/redis", ["GET"])).toEqual([400, { error: count }]);
  });

  test("keeps the 64 bits of an integer", async () => {
    await send("/redis", ["SET", "big", "9007199254740992"]);
    const init = { method: "POST", body: '["INCR","big"]' };
    expect(await (await fetch(`${server.url}/redis`, init)).text()).toBe(
      '{"result":9007199254740993}',
    );
  });

  test("that is no command is an error that says what would be right", async () => {
    for (const [body, message] of [
      [{ a: 1 }, "the body is an object; it must be a JSON array"],
      ["GET", "the body is a string; it must be a JSON array"],
    ] as const) {
      expect(await send("/redis", body)).toEqual([400, { status: "ERROR", message }]);
    }
    for (const [path, body, error] of [
      ["/redis", [], 'ERR the body is empty; use an array such as ["GET","key"]'],
      [
        "/redis",
        ["GET", null],
        "ERR argument 1 of the body is null; it must be a string or a number",
      ],
      [
        "/redis",
        [["GET"]],
        "ERR argument 0 of the body is an array; it must be a string or a number",
      ],
      ["/redis/pipeline", ["GET"], 'ERR command 0 is a string; use an array such as ["GET","key"]'],
      ["/redis/multi-exec", [[]], 'ERR command 0 is empty; use an array such as ["GET","key"]'],
    ] as const) {
      expect(await send(path, body)).toEqual([400, { error }]);
    }
  });

  test("cannot run a command that is for connections", async () => {
    for (const command of [
      ["SUBSCRIBE", "c"],
      ["MONITOR"],
      ["HELLO", "3"],
      ["client", "REPLY", "off"],
    ]) {
      const [status, body] = await send("/redis", command);
      expect([command, status, body]).toEqual([
        command,
        400,
        { error: expect.stringContaining("use the Redis port") },
      ]);
    }
  });

  test("gets strings in base64, but for OK", async () => {
    const text = "é\0\u{1f389}";
    expect(await send("/redis", ["SET", "b", text], BASE64)).toEqual([200, { result: "OK" }]);
    const encoded = Buffer.from(text).toString("base64");
    expect(await send("/redis", ["GET", "b"], BASE64)).toEqual([200, { result: encoded }]);
    expect(await send("/redis", ["MGET", "b", "x"], BASE64)).toEqual([
      200,
      { result: [encoded, null] },
    ]);
    expect(await send("/redis", ["PING"], BASE64)).toEqual([200, { result: btoa("PONG") }]);
    expect(await send("/redis", ["STRLEN", "b"], BASE64)).toEqual([200, { result: 7 }]);
    expect(await send("/redis", ["GET"], BASE64)).toEqual([400, { error: expect.any(String) }]);
  });
});

describe("a pipeline", () => {
  test("runs commands in order, and an error stops none", async () => {
    const commands = [
      ["SET", "p", "1"],
      ["INCR", "p"],
      ["GETRANGE", "p"],
      ["GET", "p"],
    ];
    expect(await send("/redis/pipeline", commands)).toEqual([
      200,
      [
        { result: "OK" },
        { result: 2 },
        { error: "ERR wrong number of arguments for 'getrange' command" },
        { result: "2" },
      ],
    ]);
    expect(await send("/redis/pipeline", [])).toEqual([200, []]);
  });

  test("is one session: MULTI and EXEC work in it, and SELECT ends with it", async () => {
    const commands = [
      ["SET", "s", "0"],
      ["SELECT", "1"],
      ["SET", "s", "1"],
      ["MULTI"],
      ["GET", "s"],
      ["EXEC"],
    ];
    const [, outcomes] = await send("/redis/pipeline", commands);
    expect(outcomes).toEqual([
      ...[{ result: "OK" }, { result: "OK" }, { result: "OK" }, { result: "OK" }],
      ...[{ result: "QUEUED" }, { result: ["1"] }],
    ]);
    expect(await send("/redis", ["GET", "s"])).toEqual([200, { result: "0" }]);
    expect(await send("/redis", ["EXEC"])).toEqual([400, { error: "ERR EXEC without MULTI" }]);
  });

  test("has at most --max-batch-entries commands", async () => {
    await using small = serve("--max-batch-entries", "3");
    const commands = [["PING"], ["PING"], ["PING"], ["PING"]];
    const [status, body] = await send("/redis/pipeline", commands, {}, small.url);
    expect([status, body]).toEqual([
      413,
      expect.objectContaining({ message: expect.stringContaining("--max-batch-entries") }),
    ]);
    expect(await send("/redis/pipeline", commands.slice(1), {}, small.url)).toEqual([
      200,
      Array.from({ length: 3 }, () => ({ result: "PONG" })),
    ]);
  });
});

describe("a reply", () => {
  test("that is too long as JSON is an error, and the rest of its pipeline does not run", async () => {
    await using small = serve("--max-pending-bytes", "1mb");
    const run = async (...commands: unknown[]) =>
      await send("/redis/pipeline", commands, {}, small.url);
    const tooLong = { error: expect.stringContaining("half of --max-pending-bytes") };
    await run(["SETRANGE", "zeros", "99999", "x"], ["SET", "text", "x".repeat(100_000)]);
    // Each zero byte takes six characters.
    expect(await run(["GET", "zeros"], ["SET", "k", "v"])).toEqual([200, [tooLong, tooLong]]);
    expect(await run(["GET", "k"])).toEqual([200, [{ result: null }]]);
    const text = { result: "x".repeat(100_000) };
    expect(await run(["GET", "text"], ["GET", "text"])).toEqual([200, [text, text]]);
  });

  test("gives back its room when the request ends, in whatever way", async () => {
    await using small = serve("--max-pending-bytes", "1mb");
    await send("/redis", ["SET", "text", "x".repeat(200_000)], {}, small.url);
    for (let n = 0; n < 30; n++) {
      const all = await Promise.all([
        send("/redis", ["GET", "text"], {}, small.url),
        send("/redis/multi-exec", [["GET", "text"]], {}, small.url),
      ]);
      // Each alone has room; two together may not.
      expect(all.some(([status]) => status === 200)).toBeTrue();
    }
    const [status] = await send("/redis", ["GET", "text"], {}, small.url);
    expect(status).toBe(200);
  });
});

test("a transaction with commands of transactions is discarded", async () => {
  for (const name of ["exec", "MULTI", "discard", "watch"]) {
    const outcome = await send("/redis/multi-exec", [["SET", "inner", "1"], [name, "k"], [name]]);
    const error = "EXECABORT Transaction discarded because of previous errors.";
    expect([name, ...outcome]).toEqual([name, 400, { error }]);
  }
  expect(await send("/redis", ["GET", "inner"])).toEqual([200, { result: null }]);
});

test("a request of several commands is answered in the turn of a pipeline of HTTP", async () => {
  const body = JSON.stringify(Array.from({ length: 16 }, () => ["PING"]));
  const one = `POST /redis/pipeline HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const last = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
  const answers = await exchange(server.url, one.repeat(20) + last);
  expect(answers.match(/HTTP\/1.1 200/g)).toHaveLength(21);
});

describe("a transaction", () => {
  test("runs all commands as one step", async () => {
    const commands = [
      ["SET", "t", "1"],
      ["INCR", "t"],
      ["APPEND", "k", "x"],
      ["GET", "t"],
    ];
    expect(await send("/redis/multi-exec", commands)).toEqual([
      200,
      [{ result: "OK" }, { result: 2 }, { result: expect.any(Number) }, { result: "2" }],
    ]);
    expect(await send("/redis/multi-exec", [["GET", "t"]])).toEqual([200, [{ result: "2" }]]);
    expect(await send("/redis/multi-exec", [])).toEqual([200, []]);
  });

  test("with a command that cannot run is discarded", async () => {
    const error = "EXECABORT Transaction discarded because of previous errors.";
    const nested = [["MULTI"], ["EXEC"], ["DISCARD"], ["WATCH", "d"], ["exec", "x"]];
    for (const wrong of [["nope"], ["GET"], ["SUBSCRIBE", "c"], ...nested]) {
      await send("/redis", ["SET", "d", "before"]);
      const after = ["SET", "d", "after"];
      const outcome = await send("/redis/multi-exec", [after, wrong, after]);
      expect([wrong, ...outcome]).toEqual([wrong, 400, { error }]);
      expect(await send("/redis", ["GET", "d"])).toEqual([200, { result: "before" }]);
    }
  });
});

test("the read-only token runs commands that read, and pages of other origins run none", async () => {
  await using guarded = serve("--auth-token", "full", "--read-token", "reader");
  const as = (token: string, command: unknown, more = {}) =>
    send("/redis", command, { authorization: `Bearer ${token}`, ...more }, guarded.url);
  expect((await as("wrong", ["PING"]))[0]).toBe(401);
  expect(await as("full", ["SET", "k", "v"])).toEqual([200, { result: "OK" }]);
  expect(await as("reader", ["GET", "k"])).toEqual([200, { result: "v" }]);
  const denied = "NOPERM this user has no permissions to run the 'set' command";
  expect(await as("reader", ["SET", "k", "2"])).toEqual([400, { error: denied }]);
  const foreign = { origin: "http://evil.example" };
  for (const token of ["full", "reader"]) {
    expect((await as(token, ["GET", "k"], foreign))[0]).toBe(403);
  }
});

describe("@upstash/redis", () => {
  const redis = new Redis({ url: `${server.url}/redis`, token: "any", enableTelemetry: false });

  test("reads and writes strings, objects and lifetimes", async () => {
    expect(await redis.set("u:text", "é 🎉", { ex: 100 })).toBe("OK");
    expect(await redis.get<string>("u:text")).toBe("é 🎉");
    expect(await redis.ttl("u:text")).toBeWithin(1, 101);
    await redis.set("u:object", { name: "Ada", n: [1, 2] });
    expect(await redis.get<object>("u:object")).toEqual({ name: "Ada", n: [1, 2] });
    expect(await redis.set("u:text", "no", { nx: true })).toBeNull();
    expect(await redis.incrby("u:n", 5)).toBe(5);
    expect(await redis.mget("u:n", "u:nobody")).toEqual([5, null]);
    await redis.mset({ "u:a": "1", "u:b": "2" });
    expect(await redis.exists("u:a", "u:b", "u:c")).toBe(2);
    expect(await redis.getdel<string>("u:text")).toBe("é 🎉");
    expect(await redis.del("u:a")).toBe(1);
    expect(redis.getrange("u:n", 0, 1)).resolves.toBeDefined();
  });

  test("scans all keys", async () => {
    for (let n = 0; n < 30; n++) await redis.set(`scan:${n}`, n);
    const found = new Set<string>();
    let cursor = "0";
    do {
      const [next, keys] = await redis.scan(cursor, { match: "scan:*", count: 7 });
      for (const key of keys) found.add(key);
      cursor = next;
    } while (cursor !== "0");
    expect(found.size).toBe(30);
  });

  test("runs pipelines and transactions, and pipelines what is called together", async () => {
    const pipeline = redis.pipeline().set("pl", 1).incr("pl").get("pl");
    expect(await pipeline.exec<unknown[]>()).toEqual(["OK", 2, 2]);
    const multi = redis.multi().set("pl", 5).incr("pl");
    expect(await multi.exec<unknown[]>()).toEqual(["OK", 6]);
    const together = new Redis({
      url: `${server.url}/redis`,
      token: "any",
      enableAutoPipelining: true,
    });
    const results = await Promise.all([
      together.incr("auto"),
      together.incr("auto"),
      together.get("auto"),
    ]);
    expect(results).toEqual([1, 2, 2]);
  });

  test("shows the errors of commands", async () => {
    await redis.set("text", "word");
    expect(redis.incr("text")).rejects.toThrow("value is not an integer");
    const failing = redis.pipeline().set("x", 1).incr("text");
    expect(failing.exec()).rejects.toThrow("value is not an integer");
  });
});

describe("@upstash/ratelimit", () => {
  const redis = new Redis({ url: `${server.url}/redis`, token: "any", enableTelemetry: false });

  for (const [name, limiter] of [
    ["fixed window", Ratelimit.fixedWindow(3, "1000 s")],
    ["sliding window", Ratelimit.slidingWindow(3, "1000 s")],
    // Ratelimit.tokenBucket needs hashes.
  ] as const) {
    test(`limits with a ${name}`, async () => {
      const ratelimit = new Ratelimit({
        redis,
        limiter,
        prefix: `limit:${name}`,
        ephemeralCache: false,
      });
      const results = [];
      for (let n = 0; n < 4; n++) results.push((await ratelimit.limit("user")).success);
      expect(results).toEqual([true, true, true, false]);
      expect((await ratelimit.limit("other")).success).toBe(true);
      await ratelimit.resetUsedTokens("user");
      expect((await ratelimit.limit("user")).success).toBe(true);
    });
  }
});
