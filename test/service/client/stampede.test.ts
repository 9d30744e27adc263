// A stampede of 1,000 callers from 8 processes on two workers: one of them calls its function.

import { expect, test } from "bun:test";

import { Stampede } from "../../../bench/lib/stampede-run.ts";
import { freePort, startService } from "../../lib/service.ts";

const TIMEOUT_MS = 100_000;
const PROCESSES = 8;
const CALLERS = 125;
const ROUND = { callers: CALLERS, workMs: 100, dies: false };

test(
  "1,000 callers of one key from 8 processes call the function once",
  async () => {
    await using service = await startService(["--workers", "2"]);
    using stampede = await Stampede.start(PROCESSES);
    const round = { ...ROUND, url: service.url, lease: 100 };
    for (const key of ["one", "two"]) {
      const seen = await stampede.run({ ...round, key, withLeases: true });
      expect(seen.flatMap(({ calls }) => calls)).toHaveLength(1);
      expect(seen.flatMap(({ receivedMs }) => receivedMs)).toHaveLength(PROCESSES * CALLERS);
      for (const { values } of seen) expect(values).toEqual([key]);
    }
    // The control: without leases many of them do.
    const seen = await stampede.run({ ...round, key: "control", withLeases: false });
    expect(seen.flatMap(({ calls }) => calls).length).toBeGreaterThanOrEqual(CALLERS);
  },
  TIMEOUT_MS,
);

test(
  "1,000 callers of RC.GET from 8 processes call the function once",
  async () => {
    const port = freePort();
    await using service = await startService(["--workers", "2", "--resp-port", `${port}`]);
    using stampede = await Stampede.start(PROCESSES);
    const round = { ...ROUND, url: service.url, redisUrl: `redis://127.0.0.1:${port}`, lease: 100 };
    const seen = await stampede.run({ ...round, key: "k", withLeases: true });
    expect(seen.flatMap(({ calls }) => calls)).toHaveLength(1);
    expect(seen.flatMap(({ receivedMs }) => receivedMs)).toHaveLength(PROCESSES * CALLERS);
    for (const { values } of seen) expect(values).toEqual(["k"]);
  },
  TIMEOUT_MS,
);

test(
  "the next caller computes the value of a holder that was killed after its lease, not before",
  async () => {
    await using service = await startService(["--workers", "2"]);
    using stampede = await Stampede.start(PROCESSES);
    const lease = 2;
    const round = { ...ROUND, url: service.url, key: "k", lease, withLeases: true };
    const { holder, seen } = await stampede.runAndKillHolder(round);
    expect(seen).toHaveLength(PROCESSES - 1);
    const calls = seen.flatMap((one) => one.calls);
    expect(calls).toHaveLength(1);
    // The lease began before the function of its holder: its response lies between.
    expect((calls[0]?.beganMs ?? 0) - holder.beganMs).toBeGreaterThan((lease * 1000) / 2);
    for (const { values } of seen) expect(values).toEqual(["k"]);
  },
  TIMEOUT_MS,
);
