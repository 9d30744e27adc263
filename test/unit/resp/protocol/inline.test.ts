// Words of inline commands, by the rules of redis's sdssplitargs. Needs no redis.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { splitInline } from "../../../../src/resp/protocol/inline.ts";

/** A line and its words. One character is one byte. */
const LINES: readonly (readonly [string, readonly string[]])[] = [
  // White space separates words.
  ["", []],
  [" \t\r\n\v\f", []],
  ["ping", ["ping"]],
  ["set k v", ["set", "k", "v"]],
  ["  set\t k \r\n v\n", ["set", "k", "v"]],
  ["\v\fping", ["ping"]],
  ["\x80 \xa0\xff", ["\x80", "\xa0\xff"]],
  // Vertical tab and form feed may precede a word, but do not end one.
  ["a\vb a\f", ["a\vb", "a\f"]],
  // Outside of quotes a backslash is literal.
  ["a\\ b\\n \\x41 \\", ["a\\", "b\\n", "\\x41", "\\"]],
  // In double quotes a backslash begins an escape.
  ['set k ""', ["set", "k", ""]],
  ['"a b" "c\td"', ["a b", "c\td"]],
  ['"\\n\\r\\t\\b\\a"', ["\n\r\t\b\x07"]],
  ['"\\"\\\\"', ['"\\']],
  ['"\\q\\\'\\v\\0"', ["q'v0"]],
  ['"\\x41\\xff\\xFF\\x00\\x0a"', ["A\xff\xff\0\n"]],
  ['"\\x411"', ["A1"]],
  ['"\\x4" "\\xg1" "\\x" "\\X41"', ["x4", "xg1", "x", "X41"]],
  ['"it\'s"', ["it's"]],
  // In single quotes only \' is an escape.
  ["''", [""]],
  ["'a b'", ["a b"]],
  ["'a\\'b'", ["a'b"]],
  ["'\\n\\x41\\\\a'", ["\\n\\x41\\\\a"]],
  ["'\"'", ['"']],
  ["'\\\"'", ['\\"']],
  // Quotes may begin within a word. The closing quote ends the word.
  ['a"b c"', ["ab c"]],
  ["a'b c' d", ["ab c", "d"]],
  ['a""', ["a"]],
  ['"a" "b"\t"c"\v"d"', ["a", "b", "c", "d"]],
];

/** Lines whose quotes do not match. */
const UNBALANCED = [
  ...['"', "'", '"a', "'a", 'a"', "a'", 'a b "c', "\"a'", "'a\"", '"a b\n'],
  // The closing quote is escaped.
  ...['"a\\"', "'a\\'", "'\\\\'", '"\\', "'\\"],
  // White space or the end must follow the closing quote.
  ...['"a"b', "'a'b", '"a""b"', "'a''b'", "\"a\"'b'", 'a"b"c', '""a', '"a"\\n'],
];

describe("an inline command", () => {
  test.each(LINES)("%j has the words %j", (line, words) => {
    expect(split(line)).toEqual([...words]);
  });

  test.each(UNBALANCED)("%j has quotes that do not match", (line) => {
    expect(split(line)).toBeUndefined();
  });
});

describe("for any bytes", () => {
  test("words come back from their escaped form in double quotes", () => {
    holds(
      fc.property(fc.array(anyBytes()), spaces(), (words, space) => {
        const line = words.map((word) => `"${hex(word)}"`).join(space);
        expect(split(line)).toEqual(words);
      }),
    );
  });

  test("words without a backslash come back from single quotes", () => {
    const words = fc.array(anyBytes().map((word) => word.replaceAll("\\", "")));
    holds(
      fc.property(words, spaces(), (all, space) => {
        const line = all.map((word) => `'${word.replaceAll("'", "\\'")}'`).join(space);
        expect(split(line)).toEqual(all);
      }),
    );
  });

  test("words without white space and quotes need none", () => {
    const words = fc.array(
      anyBytes()
        .map((word) => word.replace(/[\0\s"']/g, ""))
        .filter(Boolean),
    );
    holds(
      fc.property(words, spaces(), spaces(), (all, space, end) => {
        expect(split(end + all.join(space) + end)).toEqual(all);
      }),
    );
  });

  test("a line without its last quote is an error", () => {
    holds(
      fc.property(fc.array(anyBytes()), anyBytes(), (words, last) => {
        const line = [...words, last].map((word) => `"${hex(word)}"`).join(" ");
        expect(split(line.slice(0, -1))).toBeUndefined();
      }),
    );
  });

  test("a line has words if and only if it is made of words", () => {
    const lines = fc.string({ unit: fc.constantFrom(..."ab\"' \t\v\\xn"), maxLength: 12 });
    let whole = 0;
    holds(
      fc.property(lines, (line) => {
        const isWhole = isMadeOfWords(line);
        if (isWhole) whole++;
        expect(split(line) !== undefined).toBe(isWhole);
      }),
      3000,
    );
    // Otherwise the test compares only invalid lines.
    expect(whole).toBeGreaterThan(100);
  });
});

/** Bytes outside of quotes, a text in quotes and the end or white space behind it, or bytes alone. */
const WORD =
  /[^ \n\r\t"']*(?:"(?:\\[^]|[^"\\])*"|'(?:\\'|\\(?!')|[^'\\])*')(?=\s|$)|[^ \n\r\t"']+(?=\s|$)/y;

function isMadeOfWords(line: string): boolean {
  for (let at = 0; ;) {
    while (/^\s/.test(line.slice(at))) at++;
    if (at === line.length) return true;
    WORD.lastIndex = at;
    if (!WORD.test(line)) return false;
    at = WORD.lastIndex;
  }
}

function anyBytes() {
  const unit = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(34, 39, 92, 32, 10));
  return fc.array(unit, { maxLength: 6 }).map((bytes) => String.fromCharCode(...bytes));
}

function spaces() {
  return fc.string({ unit: fc.constantFrom(..." \t\r\n"), minLength: 1, maxLength: 3 });
}

function hex(word: string): string {
  return Buffer.from(word, "latin1").toString("hex").replace(/../g, "\\x$&");
}

function split(line: string): string[] | undefined {
  return splitInline(Buffer.from(line, "latin1"))?.map((word) => word.toString("latin1"));
}

function holds<T>(property: fc.IProperty<T>, numRuns = 500): void {
  fc.assert(property, { numRuns });
}
