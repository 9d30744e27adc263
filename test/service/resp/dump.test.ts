// DUMP and RESTORE. The payloads were made by redis-server 7.0.15.

import { createClient, RESP_TYPES } from "redis";
import { expect, test } from "bun:test";

import { ByteBuffer, Cache, NEVER } from "../../../src/cache/cache.ts";
import { random } from "../../lib/random.ts";
import { serveRedis } from "../../lib/service.ts";

/** Values, the payload of Redis, and whether the payload here is the same: LZF is read and not written. */
const PAYLOADS: readonly (readonly [value: string, hex: string, isSame: boolean])[] = [
  ["hello", "000568656c6c6f0a006372df766534200a", true],
  ["12", "00c00c0a003c2af8515c04bcd5", true],
  ["-300", "00c1d4fe0a00c6c48623febede2e", true],
  ["100000", "00c2a08601000a00f12403506f2fa674", true],
  ["a".repeat(56), "00c30938016161e02b000161610a00f166d3ae13a66262", false],
  [
    "abcabcabcabcabcabcXabcabcabcabcabc",
    "00c310220361626361e005020058e0040f0162630a00cbf1d2d13108bc90",
    false,
  ],
];
/** A list with one element. */
const LIST = "1201020a0a0000000100817802ff0a00d17b3fb85c03060e";

async function connect(port: number) {
  const client = createClient({
    url: `redis://127.0.0.1:${port}`,
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  });
  // The end of the service may reset the connection. A command that fails rejects.
  client.on("error", () => {});
  await client.connect();
  const send = async (...words: (string | Buffer)[]): Promise<unknown> =>
    await client.sendCommand(words).catch((error: Error) => error.message);
  return { send, [Symbol.asyncDispose]: async () => client.destroy() };
}

test("payloads of Redis are restored, and short payloads are those of Redis", async () => {
  await using service = serveRedis();
  await using client = await connect(service.port);
  for (const [value, hex, isSame] of PAYLOADS) {
    const payload = Buffer.from(hex, "hex");
    expect(String(await client.send("RESTORE", "k", "0", payload, "REPLACE"))).toBe("OK");
    expect(String(await client.send("GET", "k"))).toBe(value);
    const dumped = await client.send("DUMP", "k");
    if (isSame) expect(dumped).toEqual(payload);
    expect(String(await client.send("RESTORE", "k", "0", dumped as Buffer, "REPLACE"))).toBe("OK");
    expect(String(await client.send("GET", "k"))).toBe(value);
  }
  expect(await client.send("DUMP", "none")).toBeNull();
});

test("RESTORE checks its options, its lifetime and the payload", async () => {
  await using service = serveRedis();
  await using client = await connect(service.port);
  const payload = Buffer.from(PAYLOADS[0]?.[1] ?? "", "hex");
  const restore = async (ttl: string, bytes: Buffer, ...options: string[]) =>
    String(await client.send("RESTORE", "k", ttl, bytes, ...options));
  expect(await restore("100000", payload, "IDLETIME", "5")).toBe("OK");
  expect(Number(await client.send("TTL", "k"))).toBe(100);
  expect(await restore("0", payload)).toBe("BUSYKEY Target key name already exists.");
  expect(await restore("-1", payload, "REPLACE")).toBe("ERR Invalid TTL value, must be >= 0");
  expect(await restore("0", payload, "FREQ", "256")).toContain("Invalid FREQ");
  expect(await restore("0", payload, "FOO")).toBe("ERR syntax error");
  expect(await restore("0", Buffer.from(LIST, "hex"), "REPLACE")).toContain("only strings");
  const wrong = "ERR DUMP payload version or checksum are wrong";
  for (let at = 0; at < payload.length; at++) {
    const damaged = Buffer.from(payload);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    expect(await restore("0", damaged, "REPLACE")).toBe(wrong);
    expect(await restore("0", payload.subarray(0, at), "REPLACE")).toBe(wrong);
  }
  expect(String(await client.send("GET", "k"))).toBe("hello");
  // A time in the past deletes the key, as in Redis.
  expect(await restore("1", payload, "REPLACE", "ABSTTL")).toBe("OK");
  expect(await client.send("GET", "k")).toBeNull();
});

test("any value survives DUMP and RESTORE, also one that takes several slices", async () => {
  const cache = Cache.create({ shards: 1, memoryBytes: 2 ** 28, maxValueBytes: 2 ** 24 });
  await using service = serveRedis(["--max-pending-bytes", "128mb"], cache);
  await using client = await connect(service.port);
  const { below } = random();
  for (const length of [0, 1, 63, 64, 16_383, 16_384, 100_000, 9_000_000]) {
    const bytes = Buffer.from(Array.from({ length }, () => below(256)));
    cache.put(ByteBuffer.ofText("k"), { bytes, start: 0, end: length }, NEVER, 0);
    const payload = (await client.send("DUMP", "k")) as Buffer;
    expect(String(await client.send("RESTORE", "r", "0", payload, "REPLACE"))).toBe("OK");
    const restored = (await client.send("GET", "r")) as Buffer;
    expect([length, restored.equals(bytes)]).toEqual([length, true]);
  }
});
