// Values that are not text: base64 in requests and responses, and values stored by the Redis protocol.

import { afterAll, describe, expect, test } from "bun:test";
import { RedisClient } from "bun";
import { assert, asyncProperty, uint8Array } from "fast-check";

import { random } from "../../lib/random.ts";
import { serveCache, serveRedis } from "../../lib/service.ts";

const resp = serveRedis();
const server = serveCache(resp.cache);
const redis = new RedisClient(`redis://127.0.0.1:${resp.port}`);
afterAll(async () => {
  redis.close();
  await Promise.all([server.stop(0), resp[Symbol.asyncDispose]()]);
});

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const encoded = (bytes: Buffer) => ({ value: bytes.toString("base64"), encoding: "base64" });

describe("values in base64", () => {
  test("come back byte for byte, from /get, /mget and the Redis port", async () => {
    const entry = { key: "bytes", ...encoded(EVERY_BYTE) };
    expect(await post("/put", entry)).toEqual([200, { status: "OK" }]);
    expect(await textOf("/get?key=bytes")).toBe(
      `{"status":"OK","key":"bytes","value":"${entry.value}","encoding":"base64"}`,
    );
    expect(await post("/mget", { keys: ["bytes", "nobody"] })).toEqual([
      200,
      { status: "OK", values: [encoded(EVERY_BYTE), null] },
    ]);
    expect(await redisBytes("bytes")).toEqual(EVERY_BYTE);
  });

  test("may be mixed with text in an /mput", async () => {
    const entries = [
      { key: "a", value: "text" },
      { key: "b", ...encoded(EVERY_BYTE), ttl: 60 },
      { key: "c", ...encoded(Buffer.alloc(0)) },
    ];
    expect(await post("/mput", { entries })).toEqual([200, { status: "OK", stored: 3 }]);
    const values = ["text", encoded(EVERY_BYTE), ""];
    const answer = { status: "OK", values };
    expect(await post("/mget", { keys: ["a", "b", "c"] })).toEqual([200, answer]);
  });

  test("are returned as text if they are UTF-8", async () => {
    for (const text of ["hello", "", '"quoted"\\', "päivää 🎉", "\u0000", "\ufffd", "\ufeffbom"]) {
      await post("/put", { key: "text", ...encoded(Buffer.from(text)) });
      expect(await get("/get?key=text")).toEqual([200, { status: "OK", key: "text", value: text }]);
      const answer = { status: "OK", values: [text] };
      expect(await post("/mget", { keys: ["text"] })).toEqual([200, answer]);
    }
  });

  test("are returned in base64 if a byte is not UTF-8, also beside a U+FFFD", async () => {
    for (const bytes of [
      Buffer.from([0xff]),
      Buffer.from([0xc3]),
      Buffer.from([0xed, 0xa0, 0x80]),
      Buffer.from([0xc0, 0x80]),
      Buffer.from([0xf4, 0x90, 0x80, 0x80]),
      Buffer.concat([Buffer.from("\ufffd plain, and more than plain"), Buffer.from([0xe2, 0x82])]),
    ]) {
      await post("/put", { key: "wrong", ...encoded(bytes) });
      const found = { status: "OK", key: "wrong", ...encoded(bytes) };
      expect(await get("/get?key=wrong")).toEqual([200, found]);
    }
  });

  test("any bytes come back", async () => {
    const law = asyncProperty(uint8Array({ maxLength: 256 }), async (array) => {
      const bytes = Buffer.from(array);
      expect(await post("/put", { key: "any", ...encoded(bytes) })).toEqual([
        200,
        { status: "OK" },
      ]);
      const [, answer] = await get("/get?key=any");
      expect(decoded(answer)).toEqual(bytes);
      expect(await redisBytes("any")).toEqual(bytes);
    });
    await assert(law, { seed: random().seed, numRuns: 300 });
  });
});

describe("a value that the Redis protocol has stored", () => {
  test("is read completely, with any length and any bytes", async () => {
    const long = Buffer.from(Array.from({ length: 2 ** 20 }, (_, n) => (n * 31 + (n >> 8)) & 0xff));
    for (const bytes of [EVERY_BYTE, long, Buffer.from("x".repeat(2 ** 20))]) {
      await redis.set("stored", bytes);
      const [status, answer] = await get("/get?key=stored");
      expect(status).toBe(200);
      expect(decoded(answer).equals(bytes)).toBe(true);
      const [, several] = await post("/mget", { keys: ["stored", "nobody"] });
      const [first] = valuesOf(several);
      expect(decoded(typeof first === "string" ? { value: first } : first).equals(bytes)).toBe(
        true,
      );
    }
  });

  test("is deleted, and counted as an entry", async () => {
    await redis.set("gone", EVERY_BYTE);
    expect(await post("/delete", { key: "gone" })).toEqual([200, { status: "OK" }]);
    expect(await redis.get("gone")).toBeNull();
  });

  test("is the same text in both protocols", async () => {
    await post("/put", { key: "päivää", value: "🎉 \u0000" });
    expect(await redis.get("päivää")).toBe("🎉 \u0000");
  });
});

describe("errors", () => {
  const bad =
    '"value" is not base64; send A-Z, a-z, 0-9, + and /, with = up to a multiple of four characters';
  for (const [entry, message] of [
    [
      { encoding: "hex", value: "00" },
      '"encoding" is "hex"; use "base64", or leave it out for text',
    ],
    [
      { encoding: "BASE64", value: "" },
      '"encoding" is "BASE64"; use "base64", or leave it out for text',
    ],
    [{ encoding: null, value: "" }, '"encoding" is null; use "base64", or leave it out for text'],
    [{ encoding: 64, value: "" }, '"encoding" is 64; use "base64", or leave it out for text'],
    [
      { encoding: "x".repeat(1000), value: "" },
      `"encoding" is "${"x".repeat(64)}…"; use "base64", or leave it out for text`,
    ],
    [{ encoding: "base64" }, '"value" is missing'],
    [{ encoding: "base64", value: 5 }, '"value" is a number; it must be a string'],
    [{ encoding: "base64", value: "a" }, bad],
    [{ encoding: "base64", value: "YQ" }, bad],
    [{ encoding: "base64", value: "YQ=" }, bad],
    [{ encoding: "base64", value: "YR==" }, bad],
    [{ encoding: "base64", value: "YQ==YQ==" }, bad],
    [{ encoding: "base64", value: "_-8=" }, bad],
    [{ encoding: "base64", value: "YW Jj" }, bad],
    [{ encoding: "base64", value: "YWJj\n" }, bad],
    [{ encoding: "base64", value: "é" }, bad],
    [
      { ...encoded(Buffer.alloc(257)) },
      '"value" is longer than 256 bytes, the limit set by --max-value-length',
    ],
  ] as const) {
    test(JSON.stringify(entry).slice(0, 60), async () => {
      const httpError = (text: string) => [400, { status: "ERROR", message: text }] as const;
      expect(await post("/put", { key: "k", ...entry })).toEqual(httpError(message));
      const entries = [
        { key: "k", value: "v" },
        { key: "k", ...entry },
      ];
      const placed = message.replace('"', '"entries[1].');
      expect(await post("/mput", { entries })).toEqual(httpError(placed));
      expect(await get("/get?key=k")).toEqual([
        404,
        { status: "ERROR", message: "Key not found." },
      ]);
    });
  }

  test("the limits of length and size count bytes before base64", async () => {
    const options = ["--max-value-length", "100000", "--max-value-bytes", "1000"];
    await using small = serveCache(undefined, ...options);
    const put = (length: number) =>
      call("POST", "/put", { key: "k", ...encoded(Buffer.alloc(length, 0xff)) }, small.url);
    expect(await put(1000)).toEqual([200, { status: "OK" }]);
    const message = '"value" is 1001 bytes; it may have 1000, the limit set by --max-value-bytes';
    expect(await put(1001)).toEqual([413, { status: "ERROR", message }]);
  });
});

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

async function textOf(path: string): Promise<string> {
  const answer = await fetch(server.url + path);
  return await answer.text();
}

async function redisBytes(key: string): Promise<Buffer> {
  return Buffer.from((await redis.getBuffer(key)) ?? "nothing");
}

/** Returns the bytes of a value in a response. */
function decoded(answer: unknown): Buffer {
  const { value = "", encoding } = answer as { value?: string; encoding?: "base64" };
  return Buffer.from(value, encoding ?? "utf8");
}

function valuesOf(answer: unknown): unknown[] {
  return (answer as { values: unknown[] }).values;
}
