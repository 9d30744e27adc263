import { describe, expect, test } from "bun:test";

import { randomFrom } from "../../lib/random.ts";
import { freePort, startService } from "../../lib/service.ts";
import { recordSteps, type Step, whyWrong } from "./steps.ts";

test("transactions and scripts of two workers are linearizable, without MULTI they are not", async () => {
  const port = freePort();
  await using service = await startService(["--workers", "2", "--resp-port", `${port}`]);
  const options = { port, clients: 8, steps: 200, keys: 2 };
  const { steps } = await recordSteps(options, randomFrom(service.pid));
  expect(steps.length).toBeGreaterThan(800);
  expect(whyWrong(steps)).toBeUndefined();
  // Each run finds a violation with a probability that is less than 1: some runs are certain to.
  let wrong: string | undefined;
  for (let run = 0; run < 20 && wrong === undefined; run++) {
    const broken = { ...options, isBroken: true, hasScripts: false };
    wrong = whyWrong((await recordSteps(broken, randomFrom(run))).steps);
  }
  expect(wrong).toBeString();
});

describe("the check", () => {
  const step = (number: number, call_ns: number, more: Partial<Step> = {}): Step => {
    return {
      number,
      isRead: false,
      seen: {},
      written: {},
      call_ns,
      return_ns: call_ns + 5,
      ...more,
    };
  };

  test("accepts steps in the order of their numbers, and reads between them", () => {
    const history = [
      step(1, 0, { written: { k: "1" } }),
      step(2, 3, { seen: { k: "1" }, written: { k: null } }),
      step(1, 4, { isRead: true, seen: { k: "1" } }),
      step(2, 10, { isRead: true, seen: { k: null } }),
    ];
    expect(whyWrong(history)).toBeUndefined();
  });

  const wrong: Readonly<Record<string, readonly Step[]>> = {
    "a lost step": [step(2, 0)],
    "a step twice": [step(1, 0), step(1, 10)],
    "a value that no step left": [step(1, 0), step(2, 10, { seen: { k: "1" } })],
    "a read of half a step": [
      step(1, 0, { written: { k: "1", m: "1" } }),
      step(1, 10, { isRead: true, seen: { k: "1", m: null } }),
    ],
    "a step that goes back in time": [step(2, 0), step(1, 10)],
    "a stale read": [step(1, 0), step(2, 10), step(1, 20, { isRead: true })],
    "a read of a later step": [step(3, 0, { isRead: true }), step(1, 10), step(2, 20)],
  };
  for (const [name, history] of Object.entries(wrong)) {
    test(`refuses ${name}`, () => expect(whyWrong(history)).toBeString());
  }
});
