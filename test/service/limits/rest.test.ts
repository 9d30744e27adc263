// A service at rest: no timer of a worker runs, and the first request starts them all.

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";

import { Activity } from "../../../src/service/activity.ts";
import { LoadShedder } from "../../../src/http/admission/load-shedding.ts";
import { EventLoopMonitor } from "../../../src/service/event-loop-monitor.ts";
import { allocateClients, Clients, NO_ROW } from "../../../src/resp/clients.ts";
import { startService } from "../../lib/service.ts";

const EVERY_MS = 5;
const DESCRIPTION = {
  address: "a",
  localAddress: "b",
  version: 2,
  flags: "N",
  subscriptions: "",
  redirect: -1,
  libName: "",
  libVersion: "",
  name: "",
  database: 0,
} as const;

/** Blocks the event loop for this time. */
function occupy(ms: number): void {
  for (const endMs = performance.now() + ms; performance.now() < endMs;);
}

/** Returns an activity with a job that counts the starts of its timer, and its runs. */
function watched(goesOn: () => boolean = () => false) {
  const activity = new Activity();
  const seen = { begun: 0, runs: 0 };
  let ran = Promise.withResolvers<void>();
  const end = activity.every(
    EVERY_MS,
    () => {
      seen.runs++;
      ran.resolve();
      ran = Promise.withResolvers<void>();
      return goesOn();
    },
    () => void seen.begun++,
  );
  /** Waits for the job to rest, and starts its timer again. */
  const restart = async (): Promise<void> => {
    for (const { begun } = { ...seen }; seen.begun === begun; activity.wake())
      await Bun.sleep(EVERY_MS);
  };
  return { activity, seen, end, restart, next: () => ran.promise };
}

describe("a job of a worker", () => {
  test("runs while requests come, rests after the last one, and starts with the next", async () => {
    const { activity, seen, end, restart, next } = watched();
    for (let n = 0; n < 10; n++) {
      activity.happened();
      await next();
    }
    expect(seen.begun).toBe(1);
    await restart();
    await next();
    expect(seen.begun).toBe(2);
    end();
    const { runs } = seen;
    activity.happened();
    await Bun.sleep(EVERY_MS * 4);
    expect(seen.runs).toBe(runs);
  });

  test("keeps running without requests while it has work", async () => {
    let left = 400;
    const { seen, end, restart } = watched(() => --left > 0);
    await restart();
    expect(seen.runs).toBeGreaterThanOrEqual(400);
    end();
  });
});

test("a burst after a rest makes the loop late, and the rest does not", async () => {
  const { activity, restart, end } = watched();
  const lag = new EventLoopMonitor();
  lag.start(activity);
  const shedder = new LoadShedder(50, lag);
  await restart();
  expect([shedder.wasLate, shedder.shouldReject(performance.now())]).toEqual([false, false]);
  activity.happened();
  while (!shedder.wasLate) {
    occupy(120);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  occupy(120);
  expect(shedder.shouldReject(performance.now())).toBeTrue();
  expect(lag.takeLongestMs()).toBeGreaterThan(50);
  lag.stop();
  end();
});

test("a client that another thread kills wakes its own thread", async () => {
  const memory = allocateClients(2);
  const [own, other] = [new Clients(memory, 0), new Clients(memory, 1)];
  const woken = Promise.withResolvers<void>();
  const end = own.onKill(() => woken.resolve());
  const row = own.add(own.nextId(), DESCRIPTION, 0);
  for (const listed of other.rows()) {
    const client = other.at(listed, 0);
    if (client !== undefined) other.kill(client);
  }
  await woken.promise;
  expect(own.isKilled(row)).toBeTrue();
  expect(own.isOwnKilled(row)).toBeTrue();
  end();
});

test("after a kill that is done, the thread reads the marks of its clients again at the next kill", () => {
  const memory = allocateClients(2);
  const [own, other] = [new Clients(memory, 0), new Clients(memory, 1)];
  const rows = ["a", "b"].map((name) => own.add(own.nextId(), { ...DESCRIPTION, name }, 0));
  const kill = (row = NO_ROW): void => {
    const client = other.at(row, 0);
    if (client !== undefined) other.kill(client);
  };
  const killed = () => rows.map((row) => own.isOwnKilled(row));
  expect(killed()).toEqual([false, false]);
  kill(rows[0]);
  expect(killed()).toEqual([true, false]);
  own.killsDone = own.kills;
  own.remove(rows[0] ?? NO_ROW);
  expect(killed()).toEqual([false, false]);
  kill(rows[1]);
  expect(killed()).toEqual([false, true]);
});

describe.skipIf(process.platform !== "linux")("a service without requests", () => {
  /** Returns the number of wake-ups of all workers. */
  function wakeUps(pid: number): number {
    let count = 0;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      if (readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8") !== "Worker\n") continue;
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8");
      count += Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
    }
    return count;
  }

  test("wakes up each worker less than ten times a second", async () => {
    await using service = await startService(["--workers", "2"]);
    await fetch(`${service.url}/stats`);
    for (;;) {
      const [before, startMs] = [wakeUps(service.pid), performance.now()];
      expect(before).toBeGreaterThan(0);
      await Bun.sleep(1000);
      const seconds = (performance.now() - startMs) / 1000;
      if (wakeUps(service.pid) - before < 10 * 2 * seconds) break;
    }
  });
});
