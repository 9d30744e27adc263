import { expect, test } from "bun:test";

import { runTags } from "./tags.ts";

test("an invalidation makes exactly the entries of its tag misses, and others make none", () => {
  const report = runTags({ entries: 20_000, tags: 500, invalidations: 5000, memoryBytes: 2 ** 25 });
  expect(report.wrong).toBe(0);
  expect(report.reads).toBeGreaterThan(40_000);
  expect(report.misses).toBe(0);
});
