import { expect, test } from "bun:test";

import { StopSignals } from "../../../src/process/stop-signals.ts";

test("signals within a second count as one request, later ones as another", async () => {
  let nowMs = 5000;
  const signals = new StopSignals(() => nowMs);
  const { next: first } = signals;
  signals.record("SIGINT");
  expect(await first).toBe("SIGINT");
  const { next: second } = signals;
  nowMs += 3;
  signals.record("SIGINT");
  expect(Bun.peek.status(second)).toBe("pending");
  nowMs += 1000;
  signals.record("SIGTERM");
  expect(await second).toBe("SIGTERM");
  expect(Bun.peek.status(signals.next)).toBe("pending");
});
