// The bit commands, compared with a plain model: an array of bits. Needs no redis-server.

import { RedisClient } from "bun";
import { expect, test } from "bun:test";

import { ByteBuffer, Cache, NEVER } from "../../../src/cache/cache.ts";
import { random } from "../../lib/random.ts";
import { serveRedis } from "../../lib/service.ts";

/** Returns the index of the first and of the last bit; negative ones count from the end. */
function rangeOf(length: number, first: number, last: number): { start: number; end: number } {
  const fromEnd = (index: number) => Math.max(0, index < 0 ? length + index : index);
  return { start: fromEnd(first), end: fromEnd(last) };
}

test("SETBIT, GETBIT, BITCOUNT and BITPOS agree with an array of bits", async () => {
  await using service = serveRedis();
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  const { below } = random();
  let bits: number[] = [];
  for (let n = 0; n < 2000; n++) {
    const offset = below(400);
    const bit = below(2);
    const [first, last] = [below(500) - 250, below(500) - 250];
    switch (below(4)) {
      case 0: {
        const length = Math.max(bits.length, Math.ceil((offset + 1) / 8) * 8);
        bits = Array.from({ length }, (_, at) => bits[at] ?? 0);
        expect(await client.send("SETBIT", ["k", `${offset}`, `${bit}`])).toBe(bits[offset]);
        bits[offset] = bit;
        break;
      }
      case 1:
        expect(await client.send("GETBIT", ["k", `${offset}`])).toBe(bits[offset] ?? 0);
        break;
      case 2: {
        const { start, end } = rangeOf(bits.length, first, last);
        const isEmpty = first < 0 && last < 0 && first > last;
        const inside = isEmpty ? [] : bits.slice(start, end + 1);
        const count = inside.filter((one) => one === 1).length;
        expect(await client.send("BITCOUNT", ["k", `${first}`, `${last}`, "BIT"])).toBe(count);
        break;
      }
      default: {
        if (bits.length === 0) break;
        const { start, end } = rangeOf(bits.length, first, last);
        const found = bits.slice(start, end + 1).indexOf(bit);
        const words = ["k", `${bit}`, `${first}`, `${last}`, "BIT"];
        expect(await client.send("BITPOS", words)).toBe(found < 0 ? -1 : start + found);
      }
    }
  }
  client.close();
});

test("BITFIELD reads what it has written, for every width and offset", async () => {
  await using service = serveRedis();
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  for (let bits = 1; bits <= 64; bits++) {
    for (const offset of [0, 1, 7, 8, 13]) {
      const max = (1n << BigInt(bits - 1)) - 1n;
      for (const value of [max, -max - 1n, 0n]) {
        const type = `i${bits}`;
        const at = `${offset}`;
        await client.send("BITFIELD", ["k", "SET", type, at, `${value}`]);
        const read = await client.send("BITFIELD_RO", ["k", "GET", type, at]);
        expect([bits, offset, BigInt((read as number[])[0] ?? 0)]).toEqual([
          bits,
          offset,
          // The client reads a number as a double.
          BigInt(Number(value)),
        ]);
      }
    }
  }
  client.close();
});

test("BITFIELD with a failed operation writes the others, and one with an error writes nothing", async () => {
  await using service = serveRedis();
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  const operations = ["OVERFLOW", "FAIL", "INCRBY", "u2", "0", "4", "INCRBY", "u2", "2", "3"];
  expect(await client.send("BITFIELD", ["k", ...operations])).toEqual([null, 3]);
  expect(await client.send("BITFIELD", ["k", "GET", "u8", "0"])).toEqual([0x30]);
  const wrong = client.send("BITFIELD", ["k", "SET", "u8", "0", "255", "SET", "u99", "0", "1"]);
  expect(await wrong.catch((error: Error) => error.message)).toContain("Invalid bitfield type");
  expect(await client.send("BITFIELD", ["k", "GET", "u8", "0"])).toEqual([0x30]);
  const many = Array.from({ length: 10_001 }, () => ["GET", "u8", "0"]).flat();
  const tooMany = client.send("BITFIELD", ["k", ...many]);
  expect(await tooMany.catch((error: Error) => error.message)).toContain("at most 10000");
  client.close();
});

/** More than a command reads as of one moment. */
const LARGE_BYTES = 12 * 2 ** 20 + 5;

test("bit commands on a value that is read in parts", async () => {
  const cache = Cache.create({ shards: 1, memoryBytes: 2 ** 28, maxValueBytes: 2 ** 24 });
  const value = Buffer.alloc(LARGE_BYTES, 0xff);
  value[LARGE_BYTES - 1] = 0xfe;
  const put = (key: string, bytes: Buffer) =>
    cache.put(ByteBuffer.ofText(key), { bytes, start: 0, end: bytes.length }, NEVER, 0);
  put("k", value);
  put("l", Buffer.alloc(3, 0x0f));
  await using service = serveRedis(["--max-pending-bytes", "64mb"], cache);
  const client = new RedisClient(`redis://127.0.0.1:${service.port}`);
  const commands: readonly (readonly [string, number])[] = [
    ["BITCOUNT k", LARGE_BYTES * 8 - 1],
    ["BITCOUNT k 3 -2 BIT", LARGE_BYTES * 8 - 4],
    ["BITPOS k 0", LARGE_BYTES * 8 - 1],
    ["BITPOS k 0 5 -2 BIT", -1],
    ["BITOP NOT n k", LARGE_BYTES],
    ["BITPOS n 1", LARGE_BYTES * 8 - 1],
    ["BITCOUNT n", 1],
    ["BITOP AND a k l", LARGE_BYTES],
    ["BITCOUNT a", 12],
    ["BITOP XOR x k l n", LARGE_BYTES],
    ["BITCOUNT x", LARGE_BYTES * 8 - 12],
  ];
  for (const [line, reply] of commands) {
    const [name = "", ...words] = line.split(" ");
    expect([line, await client.send(name, words)]).toEqual([line, reply]);
  }
  client.close();
});
