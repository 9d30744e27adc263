// The key of a query is the one that URLSearchParams reads, whichever way it is read.

import { expect, test } from "bun:test";
import fc from "fast-check";

import { readQueryKey } from "../../../src/http/api/decode.ts";
import { HttpError } from "../../../src/http/error.ts";

const LIMITS = { maxKeyLength: 1000, maxValueLength: 0, maxBatchEntries: 0 };

/** Parts of queries: characters with a meaning, and percent-encoded bytes of valid and of invalid UTF-8. */
const PART = fc.oneof(
  fc.constantFrom(
    "a",
    "+",
    "%",
    "%2",
    "%zz",
    "&",
    "=",
    "#",
    "?",
    "key=",
    "%3A",
    "%3a",
    "%26",
    "%2B",
  ),
  fc.constantFrom(
    "%00",
    "%EF%BB%BF",
    "%C3%A4",
    "%E2%82%AC",
    "%F0%9F%98%80",
    "%C3",
    "%FF",
    "%ED%A0%80",
  ),
);

test("the key is what URLSearchParams reads", () => {
  fc.assert(
    fc.property(fc.array(PART, { maxLength: 8 }), (parts) => {
      const query = `key=${parts.join("")}`;
      const wanted = new URLSearchParams(query).get("key") ?? "";
      const key = readQueryKey(`http://h/get?${query}`, LIMITS);
      if (wanted === "") expect(key).toBeInstanceOf(HttpError);
      else expect(key).toBe(wanted);
    }),
    { numRuns: 5000 },
  );
});
