import { expect, test } from "bun:test";

import { random } from "../../lib/random.ts";
import { fuzz } from "./fuzz.ts";

test("no input makes the Redis protocol throw, and none loses what others have put", () => {
  const stats = fuzz(20_000, random(), () => {});
  expect(stats.kept).toBe(100);
  expect(stats.commands).toBeGreaterThan(1000);
  expect(stats.protocolErrors).toBeGreaterThan(1000);
});
