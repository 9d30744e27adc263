// A node in front of one redis-server, over both ports. Skipped whole without redis-server.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { connect } from "../../lib/raw.ts";
import { until } from "../../lib/until.ts";
import { figureOf, type Parts, start } from "./parts.ts";

const isMissing = Bun.which("redis-server") === null;
if (isMissing) console.log("skipped: the tests of --upstream need redis-server");

function commandText(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((one) => `$${one.length}\r\n${one}\r\n`).join("")}`;
}

describe.skipIf(isMissing)("a node in front of redis-server", () => {
  let parts: Parts;
  beforeAll(async () => {
    // A stall of a busy machine is no fault of the upstream.
    const limits = ["--max-pending-bytes", "3mb", "--max-value-length", "100000"];
    parts = await start(...limits, "--upstream-timeout", "30");
  });
  afterAll(async () => {
    await parts?.[Symbol.asyncDispose]();
  });
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`${parts.node.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return [response.status, await response.json()] as const;
  };
  const hits = async () => {
    const text = await (await fetch(`${parts.node.url}/metrics`)).text();
    return Number(/^ringcache_near_hits_total (\d+)/m.exec(text)?.[1]);
  };

  test("a read becomes near, and changes of other clients end it", async () => {
    const { near, direct } = parts;
    await direct.set("changes", "0");
    const before = await hits();
    await until("a read was near", async () => {
      expect(await near.get("changes")).toBe("0");
      return (await hits()) > before;
    });
    const changes: [string, string[], string | null][] = [
      ["SET", ["changes", "1"], "1"],
      ["APPEND", ["changes", "0"], "10"],
      ["INCR", ["changes"], "11"],
      ["GETSET", ["changes", "x"], "x"],
      ["SETRANGE", ["changes", "1", "yz"], "xyz"],
      ["MSET", ["changes", "m", "other", "o"], "m"],
      ["RENAME", ["other", "changes"], "o"],
      ["PEXPIRE", ["changes", "1"], null],
      ["EVAL", ["return redis.call('set', KEYS[1], 's')", "1", "changes"], "s"],
      ["UNLINK", ["changes"], null],
      ["SET", ["changes", "again"], "again"],
      ["FLUSHALL", [], null],
    ];
    for (const [command, args, value] of changes) {
      await near.get("changes");
      await direct.send(command, args);
      await until(`${command} is seen`, async () => (await near.get("changes")) === value);
    }
  });

  test("a write through the node is seen at once, on both ports and by all workers", async () => {
    const { near, direct, node } = parts;
    for (let n = 0; n < 50; n++) {
      await near.set("own", `${n}`);
      expect(await near.get("own")).toBe(`${n}`);
      const response = await fetch(`${node.url}/get?key=own`);
      expect(await response.json()).toMatchObject({ value: `${n}` });
      expect(await post("/put", { key: "own", value: `http ${n}` })).toEqual([
        200,
        { status: "OK" },
      ]);
      expect(await near.get("own")).toBe(`http ${n}`);
    }
    expect(await direct.get("own")).toBe("http 49");
  });

  test("a pipeline runs in order", async () => {
    const { near } = parts;
    const replies = await Promise.all(
      Array.from({ length: 60 }, (_, n) => [
        near.set("order", `${n}`),
        near.get("order"),
        near.send("ECHO", [`${n}`]),
        near.send("STRLEN", ["order"]),
      ]).flat(),
    );
    const expected = Array.from({ length: 60 }, (_, n) => ["OK", `${n}`, `${n}`, `${n}`.length]);
    expect(replies).toEqual(expected.flat());
  });

  test("bytes and integers of 64 bits go through unchanged", async () => {
    const { near, direct } = parts;
    await direct.set("large", "9223372036854775806");
    // The client of this test returns a number, which has no room for the reply.
    await near.send("INCRBY", ["large", "1"]);
    expect(await near.get("large")).toBe("9223372036854775807");
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await direct.set("bytes", bytes);
    for (let n = 0; n < 3; n++) {
      expect(Buffer.from((await near.getBuffer("bytes")) ?? [])).toEqual(bytes);
    }
  });

  test("commands on all keys reach the upstream", async () => {
    const { near, direct } = parts;
    await near.send("FLUSHALL", []);
    const names = Array.from({ length: 300 }, (_, n) => `scan:${n}`);
    await Promise.all(names.map((name) => near.set(name, "v")));
    expect(await near.send("DBSIZE", [])).toBe(300);
    const found: string[] = [];
    let cursor = "0";
    do {
      const [next, keys] = (await near.send("SCAN", [cursor, "COUNT", "50"])) as [string, string[]];
      found.push(...keys);
      cursor = next;
    } while (cursor !== "0");
    expect([...new Set(found)].toSorted()).toEqual(names.toSorted());
    expect(await near.send("DEL", names.slice(0, 10))).toBe(10);
    expect(await direct.send("DBSIZE", [])).toBe(290);
    expect(await near.send("MGET", ["scan:1", "scan:11"])).toEqual([null, "v"]);
  });

  test("transactions run in the upstream; those with a refused WATCH do not run", async () => {
    const { near, direct } = parts;
    await near.send("MULTI", []);
    expect(await near.send("SET", ["tx", "1"])).toBe("QUEUED");
    await near.send("INCR", ["tx"]);
    expect(await near.send("EXEC", [])).toEqual(["OK", 2]);
    expect(near.send("WATCH", ["tx"])).rejects.toThrow("WATCH is not possible with --upstream");
    await near.send("MULTI", []);
    await near.send("SET", ["tx", "lost"]);
    expect(near.send("EXEC", [])).rejects.toThrow("EXECABORT");
    expect(await direct.get("tx")).toBe("2");
  });

  test("COPY stays in database 0, in a transaction too", async () => {
    const { near, direct } = parts;
    await near.set("from", "value");
    expect(await near.send("COPY", ["from", "to", "DB", "0"])).toBe(1);
    expect(await direct.get("to")).toBe("value");
    await near.send("MULTI", []);
    await near.send("COPY", ["from", "other", "DB", "1"]);
    expect(near.send("EXEC", [])).rejects.toThrow("EXECABORT");
    expect(await direct.send("INFO", ["keyspace"])).not.toContain("db1:");
  });

  test("UNWATCH and DISCARD end a refused WATCH, so that the next transaction runs", async () => {
    const { near } = parts;
    for (const end of [["UNWATCH"], ["MULTI", "DISCARD"]]) {
      await expect(near.send("WATCH", ["free"])).rejects.toThrow("WATCH is not possible");
      for (const command of end) expect(await near.send(command, [])).toBe("OK");
      await near.send("MULTI", []);
      await near.send("INCR", ["free"]);
      expect(await near.send("EXEC", [])).toHaveLength(1);
    }
  });

  test.each([
    [["EVAL", "return 1", "0"], "EVAL is not possible with --upstream"],
    [["SUBSCRIBE", "channel"], "SUBSCRIBE is not possible with --upstream"],
    [["SELECT", "3"], "database 0 only"],
    [["COPY", "k", "copy", "REPLACE", "DB", "1"], "database 0 only"],
    [["MONITOR"], "MONITOR is not possible with --upstream"],
    [["SAVE"], "SAVE is not possible with --upstream"],
    [["CLIENT", "TRACKING", "ON"], "CLIENT TRACKING is not possible with --upstream"],
  ])("%p is an error that says so", async (words, reason) => {
    const [command = "", ...args] = words;
    expect(parts.near.send(command, args)).rejects.toThrow(reason);
  });

  test("HTTP has its routes, and responds with 501 to what is of the single machine", async () => {
    const { node, direct } = parts;
    await direct.send("FLUSHALL", []);
    const get = async (path: string, method = "GET") => {
      const response = await fetch(`${node.url}${path}`, { method });
      return [response.status, await response.json()] as const;
    };
    expect(await post("/put", { key: "h", value: "v", ttl: 50, if: "absent" })).toMatchObject([
      200,
      {},
    ]);
    expect(await post("/put", { key: "h", value: "v", if: "absent" })).toMatchObject([412, {}]);
    expect((await direct.pttl("h")) > 0).toBe(true);
    expect(await get("/get?key=h&fresh=1")).toMatchObject([200, { value: "v" }]);
    expect(await get("/ttl?key=h", "DELETE")).toMatchObject([200, {}]);
    expect(await get("/ttl?key=h")).toMatchObject([200, { ttl: null }]);
    expect(await post("/incr", { key: "n", by: 5, ttl: 9 })).toMatchObject([200, { value: 5 }]);
    expect((await direct.pttl("n")) > 0).toBe(true);
    expect(await post("/incr", { key: "h", by: 5 })).toMatchObject([409, {}]);
    expect(await post("/incr", { key: "h", by: 5, ttl: 9 })).toMatchObject([409, {}]);
    const entries = [
      { key: "a", value: "1" },
      { key: "b", value: "2" },
    ];
    expect(await post("/mput", { entries })).toEqual([200, { status: "OK", stored: 2 }]);
    expect(await post("/mget", { keys: ["a", "nope", "b"] })).toMatchObject([
      200,
      { values: ["1", null, "2"] },
    ]);
    expect(await post("/delete", { key: "nope" })).toMatchObject([404, {}]);
    expect(await post("/delete", { key: "a" })).toMatchObject([200, {}]);
    expect(await direct.exists("a")).toBe(false);
    expect(await get("/keys?pattern=b")).toMatchObject([200, { keys: ["b"] }]);
    expect(await get("/get?key=h&lease=3")).toMatchObject([501, {}]);
    expect(await get("/cache/h")).toMatchObject([501, {}]);
    expect(await post("/put", { key: "h", value: "v", tags: ["t"] })).toMatchObject([501, {}]);
    expect(await post("/invalidate", { tags: ["t"] })).toMatchObject([501, {}]);
    expect(await post("/snapshot", {})).toMatchObject([501, {}]);
    expect(await post("/flush", {})).toMatchObject([200, {}]);
    expect(await direct.send("DBSIZE", [])).toBe(0);
  });

  test("an MGET of many keys comes before the commands behind it, on both ports", async () => {
    const { near, direct } = parts;
    const keys = Array.from({ length: 600 }, (_, n) => `many:${n}`);
    await direct.send(
      "MSET",
      keys.flatMap((key) => [key, `old ${key}`]),
    );
    const old = keys.map((key) => `old ${key}`);
    // The first waits for the upstream, so the MGET is in its batch.
    const replies = await Promise.all([
      near.get("missing"),
      near.send("MGET", keys),
      ...keys.map((key) => near.set(key, `new ${key}`)),
      near.send("MGET", keys),
      near.get("many:599"),
    ]);
    expect(replies.slice(0, 2)).toEqual([null, old]);
    const renewed = keys.map((key) => `new ${key}`);
    expect(replies.slice(-2)).toEqual([renewed, "new many:599"]);
    expect(await post("/mget", { keys })).toEqual([200, { status: "OK", values: renewed }]);
    expect(await post("/invalidate", { keys })).toMatchObject([200, {}]);
    expect(Number(await direct.send("EXISTS", keys))).toBe(0);
  });

  test("a counter and its lifetime are one step, so that it cannot expire in between", async () => {
    const { direct } = parts;
    await direct.send("CONFIG", ["RESETSTAT"]);
    expect(await post("/incr", { key: "step", ttl: 9 })).toMatchObject([200, { value: 1 }]);
    expect(await post("/incr", { key: "step", ttl: 9 })).toMatchObject([200, { value: 2 }]);
    const stats = String(await direct.send("INFO", ["commandstats"]));
    for (const name of ["multi", "set", "incrby", "exec"]) {
      expect(stats).toContain(`cmdstat_${name}:calls=2,`);
    }
    expect(Number(await direct.send("PTTL", ["step"]))).toBeGreaterThan(0);
    await direct.del("step");
  });

  test("replies that exceed --max-pending-bytes together are an error, and end", async () => {
    const { direct, near } = parts;
    const keys = ["long0", "long1", "long2", "long3"];
    for (const key of keys) await direct.set(key, "x".repeat(2 ** 20));
    for (let n = 0; n < 3; n++) {
      expect(await near.send("MGET", keys).catch(String)).toContain("no room");
      const [status, body] = await post("/mget", { keys });
      expect([status, body]).toEqual([
        503,
        { status: "ERROR", message: expect.stringContaining("--max-pending-bytes") },
      ]);
    }
    expect((await near.get("long0"))?.length).toBe(2 ** 20);
    await direct.del(...keys);
  });

  test("nothing of --max-pending-bytes stays claimed, whatever ends a request", async () => {
    const { direct, node, respPort, redis } = parts;
    const figure = (name: string) => figureOf(node, name);
    const value = "x".repeat(30_000);
    await direct.set("text", value);
    const pipelines = [
      [["SET", "p1", value]],
      [
        ["GET", "text"],
        ["GET", "text"],
        ["GET", "text"],
      ],
      [["MGET", "text", "none", "text"]],
      [["LPUSH", "text", value]],
      [["MULTI"], ["SET", "p1", value], ["APPEND", "p1", value]],
      [["MULTI"], ["SET", "p1", value], ["APPEND", "p1", value], ["EXEC"]],
      [
        ["CLIENT", "REPLY", "OFF"],
        ["SET", "p1", value],
        ["GET", "text"],
      ],
      [
        ["CLIENT", "REPLY", "SKIP"],
        ["GET", "text"],
        ["MGET", "text", "p1"],
      ],
      [["DEL", "p1", "p2"], ["SCAN", "0"], ["FLUSHDB", "wrong"], ["KEYS", "*"], ["RANDOMKEY"]],
    ];
    // The upstream answers nothing, so that all of these are in flight when their clients leave.
    redis.kill("SIGSTOP");
    for (const pipeline of pipelines) {
      const text = pipeline.map(commandText).join("");
      using whole = await connect(`http://127.0.0.1:${respPort}`);
      whole.send(text);
      // The rest of the last command never comes.
      using cut = await connect(`http://127.0.0.1:${respPort}`);
      cut.send(text + commandText(["SET", "p1", value]).slice(0, 20_000));
      await until("commands are in flight", async () => (await figure("pending_bytes")) > 0);
    }
    const before = await figure("upstream_in_flight");
    const abort = new AbortController();
    const fetches = ["/get?key=text", "/mget", "/put", "/redis"].map((path) => {
      const bodies: Record<string, unknown> = {
        "/mget": { keys: ["text", "none"] },
        "/put": { key: "p1", value },
        "/redis": ["SET", "p1", value],
      };
      const body = JSON.stringify(bodies[path]);
      const method = path in bodies ? "POST" : "GET";
      const init = body === undefined ? { method } : { method, body };
      return fetch(`${node.url}${path}`, { ...init, signal: abort.signal }).catch(() => {});
    });
    const sent = () => figure("upstream_in_flight");
    await until("requests are in flight", async () => (await sent()) >= before + 2);
    abort.abort();
    await Promise.all(fetches);
    redis.kill("SIGCONT");
    await until("nothing is claimed", async () => (await figure("pending_bytes")) === 0);
    expect(await figure("upstream_in_flight")).toBe(0);
    await direct.send("FLUSHALL", []);
  });

  test("FLUSHALL that races with reads leaves no old value", async () => {
    const { near, direct } = parts;
    for (let n = 0; n < 200; n++) {
      await direct.set("race", `${n}`);
      await Promise.all([direct.send("FLUSHALL", []), near.get("race"), near.get("race")]);
      await until("the flush is seen", async () => (await near.get("race")) === null);
    }
  });
});

describe.skipIf(isMissing)("a node with little room", () => {
  test("stores and reads values above half of --max-pending-bytes", async () => {
    const value = "x".repeat(600_000);
    const limits = ["--max-pending-bytes", "1mb", "--max-value-length", "600000"];
    await using parts = await start(...limits, "--upstream-timeout", "30");
    const { near, node } = parts;
    for (let n = 0; n < 3; n++) expect(await near.set("large", value)).toBe("OK");
    expect((await near.get("large"))?.length).toBe(value.length);
    const body = JSON.stringify({ key: "put", value });
    const response = await fetch(`${node.url}/put`, { method: "POST", body });
    expect([response.status, await response.json()]).toEqual([200, { status: "OK" }]);
    expect((await near.get("put"))?.length).toBe(value.length);
    expect(await figureOf(node, "pending_bytes")).toBe(0);
  });
});
