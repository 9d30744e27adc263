// The short form of `bun run stress threads`.

import { expect, test } from "bun:test";

import { until } from "../../lib/until.ts";
import { hammer } from "./hammer.ts";

const SHORT = { threads: 4, seconds: 0, operations: 20_000 };

test("4 threads on the same keys tear no value, lose no update and no entry", async () => {
  const report = await hammer({ ...SHORT, isLocked: true });
  expect(report).toMatchObject({
    torn: 0,
    lostUpdates: 0,
    missingEntries: 0,
    unaccountedBytes: 0,
  });
});

test("without the lock the same threads lose updates, or break the shard", async () => {
  // How often two threads meet is the scheduler's choice.
  await until("an update is lost", async () => {
    const { lostUpdates, broken } = await hammer({ ...SHORT, isLocked: false });
    return lostUpdates !== 0 || broken > 0;
  });
});
