// Behaviour of the runtime that docs/protocol.md describes: a new version of Bun may change it.

import { expect, test } from "bun:test";

import { exchange } from "../../lib/raw.ts";
import { serve } from "../../lib/service.ts";

const statusesOf = (answers: string) =>
  [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));

const HEAD = "GET /livez HTTP/1.1\r\nhost: x\r\n";

test("the runtime closes HTTP/1.0 connections, and rejects empty lines and many header fields", async () => {
  await using server = serve();
  const old = await exchange(
    server.url,
    "GET /livez HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\n\r\n",
  );
  // The server closes it, though the client asks to keep it open.
  expect(statusesOf(old)).toEqual([200]);
  expect(statusesOf(await exchange(server.url, `\r\n${HEAD}\r\n`))).toEqual([400]);
  const fields = (count: number) =>
    Array.from({ length: count }, (_, n) => `a${n}: 1\r\n`).join("");
  expect(statusesOf(await exchange(server.url, `${HEAD}${fields(200)}\r\n`))).toEqual([431]);
  const few = `${HEAD}connection: close\r\n${fields(150)}\r\n`;
  expect(statusesOf(await exchange(server.url, few))).toEqual([200]);
});

test("trailers are ignored, and the connection is closed", async () => {
  await using server = serve();
  const body = '{"key":"k","value":"v"}';
  const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\nx-trailer: 1\r\n\r\n`;
  const head = "POST /put HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
  const answers = await exchange(server.url, `${head}${chunks}`);
  expect(statusesOf(answers)[0]).toBe(200);
  const found = await fetch(`${server.url}/get?key=k`);
  expect(found.status).toBe(200);
});
