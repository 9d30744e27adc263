// Patterns of KEYS and SCAN MATCH, by the documented rules of redis. Needs no redis.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { matches } from "../../../src/cache/glob.ts";

/** Pattern, texts that match it, texts that do not. One character is one byte. */
const CASES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  // Literal bytes.
  ["hello", ["hello"], ["", "hell", "hello!", "Hello", "xhello"]],
  ["", [""], ["a"]],
  ["]", ["]"], ["[", ""]],
  ["a-z^", ["a-z^"], ["b"]],
  ["\0\xff", ["\0\xff"], ["\0", "\xff\0"]],
  // ? is one byte.
  ["h?llo", ["hello", "hallo", "h?llo", "h\0llo", "h\nllo"], ["hllo", "heello"]],
  ["?", ["a", "?", "\xff"], ["", "ab"]],
  ["???", ["abc"], ["ab", "abcd"]],
  // * is any number of bytes.
  ["*", ["", "a", "*", "a\nb\0c"], []],
  ["h*llo", ["hllo", "heeeello", "h*llo"], ["hll", "ello"]],
  ["a*", ["a", "ab", "aa"], ["", "ba"]],
  ["*a", ["a", "ba", "aaaa"], ["", "ab"]],
  ["a**b", ["ab", "a*b", "axyzb"], ["a", "b"]],
  ["*a*b*", ["ab", "xaxbx", "aab"], ["ba", "a", ""]],
  ["*?", ["a", "ab"], [""]],
  ["?*?", ["ab", "abc"], ["a", ""]],
  ["a*ab", ["aab", "aaab", "abab"], ["ab", "aaba"]],
  ["*ab*abc", ["ababc", "abxabc", "ababababc"], ["abc", "ababab"]],
  // A class is one byte of several.
  ["h[ae]llo", ["hello", "hallo"], ["hillo", "hllo", "haello"]],
  ["[abc]", ["a", "b", "c"], ["d", "", "ab"]],
  ["[aab]", ["a", "b"], ["c"]],
  ["[*?]", ["*", "?"], ["a", ""]],
  ["[]", [], ["", "]", "a", "[]"]],
  ["[]a]", [], ["]", "a", "]a]", "aa]"]],
  // Ranges, also from high to low and of one byte.
  ["h[a-c]llo", ["hallo", "hbllo", "hcllo"], ["hdllo", "h-llo"]],
  ["[c-a]", ["a", "b", "c"], ["d", "-"]],
  ["[a-a]", ["a"], ["b", "-"]],
  ["[a-cx-z0]", ["b", "y", "0"], ["d", "w", "-", "1"]],
  ["[\x80-\xff]", ["\x80", "\xc3", "\xff"], ["\x7f", "a"]],
  ["[-a]", ["-", "a"], ["b", "]"]],
  ["[--a]", ["-", "a", "A"], ["b", ","]],
  ["[a-b-d]", ["a", "b", "-", "d"], ["c"]],
  // The byte after a dash is the end of a range, even a bracket. The class then continues.
  ["[a-]", ["a", "]", "^", "_"], ["-", "b", "a]"]],
  ["[a-]z]", ["a", "]", "z"], ["-", "b", "az]"]],
  // A class that begins with ^ is one byte that is not in the class.
  ["h[^e]llo", ["hallo", "hbllo", "h^llo"], ["hello", "hllo"]],
  ["[^a-c]", ["d", "-", "^", "\xff"], ["a", "b", "c", ""]],
  ["[^]", ["a", "]", "^"], ["", "ab"]],
  ["[^]a]", ["xa]", "]a]"], ["x", "a"]],
  ["[a^]", ["a", "^"], ["b"]],
  ["[^^]", ["a"], ["^"]],
  ["[!a]", ["!", "a"], ["b"]],
  // A backslash makes the next byte literal.
  ["h\\*llo", ["h*llo"], ["hello", "h\\*llo"]],
  ["\\?\\[\\]\\\\", ["?[]\\"], ["a[]\\"]],
  ["\\a\\n", ["an"], ["\\a\\n", "a\n"]],
  ["[\\]]", ["]"], ["\\", "\\]", "a"]],
  ["[\\^a]", ["^", "a"], ["\\", "b"]],
  ["[a\\-c]", ["a", "-", "c"], ["b", "\\"]],
  ["[^\\]]", ["a", "\\"], ["]"]],
  ["[\\\\]", ["\\"], ["]", "\\\\"]],
  // A backslash at the end is literal.
  ["\\", ["\\"], ["", "\\\\", "a"]],
  ["a\\", ["a\\"], ["a", "a\\\\"]],
  ["*\\", ["\\", "a\\"], ["", "a"]],
  ["[a\\", ["a", "\\"], ["b", ""]],
  // A class without ] ends with the pattern.
  ["[abc", ["a", "c"], ["d", "[abc", "", "ab"]],
  ["[^abc", ["d"], ["a", ""]],
  ["[", [], ["", "[", "a"]],
  ["[^", ["a", "["], [""]],
  ["[a-", ["a", "-"], ["b", ""]],
  ["[a-c", ["a", "b"], ["d", "-"]],
  ["*[", [], ["a", "["]],
  // Letters are case-sensitive.
  ["ABC[D-F]", ["ABCE"], ["abce", "ABCe"]],
];

describe("a pattern matches as redis documents it", () => {
  for (const [pattern, matching, others] of CASES) {
    test(JSON.stringify(pattern), () => {
      expect(matching.filter((text) => !isMatch(pattern, text))).toEqual([]);
      expect(others.filter((text) => isMatch(pattern, text))).toEqual([]);
    });
  }
});

describe("for any text and pattern", () => {
  test("a text with all its bytes escaped matches itself and nothing else", () => {
    holds(
      fc.property(texts(), texts(), (one, other) => {
        const pattern = escaped(one);
        return isMatch(pattern, one) && isMatch(pattern, other) === (one === other);
      }),
    );
  });

  test("a star matches every middle, and only between its two sides", () => {
    holds(
      fc.property(texts(), texts(), texts(), texts(), (first, middle, last, other) => {
        const pattern = `${escaped(first)}*${escaped(last)}`;
        const isLongEnough = other.length >= first.length + last.length;
        const isBetween = isLongEnough && other.startsWith(first) && other.endsWith(last);
        return isMatch(pattern, first + middle + last) && isMatch(pattern, other) === isBetween;
      }),
    );
  });

  test("a pattern means the same wherever it lies in a buffer", () => {
    holds(
      fc.property(
        texts(),
        texts(),
        texts(),
        texts(),
        (pattern, text, before, after) =>
          matches(slice(pattern, before, after), slice(text, after, before)) ===
          isMatch(pattern, text),
      ),
    );
  });

  test("one more star beside a star changes nothing", () => {
    holds(
      fc.property(fc.array(parts()), texts(), (all, text) => {
        const doubled = all.flatMap((part): Part[] =>
          part.kind === "star" ? [part, part] : [part],
        );
        return isMatch(written(doubled), text) === isMatch(written(all), text);
      }),
    );
  });

  test("a pattern matches exactly the texts that its parts match one after the other", () => {
    let matching = 0;
    holds(
      fc.property(fc.array(parts(), { maxLength: 8 }), texts(), (all, text) => {
        const expected = matchParts(all, text);
        if (expected) matching++;
        return isMatch(written(all), text) === expected;
      }),
      5000,
    );
    // Otherwise the test compares only texts that do not match.
    expect(matching).toBeGreaterThan(100);
  });
});

/** A part of a pattern before it is formatted. */
type Part =
  | { readonly kind: "byte"; readonly byte: string; readonly isEscaped: boolean }
  | { readonly kind: "any" }
  | { readonly kind: "star" }
  | { readonly kind: "class"; readonly isNegated: boolean; readonly ranges: readonly string[] };

const PLAIN = "abc";
const SPECIAL = "*?[]\\^-";

/** Texts with few different bytes, so that they often match. */
function texts() {
  return fc.string({ unit: fc.constantFrom(...PLAIN, ...SPECIAL, "\xff"), maxLength: 8 });
}

function parts(): fc.Arbitrary<Part> {
  const plain = fc.constantFrom(...PLAIN);
  // A range of one byte is written as that byte.
  const range = fc.oneof(
    plain,
    fc.tuple(plain, plain).map((ends) => ends.join("")),
  );
  return fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("byte" as const),
        byte: plain,
        isEscaped: fc.boolean(),
      }),
    },
    fc.constantFrom(...SPECIAL).map((byte) => ({ kind: "byte" as const, byte, isEscaped: true })),
    { weight: 2, arbitrary: fc.constantFrom({ kind: "any" as const }, { kind: "star" as const }) },
    fc.record({
      kind: fc.constant("class" as const),
      isNegated: fc.boolean(),
      ranges: fc.array(range, { maxLength: 3 }),
    }),
  );
}

function written(all: readonly Part[]): string {
  return all
    .map((part) => {
      if (part.kind === "any") return "?";
      if (part.kind === "star") return "*";
      if (part.kind === "byte") return part.isEscaped ? `\\${part.byte}` : part.byte;
      return `[${part.isNegated ? "^" : ""}${part.ranges.map((ends) => [...ends].join("-")).join("")}]`;
    })
    .join("");
}

/** The plain definition: the first part takes some bytes, and the other parts match the rest. */
function matchParts([part, ...others]: readonly Part[], text: string): boolean {
  if (part === undefined) return text === "";
  if (part.kind === "star") {
    return (
      matchParts(others, text) || (text !== "" && matchParts([part, ...others], text.slice(1)))
    );
  }
  return text !== "" && isOne(part, text.slice(0, 1)) && matchParts(others, text.slice(1));
}

function isOne(part: Exclude<Part, { kind: "star" }>, byte: string): boolean {
  if (part.kind === "any") return true;
  if (part.kind === "byte") return part.byte === byte;
  const isIn = part.ranges.some((ends) => {
    const [low = "", high = low] = [...ends].toSorted();
    return byte >= low && byte <= high;
  });
  return isIn !== part.isNegated;
}

function isMatch(pattern: string, text: string): boolean {
  return matches(slice(pattern), slice(text));
}

function slice(text: string, before = "", after = "") {
  const bytes = Buffer.from(before + text + after, "latin1");
  return { bytes, start: before.length, end: before.length + text.length };
}

function escaped(text: string): string {
  return [...text].map((byte) => `\\${byte}`).join("");
}

function holds<T>(property: fc.IProperty<T>, numRuns = 1000): void {
  fc.assert(property, { numRuns });
}
