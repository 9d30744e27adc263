// Claims of large responses on the byte budget, and the collections of garbage.

import { expect, test } from "bun:test";

import { BodyBudget } from "../../../../src/http/admission/body-budget.ts";
import { allocateBudget, ByteBudget } from "../../../../src/shared-memory/byte-budget.ts";

test("responses that wait for room get it in order, and false if there is none after a second", async () => {
  const bytes = new ByteBudget(allocateBudget(1), 0, 100_000);
  const budget = new BodyBudget(bytes, { young() {}, all() {} });
  expect(budget.tryResize(0, 90_000)).toBeTrue();
  const first = budget.waitToClaim(64_000);
  const second = budget.waitToClaim(64_000);
  expect(budget.tryClaim(64)).toBeFalse();
  budget.resize(90_000, 0);
  expect(await first).toBeTrue();
  expect(await second).toBeFalse();
  budget.stop();
});

test("garbage is collected at a quarter and at half of the limit; of small bodies an eighth counts for the half", () => {
  const collections: string[] = [];
  const bytes = new ByteBudget(allocateBudget(1), 0, 1000);
  const budget = new BodyBudget(bytes, {
    young: () => collections.push("young"),
    all: () => collections.push("all"),
  });
  for (let n = 0; n < 4; n++) budget.leave(250);
  expect(collections.splice(0)).toEqual(["young", "all", "young", "all"]);
  for (let n = 0; n < 16; n++) budget.leaveSmall(250);
  expect(collections).toEqual([...Array.from({ length: 15 }, () => "young"), "all"]);
});
