// The plain form of a put is read as JSON.parse reads it, or is left to JSON.parse.

import { expect, test } from "bun:test";
import fc from "fast-check";

import { PlainPut } from "../../../src/http/api/plain-put.ts";

const plainPut = new PlainPut();

/** Returns what is read without a parser. */
function readPlain(text: string): unknown {
  const entry = plainPut.read(text);
  if (entry === undefined) return undefined;
  const [key, value] = [entry.key, entry.value].map(({ bytes, start, end }) =>
    bytes.toString("utf8", start, end),
  );
  return { key, value };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return "no JSON";
  }
}

/** Fails if the text is read in another way than by JSON.parse: other members, another order, or an error. */
function expectSame(text: string): void {
  const read = readPlain(text);
  if (read !== undefined) expect(JSON.stringify(read)).toBe(JSON.stringify(parse(text)));
}

const PIECES = [
  ...['{"key":"', '","value":"', '"}', '","', '"', '":"', "{", "}", ":", ",", "[", "]"],
  ...["key", "value", "ttl", '"key":"k"', '"value":"v"', "\\", '\\"', "\\u0041", "\\ud800", "\\n"],
  ...[
    " ",
    "\n",
    "\t",
    "\r",
    "\0",
    "\x1f",
    "\x7f",
    "\ufeff",
    "\ufffd",
    "\u2028",
    "\ud800",
    "é",
    "😀",
  ],
  ...["a", "1", "true", "null", "x".repeat(200), "a\nb".repeat(100)],
];

test("any pieces are read as JSON.parse reads them", () => {
  const pieces = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 });
  fc.assert(
    fc.property(pieces, (parts) => expectSame(parts.join(""))),
    { numRuns: 3000 },
  );
});

test("any pieces as key and value are read as JSON.parse reads them", () => {
  const text = fc
    .array(fc.constantFrom(...PIECES), { maxLength: 4 })
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, text, (key, value) => expectSame(`{"key":"${key}","value":"${value}"}`)),
    { numRuns: 3000 },
  );
});

test("any changed character of a plain put is read as JSON.parse reads it", () => {
  const text = '{"key":"some key","value":"some value of a few words"}';
  for (let at = 0; at <= text.length; at++) {
    for (let code = 0; code < 256; code++) {
      const character = String.fromCharCode(code);
      expectSame(text.slice(0, at) + character + text.slice(at));
      expectSame(text.slice(0, at) + character + text.slice(at + 1));
      expectSame(text.slice(0, at));
    }
  }
});

test("what JSON.stringify writes needs no parser if it is ASCII without escapes", () => {
  for (const length of [1, 2, 3, 100, 200]) {
    const entry = { key: "k".repeat(length), value: "v".repeat(length) };
    expect(readPlain(JSON.stringify(entry))).toEqual(entry);
  }
  expect(readPlain('{"key":"k","value":""}')).toEqual({ key: "k", value: "" });
  const ascii = Array.from({ length: 0x60 }, (_, n) => String.fromCharCode(0x20 + n));
  const kept = ascii.filter((character) => character !== '"' && character !== "\\").join("");
  expect(readPlain(JSON.stringify({ key: kept, value: kept }))).toEqual({ key: kept, value: kept });
});

test("other forms are left to the parser", () => {
  for (const text of [
    ...["", "{}", '{"key":"k"}', '{"value":"v","key":"k"}', '{"key":"k","value":"v","ttl":1}'],
    ...['{"key": "k", "value": "v"}', '{"key":"k","value":"v"} ', ' {"key":"k","value":"v"}'],
    ...['{"key":"k","value":"}', '{"key":"k","value":"v","value":"w"}', '{"key":"é","value":"v"}'],
    ...[`{"key":"k","value":"${"v".repeat(512)}"}`, '{"key":"","value":"v"}'],
    ...['{"key":"k","value":"\\n"}', '\ufeff{"key":"k","value":"v"}'],
  ]) {
    expect([text, readPlain(text)]).toEqual([text, undefined]);
  }
});
