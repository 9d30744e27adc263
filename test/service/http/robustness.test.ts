import { expect, test } from "bun:test";

import { Cache } from "../../../src/cache/cache.ts";
import { cacheOptionsOf, readConfig } from "../../../src/config/config.ts";
import { connect, exchange, type RawConnection } from "../../lib/raw.ts";
import { serve, serveParts } from "../../lib/service.ts";

const HOST = "Host: localhost";

test("a body over the limit gets 413 with the limit named, sized or chunked", async () => {
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

test("a body in chunks says the same of itself as one whose length is known", async () => {
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

test("an answer over the limit gets 413 too, however small its request", async () => {
  await using server = serve("--max-body-bytes", "1024");
  const post = (path: string, body: unknown) =>
    fetch(server.url + path, { method: "POST", body: JSON.stringify(body) });
  await post("/put", { key: "k", value: "v".repeat(200) });
  const asked = (count: number) => Array.from({ length: count }, () => "k");
  expect((await post("/mget", { keys: asked(4) })).status).toBe(200);
  const answer = await post("/mget", { keys: asked(5) });
  const message = "the answer is larger than 1024 bytes, the limit set by --max-body-bytes";
  expect([answer.status, await answer.json()]).toEqual([413, { status: "ERROR", message }]);
  // In JSON a control character is six bytes.
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

test("a client that goes away in the middle of a body harms nobody", async () => {
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

test("what is not HTTP is refused and the connection closed", async () => {
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

test("an odd Host header does not change what is asked for", async () => {
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

test("a path that only comes down to a known one is 404, and so is a name every object has", async () => {
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

test("pipelined requests are answered in order", async () => {
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

test("an exception while answering is 500 in JSON, is reported, and the service goes on", async () => {
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

test("with 1,000 idle connections the next request is answered", async () => {
  await using server = serve();
  const idle: RawConnection[] = [];
  for (let n = 0; n < 1000; n++) idle.push(await connect(server.url));
  await expectServes(server.url);
  for (const connection of idle) connection[Symbol.dispose]();
  await expectServes(server.url);
});

test("stopping answers what is in flight and closes idle connections", async () => {
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

test("a request that comes on a busy connection while stopping gets 503", async () => {
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
  // One request that is answered, as a sign that the others have been seen.
  expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  const startMs = performance.now();
  await server.stop(3_600_000);
  // The runtime closes them 12 s after they came.
  expect(performance.now() - startMs).toBeLessThan(10_000);
  for (const connection of idle) connection[Symbol.dispose]();
});
