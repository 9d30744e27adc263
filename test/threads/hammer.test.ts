// The short form of `bun run test:threads`.

import { expect, test } from "bun:test";

import { hammer } from "./hammer.ts";

test("4 threads on the same keys tear no value, lose no update and no entry", async () => {
  const report = await hammer({ threads: 4, seconds: 1.5, isLocked: true });
  expect(report).toMatchObject({
    torn: 0,
    lostUpdates: 0,
    missingEntries: 0,
    unaccountedBytes: 0,
  });
  expect(report.operations).toBeGreaterThan(10_000);
});

test("without the lock the same threads lose updates, or break the shard", async () => {
  const report = await hammer({ threads: 4, seconds: 1.5, isLocked: false });
  expect(report.lostUpdates !== 0 || report.broken > 0).toBe(true);
});
