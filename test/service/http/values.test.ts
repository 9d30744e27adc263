// /cache/{key}: values as plain HTTP, over real sockets.

import { afterAll, describe, expect, test } from "bun:test";

import { Cache } from "../../../src/cache/cache.ts";
import { allocateBudget, ByteBudget } from "../../../src/shared-memory/byte-budget.ts";
import { random } from "../../lib/random.ts";
import { connect, exchange } from "../../lib/raw.ts";
import { createService, serveCache, serveParts } from "../../lib/service.ts";
import { errorOf, valuesOf } from "./values-client.ts";

const cache = Cache.create({ memoryBytes: 2 ** 26, maxValueBytes: 2 ** 20 });
const server = serveCache(cache);
afterAll(() => server.stop(0));
const { send, put } = valuesOf(server.url);

describe("bytes", () => {
  test("are returned as they were put, of any length", async () => {
    const { below } = random();
    for (const length of [0, 1, 100, 16_384, 16_385, 300_000, 2 ** 20]) {
      const value = Buffer.alloc(length).map(() => below(256));
      expect([length, (await put("bytes", value)).ok]).toEqual([length, true]);
      const response = await send("bytes");
      expect(Buffer.from(await response.arrayBuffer()).equals(value)).toBe(true);
    }
  });

  test("are those of the other routes", async () => {
    await put("shared", Buffer.from([0xff, 0x00]));
    const json = await (await fetch(`${server.url}/get?key=shared`)).json();
    expect(json).toMatchObject({ value: "/wA=", encoding: "base64" });
    const body = JSON.stringify({ key: "shared", value: "é" });
    await fetch(`${server.url}/put`, { method: "POST", body });
    expect(Buffer.from(await (await send("shared")).arrayBuffer()).toString("hex")).toBe("c3a9");
  });

  test("of a chunked body are stored, and more than a value may have are rejected", async () => {
    const chunk = Buffer.alloc(10_000, "c");
    const stream = (chunks: number) =>
      new ReadableStream({
        start(controller) {
          for (let n = 0; n < chunks; n++) controller.enqueue(chunk);
          controller.close();
        },
      });
    const putChunks = (chunks: number) =>
      fetch(`${server.url}/cache/chunked`, { method: "PUT", body: stream(chunks) });
    expect((await putChunks(20)).status).toBe(201);
    expect((await (await send("chunked")).arrayBuffer()).byteLength).toBe(200_000);
    const advice = "it may have 1048576, the limit set by --max-value-bytes";
    const error = [413, `the body is larger than a value may be; ${advice}`];
    expect(await errorOf(await putChunks(105))).toEqual(error);
    expect(await errorOf(await put("large", Buffer.alloc(2 ** 20 + 1)))).toEqual(error);
  });

  test("that find no room in the byte budget are rejected, and leave nothing", async () => {
    const budget = new ByteBudget(allocateBudget(1), 0, 65_536);
    budget.resize(0, budget.limitBytes);
    await using small = serveParts({ service: { ...createService(), budget } });
    const init = { method: "PUT", body: Buffer.alloc(100_000) };
    const [status, message] = await errorOf(await fetch(`${small.url}/cache/k`, init));
    expect([status, message]).toEqual([503, expect.stringContaining("--max-pending-bytes")]);
    expect((await fetch(`${small.url}/cache/k`)).status).toBe(404);
  });
});

describe("the key", () => {
  test("is the rest of the path, percent-decoded as UTF-8", async () => {
    for (const [path, key] of [
      ["users/42", "users/42"],
      ["users%2F42", "users/42"],
      ["a+b", "a+b"],
      ["%F0%9F%8E%89/%C3%A9", "🎉/é"],
      ["100%25", "100%"],
      ["%2525", "%25"],
      ["a//b/", "a//b/"],
      ["a%00b", "a\0b"],
      ["%EF%BF%BD", "\ufffd"],
      ["k?key=other", "k"],
      [":key", ":key"],
      ["*", "*"],
    ] as const) {
      expect([path, (await put(path, `of ${path}`)).ok]).toEqual([path, true]);
      const json = await (await fetch(`${server.url}/get?key=${encodeURIComponent(key)}`)).json();
      expect(json).toMatchObject({ key, value: `of ${path}` });
      expect(await (await send(path)).text()).toBe(`of ${path}`);
      expect((await send(path, { method: "DELETE" })).status).toBe(204);
    }
  });

  test("that is no UTF-8, empty or too long is 400", async () => {
    for (const path of ["%ff", "a/%c3(", "%", "%zz", "%ed%a0%80", "a%"]) {
      const [status, message] = await errorOf(await send(path));
      expect([path, status, message]).toEqual([path, 400, expect.stringContaining("%25")]);
    }
    expect(await errorOf(await send(""))).toEqual([
      400,
      '"key" is empty; it needs at least 1 character',
    ]);
    const long = [400, '"key" is longer than 256 characters, the limit set by --max-key-length'];
    expect(await errorOf(await send("k".repeat(257)))).toEqual(long);
    expect((await put("🎉".repeat(256), "v")).status).toBe(201);
  });

  test("never leaves /cache/ by dots", async () => {
    for (const path of ["/cache/../get?key=k", "/cache/a/../../stats"]) {
      const text = await exchange(
        server.url,
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      expect([path, text.split(" ")[1]]).toEqual([path, "404"]);
    }
  });
});

describe("the type", () => {
  test("is returned with the value, and application/octet-stream without one", async () => {
    for (const type of ["image/png", "text/html; charset=utf-8", 'a/b;c="d"', "x"]) {
      await put("typed", "v", { "content-type": type });
      expect((await send("typed")).headers.get("content-type")).toBe(type);
    }
    await put("typed", Buffer.from("v"));
    expect((await send("typed")).headers.get("content-type")).toBe("application/octet-stream");
  });

  test("is not sniffed, and a browser runs none that is active", async () => {
    const policyOf = async (type: string) => {
      await put("typed", "v", { "content-type": type });
      const { headers } = await send("typed");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      return headers.get("content-security-policy");
    };
    for (const active of [
      ...["text/html", "TEXT/HTML; charset=utf-8", "application/xhtml+xml", "image/svg+xml"],
      ...["text/xml", "application/xml", "multipart/x-mixed-replace", "unknown", "text/javascript"],
      ...["application/json, text/html", "text/plainx"],
    ]) {
      expect([active, await policyOf(active)]).toEqual([active, "sandbox"]);
    }
    for (const passive of [
      "image/png",
      "text/plain;charset=utf-8",
      "application/json",
      "video/mp4",
    ]) {
      expect([passive, await policyOf(passive)]).toEqual([passive, null]);
    }
  });

  test("has at most 255 bytes", async () => {
    expect((await put("typed", "v", { "content-type": `a/${"b".repeat(253)}` })).ok).toBe(true);
    const [status, message] = await errorOf(
      await put("typed", "v", { "content-type": `a/${"b".repeat(254)}` }),
    );
    expect([status, message]).toEqual([
      400,
      expect.stringContaining('"Content-Type" has 256 bytes'),
    ]);
  });

  test("with a content coding is 415, and a part of a value 400", async () => {
    expect((await put("coded", "v", { "content-encoding": "gzip" })).status).toBe(415);
    expect((await put("coded", "v", { "content-range": "bytes 0-0/2" })).status).toBe(400);
    expect((await send("coded")).status).toBe(404);
  });
});

describe("the ETag", () => {
  const etagOf = async (path = "e", init = {}) =>
    (await send(path, init)).headers.get("etag") ?? "";

  test("is strong, and depends on the bytes and the type, not on the key or the time", async () => {
    const tags = new Set<string>();
    for (const [value, type] of [
      ["a", "text/plain"],
      ["b", "text/plain"],
      ["a", "text/html"],
      ["", "text/plain"],
      ["aa", "text/plain"],
    ] as const) {
      const response = await put("e", value, { "content-type": type });
      const etag = await etagOf();
      expect(response.headers.get("etag")).toBe(etag);
      expect(etag).toMatch(/^"[\da-f]+"$/);
      tags.add(etag);
      await put("other", value, { "content-type": type, "cache-control": "max-age=99" });
      expect(await etagOf("other")).toBe(etag);
    }
    expect(tags.size).toBe(5);
  });

  test("of HEAD is that of GET, and so are all other fields", async () => {
    for (const length of [10, 3_000, 900_000]) {
      await put("e", Buffer.alloc(length, "h"), { "cache-control": "max-age=5000000" });
      const head = await send("e", { method: "HEAD" });
      const got = await send("e");
      expect((await head.arrayBuffer()).byteLength).toBe(0);
      const names = ["content-type", "content-length", "etag", "age", "x-content-type-options"];
      const fieldsOf = ({ headers }: Response) => names.map((name) => headers.get(name));
      expect(fieldsOf(head)).toEqual(fieldsOf(got));
      expect(head.headers.get("content-length")).toBe(`${length}`);
    }
    expect((await send("nobody", { method: "HEAD" })).status).toBe(404);
  });

  test("in If-None-Match makes a GET 304, with the fields of the 200 and without a body", async () => {
    await put("e", "value", { "cache-control": "max-age=60" });
    const etag = await etagOf();
    for (const match of [etag, `"x", ${etag}`, `W/${etag}`, "*", `"a,b",W/"c" , ${etag}`]) {
      const response = await send("e", { headers: { "if-none-match": match } });
      expect([match, response.status, await response.text()]).toEqual([match, 304, ""]);
      expect(response.headers.get("etag")).toBe(etag);
      expect(response.headers.get("cache-control")).toMatch(/^max-age=\d+$/);
      expect(response.headers.get("cache-status")).toStartWith("ringcache; hit; ttl=");
    }
    for (const match of ['"x"', "x", etag.slice(1, -1), `"${etag}"`, ""]) {
      const response = await send("e", { headers: { "if-none-match": match } });
      expect([match, response.status, await response.text()]).toEqual([match, 200, "value"]);
    }
    const raw = await exchange(
      server.url,
      `GET /cache/e HTTP/1.1\r\nHost: x\r\nIf-None-Match: ${etag}\r\nConnection: close\r\n\r\n`,
    );
    expect(raw).toStartWith("HTTP/1.1 304 Not Modified\r\n");
    expect(raw).toEndWith("\r\n\r\n");
  });

  test("in If-Match is a condition of GET, PUT and DELETE", async () => {
    await put("e", "value");
    const etag = await etagOf();
    const wrong = { "if-match": '"x"' };
    expect((await send("e", { headers: wrong })).status).toBe(412);
    expect((await send("e", { headers: { "if-match": etag } })).status).toBe(200);
    const changed = [412, '"If-Match" does not name the ETag of the value; nothing changes'];
    expect(await errorOf(await put("e", "2", wrong))).toEqual(changed);
    expect((await send("e", { method: "DELETE", headers: wrong })).status).toBe(412);
    // A weak ETag never matches here (RFC 9110 section 13.1.1).
    expect((await put("e", "2", { "if-match": `W/${etag}` })).status).toBe(412);
    expect(await (await send("e")).text()).toBe("value");
    expect((await put("e", "2", { "if-match": `"x", ${etag}` })).status).toBe(204);
    expect((await put("e", "3", { "if-match": etag })).status).toBe(412);
    expect((await send("e", { method: "DELETE", headers: { "if-match": "*" } })).status).toBe(204);
    expect((await put("e", "4", { "if-match": "*" })).status).toBe(412);
    expect((await send("e")).status).toBe(404);
  });

  test("* in If-None-Match stores only a missing key", async () => {
    expect((await put("new", "1", { "if-none-match": "*" })).status).toBe(201);
    const present = [412, '"If-None-Match" names the ETag of the value; nothing changes'];
    expect(await errorOf(await put("new", "2", { "if-none-match": "*" }))).toEqual(present);
    const puts = Array.from({ length: 50 }, (_, n) =>
      put("once", `${n}`, { "if-none-match": "*" }),
    );
    const statuses = (await Promise.all(puts)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
  });
});

describe("a miss", () => {
  test("is 404 with Cache-Status, and no cache keeps it", async () => {
    const response = await send("nobody");
    expect(response.status).toBe(404);
    expect(response.headers.get("cache-status")).toBe("ringcache; fwd=uri-miss");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect((await send("nobody", { method: "DELETE" })).status).toBe(404);
  });
});

test("methods that /cache/{key} does not have are 405, and Allow lists the others", async () => {
  for (const path of ["k", "a/b"]) {
    const response = await send(path, { method: "POST", body: "v" });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, HEAD, PUT, DELETE");
  }
});

test("Range is ignored: the response is the whole value", async () => {
  await put("range", "0123456789");
  const response = await send("range", { headers: { range: "bytes=0-3" } });
  expect([response.status, await response.text()]).toEqual([200, "0123456789"]);
});

test("a client that leaves in the middle of a body stores nothing", async () => {
  {
    using connection = await connect(server.url);
    connection.send("PUT /cache/half HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nhalf");
  }
  expect((await send("half")).status).toBe(404);
});

test("many tags are parsed from both fields, and more than 16 are 400", async () => {
  const names = (count: number) => Array.from({ length: count }, (_, n) => `t${n}`);
  const headers = { "cache-tag": names(10).join(" , "), "surrogate-key": names(16).join(" ") };
  expect((await put("tagged", "v", headers)).status).toBe(201);
  const [status, message] = await errorOf(
    await put("tagged", "v", { "cache-tag": names(17).join(",") }),
  );
  expect([status, message]).toEqual([400, "the value has 17 tags; it may have 16"]);
  const long = { "surrogate-key": "t".repeat(257) };
  expect((await errorOf(await put("tagged", "v", long)))[1]).toBe(
    "a tag has 257 bytes; it may have 256",
  );
});

test("a service that loads its snapshot responds with 503", async () => {
  const service = createService();
  service.state.phase = "loading";
  await using loading = serveParts({ service });
  expect((await fetch(`${loading.url}/cache/k`)).status).toBe(503);
});
