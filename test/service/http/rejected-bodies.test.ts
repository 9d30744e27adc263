// Requests with large bodies: the error response reaches a client that is still sending, and no body
// within the limits costs much memory, whatever its structure.

import { describe, expect, test } from "bun:test";
import { connect as connectNode } from "node:net";

import { connect, exchange } from "../../lib/raw.ts";
import { serve } from "../../lib/service.ts";

/** Sends a whole request before it reads, and resolves with all bytes of the response. */
async function sendThenRead(url: string, head: string, body: Buffer): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const { hostname, port } = new URL(url);
  const socket = connectNode(Number(port), hostname);
  socket.on("error", (error) => resolve(`broken: ${error.message}`));
  socket.pause();
  socket.write(head);
  socket.write(body, () => {
    let received = "";
    socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
    socket.on("end", () => resolve(received));
    socket.resume();
  });
  const received = await promise;
  socket.destroy();
  return received;
}

describe("a rejected request with a body of 5 MB gets its error response", () => {
  const refused: readonly (readonly [number, string, string?])[] = [
    [401, "POST /put", ""],
    [401, "POST /put", "Authorization: Bearer wrong\r\n"],
    [403, "POST /put", "Authorization: Bearer reader\r\n"],
    [403, "POST /put", "Authorization: Bearer secret\r\nOrigin: http://evil.example\r\n"],
    [404, "POST /nowhere"],
    [404, "DELETE /delete?key=none"],
    [405, "POST /get"],
    [409, "POST /snapshot"],
    [413, "POST /put"],
  ];
  for (const [status, request, headers = "Authorization: Bearer secret\r\n"] of refused) {
    test(`${status}: ${request} ${headers.trim()}`, async () => {
      await using server = serve("--auth-token", "secret", "--read-token", "reader");
      const body = Buffer.alloc(5_000_000, "x");
      const common = `Host: x\r\nConnection: close\r\n${headers}Content-Length: ${body.length}\r\n`;
      for (const version of ["1.1", "1.0"]) {
        const head = `${request} HTTP/${version}\r\n${common}\r\n`;
        const received = await sendThenRead(server.url, head, body);
        expect(received.slice(0, 60)).toStartWith(`HTTP/1.1 ${status} `);
      }
    });
  }
});

test("a client that announces a body and sends none gets its error, and the connection closes", async () => {
  await using server = serve();
  const head = "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
  const received = await exchange(server.url, head);
  expect(received).toStartWith("HTTP/1.1 404 ");
  expect(received.toLowerCase()).toContain("connection: close");
}, 20_000);

test("the response to a chunked request closes the connection: the runtime responds to a trailer too", async () => {
  await using server = serve();
  const body = '17\r\n{"key":"k","value":"v"}\r\n0\r\n\r\n';
  for (const target of ["POST /put", "POST /nowhere", "DELETE /delete?key=k"]) {
    const head = `${target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const received = await exchange(server.url, head + body);
    expect(received.toLowerCase()).toContain("connection: close");
    expect(received.split("HTTP/1.1")).toHaveLength(2);
  }
});

test("each response of the API forbids caches to keep it", async () => {
  await using server = serve();
  for (const path of ["/get?key=none", "/stats", "/ring", "/health", "/livez", "/readyz"]) {
    const { headers } = await fetch(server.url + path);
    expect([path, headers.get("cache-control")]).toEqual([path, "no-store"]);
  }
  for (const path of ["/metrics", "/openapi.json", "/nowhere", "/put", "/dashboard/none"]) {
    const { headers } = await fetch(server.url + path);
    expect([path, headers.get("cache-control")]).toEqual([path, "no-store"]);
  }
  const put = { method: "POST", body: '{"key":"k","value":"v"}' };
  expect((await fetch(`${server.url}/put`, put)).headers.get("cache-control")).toBe("no-store");
  expect((await fetch(`${server.url}/get?key=k`)).headers.get("cache-control")).toBe("no-store");
  expect((await fetch(server.url)).headers.get("cache-control")).toBe("no-cache");
});

test("a client that has closed its sending side gets its response", async () => {
  await using server = serve("--max-value-length", "1000000");
  // The page is bundled when it is first asked for, which takes more than a turn of the event loop.
  await (await fetch(server.url)).text();
  const body = JSON.stringify({ key: "k", value: "x".repeat(1_000_000) });
  await fetch(`${server.url}/put`, { method: "POST", body });
  for (const path of ["/metrics", "/", "/stats", "/ring", "/get?key=k"]) {
    for (let n = 0; n < 10; n++) {
      const { hostname, port } = new URL(server.url);
      const { promise, resolve } = Promise.withResolvers<string>();
      const socket = connectNode({ port: Number(port), host: hostname, allowHalfOpen: true });
      let received = "";
      socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
      socket.on("close", () => resolve(received));
      socket.on("error", () => resolve(received));
      socket.end(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      const answer = await promise;
      expect([path, answer.slice(0, 15)]).toEqual([path, "HTTP/1.1 200 OK"]);
    }
  }
});

describe("a body with more structure than its route takes is rejected before it is parsed", () => {
  const nest = "[".repeat(100_000);
  const arrays = `[${"[],".repeat(400_000)}[]]`;
  const members = `{${Array.from({ length: 20_000 }, (_, n) => `"k${n}":1`).join(",")}}`;
  const cases: readonly (readonly [string, string, number])[] = [
    ["/put", nest, 400],
    ["/put", members, 400],
    ["/delete", members, 400],
    ["/mput", `{"entries":${arrays}}`, 413],
    ["/mget", `{"keys":${arrays}}`, 413],
    ["/mget", `{"keys":[${'"k",'.repeat(20_000)}"k"]}`, 413],
  ];
  for (const [path, body, status] of cases) {
    test(`${path} ${body.slice(0, 20)}`, async () => {
      await using server = serve();
      const answer = await fetch(server.url + path, { method: "POST", body });
      expect([answer.status, await answer.text()]).toEqual([
        status,
        expect.stringMatching(/"the body has (too many|more elements)/),
      ]);
      const stream = new Blob([body]).stream();
      const chunked = await fetch(server.url + path, { method: "POST", body: stream });
      expect(chunked.status).toBe(status);
    });
  }
});

test("unread responses take at most --max-pending-bytes, and others are made again when there is room", async () => {
  await using server = serve(
    ...["--max-value-length", "8000000", "--max-value-bytes", "8mb", "--memory", "256mb"],
    ...["--max-body-bytes", "10000000", "--max-pending-bytes", "8mb"],
  );
  // More than the kernel buffers of an unread response.
  const value = "x".repeat(7_900_000);
  const put = { method: "POST", body: JSON.stringify({ key: "k", value }) };
  expect((await fetch(`${server.url}/put`, put)).status).toBe(200);
  const get = "GET /get?key=k HTTP/1.1\r\nHost: x\r\n\r\n";
  const { hostname, port } = new URL(server.url);
  const hoarders = Array.from({ length: 3 }, () => {
    const socket = connectNode(Number(port), hostname);
    socket.on("error", () => {});
    socket.pause();
    socket.write(get);
    return socket;
  });
  let refused: Response | undefined;
  while (refused === undefined) {
    const answer = await fetch(`${server.url}/get?key=k`);
    await answer.text();
    if (answer.status === 503) refused = answer;
  }
  expect(refused.headers.get("retry-after")).toBe("1");
  const waiting = fetch(`${server.url}/get?key=k`);
  for (const socket of hoarders) socket.destroy();
  let status = (await waiting).status;
  while (status === 503) status = (await fetch(`${server.url}/get?key=k`)).status;
  expect(status).toBe(200);
}, 20_000);

test("each of many large bodies at once gets a response, with a length and in chunks", async () => {
  await using server = serve("--shed-after-ms", "0");
  const entries = Array.from({ length: 5000 }, (_, n) => ({
    key: `k${n}`,
    value: "v".repeat(100),
  }));
  const body = JSON.stringify({ entries });
  const puts = Array.from({ length: 20 }, (_, n) =>
    fetch(`${server.url}/mput`, {
      method: "POST",
      body: n % 2 === 0 ? body : new Blob([body]).stream(),
    }),
  );
  expect((await Promise.all(puts)).map(({ status }) => status)).toEqual(puts.map(() => 200));
  const keys = JSON.stringify({ keys: entries.map(({ key }) => key) });
  using connection = await connect(server.url);
  connection.send(
    `POST /mget HTTP/1.1\r\nHost: x\r\nContent-Length: ${keys.length}\r\n\r\n${keys}`,
  );
  expect(await connection.until("]}")).toContain(" 200 ");
});
