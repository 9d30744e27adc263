// The structure of a JSON text, counted before it is parsed.

import { expect, test } from "bun:test";

import { ENTRIES, KEYS, PUT } from "../../../src/http/api/schemas.ts";
import { checkShape, shapeOf } from "../../../src/http/body-shape.ts";

test("marks outside of strings count, and marks in strings do not", () => {
  const check = (schema: Parameters<typeof shapeOf>[0], text: string) => {
    const bytes = Buffer.from(text);
    return checkShape(bytes, bytes.length, shapeOf(schema, 2));
  };
  const marks = String.raw`[{,:\"[{,:\\`;
  for (const value of [marks, marks.repeat(100), `${"x".repeat(300)}\\\\`, '\\"'.repeat(200)]) {
    expect(check(PUT, `{"key":"k","value":"${value}"}`)).toBe(4);
  }
  expect(check(KEYS, '{"keys":["a","b"]}')).toBe(4);
  expect(check(ENTRIES, `{"entries":[${"{},".repeat(60)}{}]}`)).toMatchObject({ status: 413 });
  expect(check(PUT, '{"key":"')).toBe(2);
});
