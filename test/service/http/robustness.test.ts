import { expect, test } from "bun:test";

import { Cache } from "../../../src/cache/cache.ts";
import { cacheOptionsOf, readConfig } from "../../../src/config/config.ts";
import { connect, exchange, type RawConnection } from "../../lib/raw.ts";
import { serve, serveParts } from "../../lib/service.ts";

const HOST = "Host: localhost";

test("a body over the limit gets 413, with a length and in chunks, and the message names the limit", async () => {
  await using server = serve("--max-body-bytes", "1024");
  const message = "the body is larger than 1024 bytes, the limit set by --max-body-bytes";
  const body = JSON.stringify({ key: "k", value: "v".repeat(2000) });
  const chunked = new ReadableStream({
    start(controller) {
      controller.enqueue(body);
      controller.close();
    },
  });
  for (const sent of [body, chunked]) {
    const answer = await fetch(`${server.url}/put`, { method: "POST", body: sent });
    expect(answer.status).toBe(413);
    expect(await answer.json()).toEqual({ status: "ERROR", message });
  }
  const declared = `POST /put HTTP/1.1\r\n${HOST}\r\nContent-Length: 9000000000\r\n\r\n{`;
  expect(await exchange(server.url, declared)).toStartWith("HTTP/1.1 413 ");
  await expectServes(server.url);
});

test("a body in chunks gets the same error as a body with a length", async () => {
  await using server = serve();
  const head = `POST /put HTTP/1.1\r\n${HOST}\r\n`;
  for (const body of [
    "",
    "{",
    '{"key":"k","value":"v"',
    "nothing",
    "[]",
    '{"key":"k","value":"v"}',
  ]) {
    using sized = await connect(server.url);
    sized.send(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
    using chunked = await connect(server.url);
    const chunks = [...body].map((byte) => `1\r\n${byte}\r\n`);
    chunked.send(`${head}Transfer-Encoding: chunked\r\n\r\n${chunks.join("")}0\r\n\r\n`);
    const bodyOf = (answer: string) => answer.slice(answer.indexOf("\r\n\r\n"));
    expect([body, bodyOf(await chunked.until("}"))]).toEqual([
      body,
      bodyOf(await sized.until("}")),
    ]);
  }
});

test("a response over the limit gets 413 too, also to a small request", async () => {
  await using server = serve("--max-body-bytes", "1024");
  const post = (path: string, body: unknown) =>
    fetch(server.url + path, { method: "POST", body: JSON.stringify(body) });
  await post("/put", { key: "k", value: "v".repeat(200) });
  const asked = (count: number) => Array.from({ length: count }, () => "k");
  expect((await post("/mget", { keys: asked(4) })).status).toBe(200);
  const answer = await post("/mget", { keys: asked(5) });
  const message = "the answer is larger than 1024 bytes, the limit set by --max-body-bytes";
  expect([answer.status, await answer.json()]).toEqual([413, { status: "ERROR", message }]);
  // JSON takes six bytes for a control character.
  await post("/put", { key: "k", value: "\u0001".repeat(150) });
  expect((await post("/mget", { keys: asked(2) })).status).toBe(413);
});

test("a chunked body within the limit is read", async () => {
  await using server = serve();
  const request = `POST /put HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n`;
  using connection = await connect(server.url);
  connection.send(`${request}a\r\n{"key":"k"\r\n`);
  connection.send(`c\r\n,"value":"é\r\n2\r\n"}\r\n0\r\n\r\n`.replace("é", "vv"));
  expect(await connection.until("}")).toContain(`{"status":"OK"}`);
  const answer = await fetch(`${server.url}/get?key=k`);
  expect(await answer.json()).toEqual({ status: "OK", key: "k", value: "vv" });
});

test("a client that leaves in the middle of a body does not affect other clients", async () => {
  await using server = serve();
  for (const framing of ["Content-Length: 1000", "Transfer-Encoding: chunked"]) {
    for (let n = 0; n < 50; n++) {
      const connection = await connect(server.url);
      const start = framing.startsWith("C") ? `{"key":"k",` : `5\r\n{"key`;
      connection.send(`POST /put HTTP/1.1\r\n${HOST}\r\n${framing}\r\n\r\n${start}`);
      connection[Symbol.dispose]();
    }
    await expectServes(server.url);
  }
});

test("bytes that are not HTTP get an error, and the connection closes", async () => {
  await using server = serve();
  for (const request of [
    "GARBAGE\r\n\r\n",
    "GET /get?key=k HTTP/1.1\r\n\r\n",
    `POST /put HTTP/1.1\r\n${HOST}\r\nContent-Length: two\r\n\r\n{}`,
    `POST /put HTTP/1.1\r\n${HOST}\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
    `POST /put HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
    `GET /get?key=${"k".repeat(100_000)} HTTP/1.1\r\n${HOST}\r\n\r\n`,
  ]) {
    expect(await exchange(server.url, request)).toMatch(/^HTTP\/1.1 4\d\d /);
    await expectServes(server.url);
  }
});

test("an odd Host header does not change the path of the request", async () => {
  await using server = serve();
  const body = JSON.stringify({ key: "k", value: "v" });
  await fetch(`${server.url}/put`, { method: "POST", body });
  for (const host of ["x?key=other", "", "a/b c", "[::1", "x#y"]) {
    using connection = await connect(server.url);
    connection.send(`GET /get?key=k HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    expect(await connection.until("}")).toContain(`{"status":"OK","key":"k","value":"v"}`);
    connection.send(`GET /nope HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    expect(await connection.until("no such path")).toContain("HTTP/1.1 404");
  }
});

test("a path that equals a known one only after normalization is 404, and so is a name that each object has", async () => {
  await using server = serve();
  for (const target of ["/./get?key=k", "/a/../get?key=k", "/get#?key=k"]) {
    using connection = await connect(server.url);
    connection.send(`GET ${target} HTTP/1.1\r\n${HOST}\r\n\r\n`);
    expect(await connection.until("}")).toStartWith("HTTP/1.1 404");
  }
  using connection = await connect(server.url);
  connection.send(`CONNECT constructor HTTP/1.1\r\n${HOST}\r\n\r\n`);
  expect(await connection.until("}")).toStartWith("HTTP/1.1 404");
});

test("pipelined requests get their responses in order", async () => {
  await using server = serve();
  const put = `{"key":"k","value":"v"}`;
  using connection = await connect(server.url);
  connection.send(
    `POST /put HTTP/1.1\r\n${HOST}\r\nContent-Length: ${put.length}\r\n\r\n${put}` +
      `GET /get?key=k HTTP/1.1\r\n${HOST}\r\n\r\nGET /get?key=x HTTP/1.1\r\n${HOST}\r\n\r\n`,
  );
  const received = await connection.until("Key not found");
  expect(received.match(/HTTP\/1.1 \d+/g)).toEqual([
    "HTTP/1.1 200",
    "HTTP/1.1 200",
    "HTTP/1.1 404",
  ]);
});

test("requests of each route that does not wait may be pipelined", async () => {
  await using server = serve();
  const post = (path: string, body: unknown): string => {
    const text = JSON.stringify(body);
    return `POST ${path} HTTP/1.1\r\n${HOST}\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
  };
  const get = (target: string, ...fields: string[]): string =>
    `${["GET " + target + " HTTP/1.1", HOST, ...fields].join("\r\n")}\r\n\r\n`;
  const commands = Array.from({ length: 16 }, (_, n) => ["SET", `k${n}`, "x".repeat(500)]);
  const requests = [
    ...[post("/put", { key: "k", value: "v", stale: 1, tags: ["t"] }), get("/get?key=k")],
    ...[get("/get?key=x&lease=1"), get("/get?key=x&lease=1&wait=0"), get("/get?key=k&stale=1")],
    ...[post("/release", { key: "x", lease: "AAAAAAAAAAAAAAAAAAAAAA" })],
    ...[post("/mput", { entries: [{ key: "m", value: "v" }] }), post("/mget", { keys: ["m"] })],
    ...[post("/incr", { key: "n" }), get("/ttl?key=k"), get("/keys"), get("/keys?count=1")],
    ...[post("/redis", ["GET", "k"]), post("/redis", ["KEYS", "*"]), post("/redis", ["multi"])],
    ...[post("/redis/pipeline", commands), post("/redis/multi-exec", commands)],
    `PUT /cache/k HTTP/1.1\r\n${HOST}\r\nContent-Length: 1\r\n\r\nv`,
    ...[get("/cache/k"), get("/cache/k", "If-None-Match: *"), get("/cache/x", "Lease: 1")],
    `DELETE /cache/k HTTP/1.1\r\n${HOST}\r\n\r\n`,
    ...[post("/invalidate", { tags: ["t"] }), get("/stats"), get("/ring"), get("/nope")],
    `POST /flush HTTP/1.1\r\n${HOST}\r\n\r\n`,
  ];
  // Each request behind each other one, at some distance.
  for (let first = 0; first < requests.length; first++) {
    using connection = await connect(server.url);
    const turned = [...requests.slice(first), ...requests.slice(0, first)];
    connection.send(turned.join("") + get("/livez", "Connection: close"));
    const received = await connection.closed;
    expect(received.match(/HTTP\/1.1 \d+/g)).toHaveLength(requests.length + 1);
  }
});

test("an exception in a handler is 500 in JSON and is reported, and the service keeps serving", async () => {
  class BrokenCache extends Cache {
    override get(): number {
      throw new Error("broken invariant");
    }
  }
  const config = readConfig(["--host", "127.0.0.1", "--port", "0", "--workers", "1"], {});
  const options = cacheOptionsOf(config);
  const broken = new BrokenCache(options, Cache.allocate(options, 1), 0);
  const reported: unknown[] = [];
  const failed = (error: unknown) => void reported.push(error);
  const server = serveParts({ cache: broken, failed });
  const answer = await fetch(`${server.url}/get?key=k`);
  const message = "the service failed; its log says where";
  expect([answer.status, await answer.json()]).toEqual([500, { status: "ERROR", message }]);
  expect(reported).toEqual([new Error("broken invariant")]);
  await expectServes(server.url);
  await server.stop(0);
});

test("with 1,000 idle connections the next request gets its response", async () => {
  await using server = serve();
  const idle: RawConnection[] = [];
  for (let n = 0; n < 1000; n++) idle.push(await connect(server.url));
  await expectServes(server.url);
  for (const connection of idle) connection[Symbol.dispose]();
  await expectServes(server.url);
});

test("a stopping server responds to requests in flight and closes idle connections", async () => {
  const server = serve();
  const body = `{"key":"k","value":"v"}`;
  using idle = await connect(server.url);
  idle.send(`GET /health HTTP/1.1\r\n${HOST}\r\n\r\n`);
  await idle.until("OK");
  using slow = await connect(server.url);
  slow.send(
    `POST /put HTTP/1.1\r\n${HOST}\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`,
  );
  await slow.until("100 Continue");
  const stopped = server.stop(4000);
  await idle.closed;
  slow.send(body);
  expect(await slow.closed).toContain(`{"status":"OK"}`);
  await stopped;
});

test("a new request on a busy connection gets 503 while the server stops", async () => {
  const server = serve();
  const body = `{"key":"k","value":"v"}`;
  using slow = await connect(server.url);
  slow.send(
    `POST /put HTTP/1.1\r\n${HOST}\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`,
  );
  await slow.until("100 Continue");
  const stopped = server.stop(4000);
  slow.send(`${body}GET /health HTTP/1.1\r\n${HOST}\r\n\r\n`);
  const received = await slow.closed;
  expect(received).toContain("HTTP/1.1 200");
  expect(received).toContain("HTTP/1.1 503");
  expect(received).toContain(`{"status":"ERROR","message":"stopping"}`);
  await stopped;
});

async function expectServes(url: string): Promise<void> {
  const answer = await fetch(`${url}/health`);
  expect(await answer.json()).toEqual({ status: "OK" });
}

test("a server that stops does not wait for connections that have never sent a request", async () => {
  const server = serve();
  const idle = await Promise.all(Array.from({ length: 50 }, () => connect(server.url)));
  // The kernel hides connections without a byte for a second.
  for (const connection of idle) connection.send("GET ");
  // The response to this request shows that the connections before it have been accepted.
  expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  const startMs = performance.now();
  await server.stop(3_600_000);
  // The runtime closes them 12 s after they opened.
  expect(performance.now() - startMs).toBeLessThan(10_000);
  for (const connection of idle) connection[Symbol.dispose]();
});
