// Claims of large responses on the byte budget.

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
