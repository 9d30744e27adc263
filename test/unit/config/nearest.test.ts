import { expect, test } from "bun:test";

import { nearest } from "../../../src/config/nearest.ts";

const NAMES = ["port", "host", "memory", "max-key-length", "max-value-length", "n"];

test("the nearest name is the one with the fewest edits, if they are few for its length", () => {
  const cases: [wrong: string, near: string | undefined][] = [
    ["prot", "port"],
    ["ports", "port"],
    ["memroy", "memory"],
    ["mem", undefined],
    ["max-keys-length", "max-key-length"],
    ["maxvaluelength", "max-value-length"],
    ["x", undefined],
    ["", undefined],
    ["something-else", undefined],
  ];
  expect(cases.map(([wrong]) => [wrong, nearest(wrong, NAMES)])).toEqual(cases);
});
