import { expect, test } from "bun:test";

import { StopSignals } from "../../../src/process/stop-signals.ts";

test("signals within a second are one wish, later ones are others", async () => {
  let nowMs = 5000;
  const signals = new StopSignals(() => nowMs);
  const { next: first } = signals;
  signals.came("SIGINT");
  expect(await first).toBe("SIGINT");
  const { next: second } = signals;
  nowMs += 3;
  signals.came("SIGINT");
  expect(Bun.peek.status(second)).toBe("pending");
  nowMs += 1000;
  signals.came("SIGTERM");
  expect(await second).toBe("SIGTERM");
  expect(Bun.peek.status(signals.next)).toBe("pending");
});
