import { afterAll, describe, expect, test } from "bun:test";
import fc from "fast-check";

import { serve } from "../../lib/service.ts";

const server = serve();
afterAll(() => server.stop(0));

const KEYS: readonly string[] = [
  "🎉👩‍👩‍👧‍👦",
  "\u0000",
  "a\u0000b",
  "%",
  "%zz%41",
  "a+b c",
  "a&key=b",
  "#fragment",
  `"quoted" 'and' \\escaped\\`,
  "مرحبا بالعالم",
  "שלום\u202e",
  "\r\n\t",
  "\ufeff",
  "\uffff",
  "?key=x",
  "𝄞".repeat(256),
  "x".repeat(256),
];

describe("a key of 1 to 256 code points comes back byte for byte", () => {
  for (const key of KEYS) {
    test(JSON.stringify(key).slice(0, 50), async () => await roundTrip(key, key));
  }

  test("any text", async () => {
    const anyText = (minLength: number) => fc.string({ unit: "binary", minLength, maxLength: 256 });
    await fc.assert(
      fc.asyncProperty(anyText(1), anyText(0), async (key, value) => await roundTrip(key, value)),
      { numRuns: 500 },
    );
  });
});

describe("a key of 257 code points is rejected, and the message names the limit", () => {
  for (const unit of ["x", "é", "𝄞"]) {
    test(`of ${unit}`, async () => {
      const long = unit.repeat(257);
      const message = (name: string) =>
        `"${name}" is longer than 256 characters, the limit set by --max-${name}-length`;
      const refused = (name: string) => ({ status: "ERROR", message: message(name) });
      expect(await post("/put", { key: long, value: "v" })).toEqual(refused("key"));
      expect(await post("/put", { key: "k", value: long })).toEqual(refused("value"));
      expect(await post("/mget", { keys: [long] })).toMatchObject({ status: "ERROR" });
      expect(await get(encodeURIComponent(long))).toEqual(refused("key"));
    });
  }
});

test("the query is decoded as URLSearchParams decodes it", async () => {
  await post("/put", { key: "a b", value: "space" });
  await post("/put", { key: "100%", value: "stray percent" });
  await post("/put", { key: "%zz", value: "no escape" });
  await post("/put", { key: "é", value: "accent" });
  await post("/put", { key: "\ufffd", value: "replacement" });
  for (const [query, value] of [
    ["key=a+b", "space"],
    ["key=a%20b", "space"],
    ["x=1&key=a+b&key=100%25", "space"],
    ["%6bey=a+b", "space"],
    ["key=100%", "stray percent"],
    ["key=100%25", "stray percent"],
    ["key=%zz", "no escape"],
    ["key=%C3%A9", "accent"],
    ["key=é", "accent"],
    ["key=%ff", "replacement"],
  ] as const) {
    const answer = await fetch(`${server.url}/get?${query}`);
    expect([query, await answer.json()]).toMatchObject([query, { value }]);
  }
});

test("the limits on keys and values can be set", async () => {
  await using small = serve("--max-key-length", "3", "--max-value-length", "0");
  const put = async (key: string, value: string) => {
    const body = JSON.stringify({ key, value });
    return (await fetch(`${small.url}/put`, { method: "POST", body })).status;
  };
  expect([await put("abc", ""), await put("abcd", ""), await put("abc", "v")]).toEqual([
    200, 400, 400,
  ]);
});

async function roundTrip(key: string, value: string): Promise<void> {
  expect(await post("/put", { key, value })).toEqual({ status: "OK" });
  const found = { status: "OK", key, value };
  expect(await get(encodeURIComponent(key))).toEqual(found);
  expect(await get(new URLSearchParams({ key }).toString().slice("key=".length))).toEqual(found);
  expect(await post("/mget", { keys: [key] })).toEqual({ status: "OK", values: [value] });
}

async function get(encodedKey: string): Promise<unknown> {
  return await (await fetch(`${server.url}/get?key=${encodedKey}`)).json();
}

async function post(path: string, body: unknown): Promise<unknown> {
  const answer = await fetch(server.url + path, { method: "POST", body: JSON.stringify(body) });
  return await answer.json();
}
