import { expect, test } from "bun:test";

import { random } from "../../lib/random.ts";
import { fuzz } from "./fuzz.ts";

test("no input makes the Redis protocol throw, and none loses what others have put", () => {
  const figures = fuzz(20_000, random(), () => {});
  expect(figures.kept).toBe(100);
  expect(figures.commands).toBeGreaterThan(1000);
  expect(figures.protocolErrors).toBeGreaterThan(1000);
});
