// Counters, lifetimes, conditional puts and all keys, over HTTP.

import { afterAll, describe, expect, test } from "bun:test";

import { Cache } from "../../../src/cache/cache.ts";
import { serve, serveCache } from "../../lib/service.ts";

const cache = Cache.create({ memoryBytes: 2 ** 24 });
const server = serveCache(cache, "--max-batch-entries", "500");
afterAll(() => server.stop(0));

const OK = [200, { status: "OK" }];
const NOT_FOUND = [404, { status: "ERROR", message: "Key not found." }];

async function call(method: string, path: string, body?: unknown): Promise<unknown[]> {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  const response = await fetch(server.url + path, init);
  return [response.status, await response.json()];
}
const errorOf = async (...request: Parameters<typeof call>): Promise<unknown[]> => {
  const [status, body] = await call(...request);
  return [status, (body as { readonly message: string }).message];
};
const valueOf = async (key: string) => {
  const [, body] = await call("GET", `/get?key=${key}`);
  return (body as { readonly value?: string }).value;
};
const ttlOf = async (key: string) => {
  const [, body] = await call("GET", `/ttl?key=${key}`);
  return (body as { readonly ttl?: number | null }).ttl;
};

describe("/incr", () => {
  test("adds any integer, and a missing key counts as 0", async () => {
    const sum = (value: number) => [200, { status: "OK", key: "n", value }];
    expect(await call("POST", "/incr", { key: "n" })).toEqual(sum(1));
    expect(await call("POST", "/incr", { key: "n", by: 41 })).toEqual(sum(42));
    expect(await call("POST", "/incr", { key: "n", by: -50 })).toEqual(sum(-8));
    expect(await call("POST", "/incr", { key: "n", by: 0 })).toEqual(sum(-8));
    expect(await valueOf("n")).toBe("-8");
  });

  test("sets the lifetime of a new entry only", async () => {
    await call("POST", "/incr", { key: "window", ttl: 1000 });
    expect(await ttlOf("window")).toBeWithin(1, 1001);
    await call("POST", "/incr", { key: "window", ttl: 9000 });
    expect(await ttlOf("window")).toBeWithin(1, 1001);
    await call("POST", "/incr", { key: "eternal" });
    await call("POST", "/incr", { key: "eternal", ttl: 5 });
    expect(await ttlOf("eternal")).toBeNull();
  });

  test("computes with 64 bits, and rejects a sum beyond them", async () => {
    await call("POST", "/put", { key: "max", value: "9223372036854775806" });
    const response = await fetch(`${server.url}/incr`, { method: "POST", body: '{"key":"max"}' });
    expect(await response.text()).toBe('{"status":"OK","key":"max","value":9223372036854775807}');
    const [status, message] = await errorOf("POST", "/incr", { key: "max" });
    expect([status, message]).toEqual([409, expect.stringContaining("does not fit in 64 bits")]);
    expect(await valueOf("max")).toBe("9223372036854775807");
    await call("POST", "/put", { key: "safe", value: "9007199254740991" });
    const safe = await fetch(`${server.url}/incr`, {
      method: "POST",
      body: '{"key":"safe","by":2}',
    });
    expect(await safe.text()).toContain('"value":9007199254740993');
  });

  test("rejects a value that is no integer, and leaves it", async () => {
    for (const value of ["", "text", "1.5", " 1", "+1", "01", "9223372036854775808"]) {
      await call("POST", "/put", { key: "text", value });
      const [status, message] = await errorOf("POST", "/incr", { key: "text" });
      expect([status, message]).toEqual([
        409,
        expect.stringContaining("not an integer of 64 bits"),
      ]);
      expect(await valueOf("text")).toBe(value);
    }
  });

  test("rejects what is no integer to add", async () => {
    const limits = "it must be an integer from -9007199254740991 to 9007199254740991";
    for (const [by, shown] of [
      [0.5, "0.5"],
      ["2", '"2"'],
      [null, "null"],
      [1e300, "1e+300"],
      [2 ** 53, "9007199254740992"],
    ]) {
      const error = [400, `"by" is ${shown}; ${limits}`];
      expect(await errorOf("POST", "/incr", { key: "n", by })).toEqual(error);
    }
  });

  test("loses no addition of many clients", async () => {
    await Promise.all(Array.from({ length: 200 }, () => call("POST", "/incr", { key: "many" })));
    expect(await valueOf("many")).toBe("200");
  });
});

describe('"if"', () => {
  test('"absent" stores only a missing key', async () => {
    expect(await call("POST", "/put", { key: "a", value: "1", if: "absent" })).toEqual(OK);
    const [status, message] = await errorOf("POST", "/put", { key: "a", value: "2", if: "absent" });
    expect([status, message]).toEqual([412, expect.stringContaining("the key is present")]);
    expect(await valueOf("a")).toBe("1");
  });

  test('"present" replaces only a present key', async () => {
    const put = (value: string) => errorOf("POST", "/put", { key: "p", value, if: "present" });
    expect(await put("1")).toEqual([412, expect.stringContaining("the key is missing")]);
    expect(await call("GET", "/get?key=p")).toEqual(NOT_FOUND);
    await call("POST", "/put", { key: "p", value: "2" });
    expect(await put("3")).toEqual([200, undefined]);
    expect(await valueOf("p")).toBe("3");
  });

  test("of two clients that put an absent key, one stores", async () => {
    const puts = Array.from({ length: 50 }, (_, n) =>
      call("POST", "/put", { key: "once", value: `${n}`, if: "absent" }),
    );
    const statuses = (await Promise.all(puts)).map(([status]) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  });

  test("takes only these two words, and no entry of /mput has it", async () => {
    const error = [400, `"if" is "new"; use "absent", "present", or leave it out`];
    expect(await errorOf("POST", "/put", { key: "k", value: "v", if: "new" })).toEqual(error);
    const entries = [{ key: "k", value: "v", if: "absent" }];
    expect(await errorOf("POST", "/mput", { entries })).toEqual([
      400,
      expect.stringContaining('unknown member "if"'),
    ]);
  });
});

describe("/ttl", () => {
  test("reads, sets and removes a lifetime", async () => {
    await call("POST", "/put", { key: "t", value: "v", ttl: 100 });
    expect(await ttlOf("t")).toBeWithin(1, 101);
    expect(await call("POST", "/ttl", { key: "t", ttl: 5000.5 })).toEqual(OK);
    expect(await ttlOf("t")).toBeWithin(1000, 5001);
    expect(await call("DELETE", "/ttl?key=t")).toEqual(OK);
    expect(await call("GET", "/ttl?key=t")).toEqual([200, { status: "OK", key: "t", ttl: null }]);
    expect(await valueOf("t")).toBe("v");
  });

  test("of a missing key is 404, and is not created", async () => {
    expect(await call("GET", "/ttl?key=none")).toEqual(NOT_FOUND);
    expect(await call("POST", "/ttl", { key: "none", ttl: 5 })).toEqual(NOT_FOUND);
    expect(await call("DELETE", "/ttl?key=none")).toEqual(NOT_FOUND);
    expect(await call("GET", "/get?key=none")).toEqual(NOT_FOUND);
  });

  test("rejects a lifetime that is none, and names the right request", async () => {
    const missing = [400, '"ttl" is missing; DELETE /ttl?key=NAME removes a lifetime'];
    expect(await errorOf("POST", "/ttl", { key: "t" })).toEqual(missing);
    const zero = [400, '"ttl" is 0; it must be a positive number of seconds'];
    expect(await errorOf("POST", "/ttl", { key: "t", ttl: 0 })).toEqual(zero);
  });

  test("is at most --max-ttl, also after it is removed", async () => {
    await using limited = serve("--max-ttl", "50");
    const send = (method: string, path: string, body?: object) =>
      fetch(limited.url + path, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
    await send("POST", "/put", { key: "k", value: "v", ttl: 10 });
    await send("POST", "/ttl", { key: "k", ttl: 1000 });
    const left = async () =>
      ((await (await send("GET", "/ttl?key=k")).json()) as { ttl: number }).ttl;
    expect(await left()).toBeWithin(1, 50.001);
    await send("DELETE", "/ttl?key=k");
    expect(await left()).toBeWithin(1, 50.001);
  });
});

describe("/entry", () => {
  test("returns facts without the value, and counts neither as a get nor as a hit", async () => {
    await call("POST", "/put", { key: "plain", value: "héllo" });
    const facts = { status: "OK", key: "plain", ttl: null, stale: 0, bytes: 6, hits: 0, age: null };
    const read = () => call("GET", "/entry?key=plain");
    const gets = async () => ((await call("GET", "/stats"))[1] as { get_count: number }).get_count;
    const before = await gets();
    expect(await read()).toEqual([
      200,
      { ...facts, memory_bytes: expect.any(Number), tags: 0, type: null },
    ]);
    expect((await read())[1]).toMatchObject({ hits: 0 });
    expect(await gets()).toBe(before);
    await call("GET", "/get?key=plain");
    expect((await read())[1]).toMatchObject({ hits: 1 });
  });

  test("has the stale time, the age, the number of tags and the type", async () => {
    const entry = { key: "t1", value: "v", ttl: 100, stale: 30, tags: ["a", "b"] };
    await call("POST", "/put", entry);
    const [, facts] = await call("GET", "/entry?key=t1");
    expect(facts).toMatchObject({ stale: 30, bytes: 1, tags: 2, type: null });
    const { ttl, age } = facts as { ttl: number; age: number };
    expect(ttl).toBeWithin(1, 100.001);
    expect(age).toBeWithin(0, 100);
  });

  test("of a missing key is 404", async () => {
    expect(await call("GET", "/entry?key=none")).toEqual(NOT_FOUND);
  });
});

describe("/keys and /flush", () => {
  interface Page {
    readonly keys: readonly unknown[];
    readonly cursor: string | null;
  }

  async function pagesOf(query = ""): Promise<Page[]> {
    const pages: Page[] = [];
    let cursor: string | null = "0";
    while (cursor !== null) {
      const [, page]: unknown[] = await call("GET", `/keys?cursor=${cursor}${query}`);
      pages.push(page as Page);
      ({ cursor } = page as Page);
    }
    return pages;
  }
  const keysOf = async (query = "") => (await pagesOf(query)).flatMap(({ keys }) => keys);

  test("/keys returns each key, in pages", async () => {
    expect(await call("POST", "/flush")).toEqual(OK);
    expect(await keysOf()).toEqual([]);
    const names = Array.from({ length: 1000 }, (_, n) => `k${n} é"`);
    for (let n = 0; n < names.length; n += 500) {
      const entries = names.slice(n, n + 500).map((key) => ({ key, value: "v" }));
      await call("POST", "/mput", { entries });
    }
    const pages = await pagesOf("&count=70");
    expect(pages.length).toBeGreaterThan(10);
    // A scan may show a key twice.
    const keys = new Set(pages.flatMap((page) => page.keys));
    expect([...keys].toSorted()).toEqual(names.toSorted());
  });

  test("a pattern selects keys by their bytes", async () => {
    await call("POST", "/flush");
    for (const key of ["user:1", "user:2", "user:10", "page:1", "100%"]) {
      await call("POST", "/put", { key, value: "v" });
    }
    expect((await keysOf("&pattern=user:?")).toSorted()).toEqual(["user:1", "user:2"]);
    expect((await keysOf("&pattern=*:[1]*")).toSorted()).toEqual(["page:1", "user:1", "user:10"]);
    expect(await keysOf(`&pattern=${encodeURIComponent("100%")}`)).toEqual(["100%"]);
    expect(await keysOf("&pattern=nobody*")).toEqual([]);
  });

  test("a key that is not text is returned in base64", async () => {
    await call("POST", "/flush");
    const key = Buffer.from([0x6b, 0xc3, 0x28]);
    const bytes = { bytes: key, start: 0, end: key.length };
    cache.put(bytes, bytes, Infinity, cache.clock.now());
    expect(await keysOf()).toEqual([{ key: key.toString("base64"), encoding: "base64" }]);
  });

  test("an expired key is not returned", async () => {
    await call("POST", "/flush");
    const bytes = Buffer.from("gone");
    const key = { bytes, start: 0, end: bytes.length };
    cache.put(key, key, cache.clock.now() - 1, cache.clock.now() - 2);
    expect(await keysOf()).toEqual([]);
  });

  test("a wrong cursor, count or pattern is 400 with what would be right", async () => {
    const get = (query: string) => errorOf("GET", `/keys?${query}`);
    const counts = "it must be an integer from 1 to 500, the limit set by --max-batch-entries";
    for (const count of ["0", "-1", "501", "x", "1.5", ""]) {
      expect(await get(`count=${count}`)).toEqual([400, `"count" is "${count}"; ${counts}`]);
    }
    for (const cursor of ["-1", "x", "1e3", "99999999999999999999"]) {
      const advice = 'send the "cursor" of the last response, or leave it out to start';
      expect(await get(`cursor=${cursor}`)).toEqual([400, `"cursor" is "${cursor}"; ${advice}`]);
    }
    expect(await get(`pattern=${"a".repeat(1025)}`)).toEqual([
      400,
      '"pattern": the pattern is too long: it may have 1024 bytes, a run of * counted as one',
    ]);
    // A number past the last shard is past the end.
    const end = [200, { status: "OK", keys: [], cursor: null }];
    expect(await call("GET", "/keys?cursor=9007199254740991")).toEqual(end);
  });

  test("/flush deletes every entry", async () => {
    await call("POST", "/put", { key: "f", value: "v" });
    expect(await call("POST", "/flush")).toEqual(OK);
    expect(await call("GET", "/get?key=f")).toEqual(NOT_FOUND);
  });
});
