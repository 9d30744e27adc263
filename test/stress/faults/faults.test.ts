// Workers that fail: the short form of `bun run stress faults`, and single failures.

import { expect, test } from "bun:test";

import { ByteBuffer, NEVER } from "../../../src/cache/cache.ts";
import { FaultyService, runFaults } from "./faults.ts";

test("a worker that fails under load loses only its requests in flight", async () => {
  const report = await runFaults(3);
  expect(report).toMatchObject({ kills: 3, failedOnOthers: 0, lostThreads: 3 });
  expect(report.unansweredGets).toBeGreaterThanOrEqual(0);
  expect(report.unansweredGets).toBeLessThanOrEqual(report.failedWithWorker);
});

test("a worker that ends in the middle of a write loses only the entries of that shard", async () => {
  const service = await FaultyService.start();
  for (let n = 0; n < 6400; n++) {
    service.cache.put(ByteBuffer.ofText(`key${n}`), ByteBuffer.ofText("v"), NEVER, 0);
  }
  const before = service.cache.maintenance.shardStats();
  service.fail({ thread: 1, how: "exit writing" });
  await service.restarted(1);
  const after = service.cache.maintenance.shardStats();
  const changed = before.filter(({ entries }, shard) => after[shard]?.entries !== entries);
  expect(changed).toHaveLength(1);
  expect(service.cache.maintenance.stats()).toMatchObject({ emptied: 1, lostThreads: 1 });
  service.cache.maintenance.verify();
  // Every shard accepts entries again.
  for (let n = 0; n < 6400; n++) {
    service.cache.put(ByteBuffer.ofText(`key${n}`), ByteBuffer.ofText("v"), NEVER, 0);
  }
  expect(service.cache.maintenance.stats().entries).toBe(6400);
  await service.stop();
});

test("the supervisor gives up after five failures within ten seconds, with the last reason", async () => {
  const service = await FaultyService.start();
  for (let failure = 1; failure <= 4; failure++) {
    service.fail({ thread: failure % 2, how: "throw" });
    await service.restarted(failure);
  }
  service.fail({ thread: 0, how: "throw" });
  expect(await service.gaveUp.promise).toContain("a fault that was asked for");
  expect(service.restarts).toHaveLength(4);
  await service.stop();
});

test("a worker that hangs does not delay the stop", async () => {
  const service = await FaultyService.start();
  service.fail({ thread: 0, how: "hang" });
  await service.stop();
});
