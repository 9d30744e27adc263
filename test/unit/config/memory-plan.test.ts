// The memory plan: the formula, and the sizes that follow it in a machine or a container.

import { expect, test } from "bun:test";

import { OptionError, readConfig } from "../../../src/config/config.ts";
import { PLAN, plannedBytes } from "../../../src/config/memory-plan.ts";

const MB = 2 ** 20;

/** The configuration on a machine of `mb` MiB and two cores. */
const on = (memoryMb: number, options: readonly string[] = [], changes = {}) =>
  readConfig(
    options,
    {},
    { memoryBytes: memoryMb * MB, descriptors: 2 ** 20, cores: 2, ...changes },
  );

test("on a large machine, auto takes its largest values", () => {
  const config = on(24_000);
  expect(config).toMatchObject({
    memory: 2 ** 30,
    maxPendingBytes: 32 * MB,
    maxConnections: 10_000,
  });
  expect(config.workers).toBe(2);
});

for (const limit of [128, 160, 256, 512, 1024, 2048, 4096]) {
  for (const cores of [1, 2, 4, 64]) {
    test(`the defaults fit a container of ${limit} MiB on ${cores} cores`, () => {
      const config = on(limit, [], { cores });
      expect(config.plan.neededBytes).toBeLessThanOrEqual(limit * MB);
      expect(config.memory).toBeGreaterThanOrEqual(MB);
      expect(config.memory).toBeLessThanOrEqual((limit * MB) / 2);
      expect(config.maxPendingBytes).toBeGreaterThanOrEqual(4 * MB);
      expect(config.maxConnections).toBeGreaterThanOrEqual(256);
      expect(config.workers).toBeGreaterThanOrEqual(1);
    });
  }
}

test("--memory auto takes the memory that explicit options leave", () => {
  const less = on(512, ["--max-pending-bytes", "64mb", "--max-connections", "1000"]);
  expect(less).toMatchObject({ maxPendingBytes: 64 * MB, maxConnections: 1000 });
  expect(less.memory).toBeLessThan(on(512).memory);
  expect(less.plan.neededBytes).toBeLessThanOrEqual(512 * MB);
  // One port needs half of the connections' memory.
  expect(on(256, ["--resp-port", "0"]).maxConnections).toBeGreaterThan(
    on(256).maxConnections * 1.9,
  );
});

test("the plan includes the shard copy of a snapshot", () => {
  const large = ["--memory", "1gb", "--max-value-bytes", "100mb"];
  const without = on(8192, large).plan.neededBytes;
  // A shard must hold eight of the largest values: there is one only.
  expect(on(8192, [...large, "--data-dir", "/data"]).plan.neededBytes).toBe(without + 2 ** 30);
  for (const limit of [128, 256, 512, 1024]) {
    const { memory, plan } = on(limit, ["--data-dir", "/data", "--max-value-bytes", "8mb"]);
    expect(plan.neededBytes).toBeLessThanOrEqual(limit * MB);
    expect(memory).toBeGreaterThanOrEqual(MB);
  }
});

test("sizes that do not fit are kept, and the plan has a --memory that fits", () => {
  const { memory, plan } = on(256, ["--memory", "1gb"]);
  expect(memory).toBe(2 ** 30);
  expect(plan.neededBytes).toBeGreaterThan(plan.availableBytes);
  expect(plan.fittingBytes).toBe(on(256).memory);
  const tiny = on(64);
  expect(tiny.memory).toBe(MB);
  expect(tiny.plan.neededBytes).toBeGreaterThan(64 * MB);
  expect(tiny.plan.fittingBytes).toBeLessThan(MB);
});

test("connections never exceed the open files that the process may have", () => {
  const { maxConnections, plan } = on(24_000, [], { descriptors: 1024 });
  expect(2 * maxConnections).toBeLessThan(1024);
  expect(maxConnections).toBeGreaterThan(400);
  expect(plan.requestedConnections).toBe(10_000);
  expect(
    on(24_000, ["--max-connections", "5000"], { descriptors: 64 }).maxConnections,
  ).toBeLessThan(32);
  expect(on(24_000, [], { descriptors: 8 }).maxConnections).toBe(1);
});

test("bad sizes are rejected", () => {
  expect(() => on(256, ["--max-pending-bytes", "1kb"])).toThrow(OptionError);
  expect(() => on(256, ["--max-connections", "many"])).toThrow(OptionError);
});

test("docs/operations.md has the formula of the code", async () => {
  const text = await Bun.file(new URL("../../../docs/operations.md", import.meta.url)).text();
  const formula = /```text\n(needed = .*?)```/s.exec(text)?.[1]?.replace(/\s+/g, " ").trim();
  const { memoryFactor, baseBytes, workerBytes, pendingFactor, connectionBytes, upstreamBytes } =
    PLAN;
  expect(formula).toBe(
    `needed = ${memoryFactor} × --memory + ${baseBytes / MB} MiB + ${workerBytes / MB} MiB × --workers ` +
      `+ ${pendingFactor} × --max-pending-bytes + --max-subscription-bytes ` +
      `+ ${connectionBytes / 1024} KiB × --max-connections × ports + --memory / shards ` +
      `+ ${upstreamBytes / MB} MiB × (--workers + 1), with --upstream`,
  );
  const sizes = {
    memory: 100,
    workers: 3,
    maxPendingBytes: 7,
    maxSubscriptionBytes: 13,
    maxConnections: 11,
    ports: 2,
    upstreamThreads: 4,
    shardCopy: 5,
  };
  expect(plannedBytes(sizes)).toBe(
    Math.ceil(memoryFactor * 100) +
      baseBytes +
      workerBytes * 3 +
      pendingFactor * 7 +
      13 +
      connectionBytes * 22 +
      upstreamBytes * 4 +
      5,
  );
});
