// Escaped keys: harmless on a terminal, and as wide as measured.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { clip, printable, quoted } from "../../../src/top/printable.ts";

const anyText = fc.string({ unit: "binary" });

describe("untrusted text", () => {
  test("keeps plain characters and escapes all others", () => {
    const shown: Readonly<Record<string, string>> = {
      "user:1 ä 漢 +~": "user:1 ä 漢 +~",
      "\x1b[31m": "\\x1b[31m",
      "a\nb\tc\r\\": "a\\nb\\tc\\r\\\\",
      "\x7f\x9b\x00": "\\x7f\\x9b\\x00",
      "😀": "\\u{1f600}",
      "a\u202eb\u200b": "a\\u{202e}b\\u{200b}",
      "e\u0301": "e\\u{301}",
      "\ud800": "\\u{d800}",
      "\u00a0\u3000": "\\xa0\\u{3000}",
    };
    for (const [text, expected] of Object.entries(shown)) expect(printable(text)).toBe(expected);
  });

  test("contains no control, format or combining character after escaping", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(printable(text)).not.toMatch(/[\p{C}\p{M}\p{Emoji_Presentation}\p{Zl}\p{Zp}]/u);
      }),
    );
  });

  test("is escaped differently if it differs", () => {
    fc.assert(
      fc.property(anyText, anyText, (one, other) => {
        expect(printable(one) === printable(other)).toBe(one === other);
      }),
    );
  });

  test("is clipped to any width, but only if it is wider", () => {
    fc.assert(
      fc.property(anyText, fc.nat(40), (text, columns) => {
        const shown = printable(text);
        const clipped = clip(shown, columns);
        expect(Bun.stringWidth(clipped)).toBeLessThanOrEqual(columns);
        if (Bun.stringWidth(shown) <= columns) expect(clipped).toBe(shown);
      }),
    );
  });

  test("is quoted as ASCII that JSON.parse reads back", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(quoted(text)).toMatch(/^"[ -~]*"$/);
        expect(JSON.parse(quoted(text))).toBe(text);
      }),
    );
  });
});
