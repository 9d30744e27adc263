// The short form of `bun run stress tier`. It needs redis-server and redis-cli.

import { expect, test } from "bun:test";

import { MISSING, startCluster } from "./engine.ts";
import { FAULTS } from "./faults.ts";
import { checkUnder, complaints, noticeOtherChanges, quiet, raceFlushes } from "./scenarios.ts";
import { readByteKeys, readInPipelines, staleInCut, startPair } from "./scenarios.ts";
import { MAX_STALE_MS } from "./nodes.ts";

if (MISSING.length > 0)
  console.log(`skipped: the tests of the upstream need ${MISSING.join(", ")}`);

const SHORT = ["CLUSTER FAILOVER", "FLUSHALL by another client"];

test.skipIf(MISSING.length > 0)("two nodes in front of a cluster keep their contract", async () => {
  await using engine = await startCluster();
  await using pair = await startPair(engine);
  const faults = [quiet(3), ...FAULTS.filter(({ name }) => SHORT.includes(name))];
  for (const fault of faults) {
    const report = await checkUnder(engine, pair.nodes, fault);
    // On a machine that gives the node no time, commands of the upstream end at their limit.
    const found = complaints(report, { ...fault, mayFail: true });
    expect([fault.name, found]).toEqual([fault.name, []]);
  }
});

test.skipIf(MISSING.length > 0)("two nodes notice the changes of other clients", async () => {
  await using engine = await startCluster();
  await using pair = await startPair(engine);
  expect(await noticeOtherChanges(engine, pair.nodes)).toBe(19);
  const [node] = pair.nodes;
  if (node === undefined) throw new Error("there is no node");
  await readInPipelines(node, engine);
  expect(await readByteKeys(node, engine)).toEqual(["ff", "fe", "ff", "fe"]);
});

test.skipIf(MISSING.length > 0)(
  "a node keeps nothing of a load that a flush overtakes",
  async () => {
    expect(await raceFlushes(50)).toBe(0);
  },
);

test.skipIf(MISSING.length > 0)("a node that is cut off stops to trust its values", async () => {
  expect(await staleInCut(2)).toBeLessThanOrEqual(MAX_STALE_MS);
});
