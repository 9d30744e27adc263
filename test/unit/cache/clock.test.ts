import { expect, test } from "bun:test";
import { Worker } from "node:worker_threads";

import { allocateClock, Clock, type ClockSources } from "../../../src/cache/clock.ts";

const HOUR = 3_600_000;

/** A machine whose clocks the test sets; each thread's monotonic clock has an origin of its own. */
function machineAt(systemMs: number) {
  const machine = { systemMs, ranMs: 0, sleptMs: 0 };
  const sources = (originMs = 0): ClockSources => ({
    systemMs: () => machine.systemMs,
    monotonicMs: () => machine.ranMs - originMs,
    uptimeMs: () => 77_000 + machine.ranMs + machine.sleptMs,
  });
  const memory = allocateClock(sources());
  return {
    step: (ms: number) => void (machine.systemMs += ms),
    run(ms: number) {
      machine.systemMs += ms;
      machine.ranMs += ms;
    },
    sleep(ms: number) {
      machine.systemMs += ms;
      machine.sleptMs += ms;
    },
    systemMs: () => machine.systemMs,
    attach: (originMs = 0) => new Clock(memory, sources(originMs)),
  };
}

test("it is the system's time while that goes on", () => {
  const machine = machineAt(5000);
  const clock = machine.attach();
  expect(clock.now()).toBe(5000);
  machine.run(123);
  expect(clock.now()).toBe(5123);
  expect(clock.offsetMs).toBe(0);
});

test("a step of the system's clock neither moves the time back nor lets it leap", () => {
  for (const step of [HOUR, -HOUR, 400, -400]) {
    const machine = machineAt(2 * HOUR);
    const clock = machine.attach();
    machine.step(step);
    expect(clock.now()).toBe(2 * HOUR);
    expect(clock.offsetMs).toBe(-step);
    machine.run(500);
    expect(clock.now()).toBe(2 * HOUR + 500);
    expect(clock.now() - clock.offsetMs).toBe(machine.systemMs());
  }
});

test("a wrong system clock that is set right again changes nothing", () => {
  for (const step of [HOUR, -HOUR]) {
    const machine = machineAt(2 * HOUR);
    const clock = machine.attach();
    machine.step(step);
    expect(clock.offsetMs).toBe(-step);
    machine.run(500);
    machine.step(-step);
    expect(clock.now()).toBe(2 * HOUR + 500);
    expect(clock.offsetMs).toBe(0);
  }
});

test("the time makes up for a sleep of the machine", () => {
  const machine = machineAt(HOUR);
  const [clock, other] = [machine.attach(), machine.attach()];
  machine.sleep(HOUR);
  expect(clock.offsetMs).toBe(0);
  expect(clock.now()).toBe(2 * HOUR);
  expect(other.now()).toBe(2 * HOUR);
});

test("all threads have one time, whenever they attach and whatever the system's clock says", () => {
  const machine = machineAt(HOUR);
  const clock = machine.attach();
  machine.run(1000);
  machine.step(-HOUR / 2);
  const other = machine.attach(900);
  expect(clock.now()).toBe(HOUR + 1000);
  expect(other.now()).toBe(HOUR + 1000);
  machine.run(10);
  expect(other.now()).toBe(HOUR + 1010);
  expect(clock.now()).toBe(HOUR + 1010);
});

test("where the uptime is not known a thread moves forward to the latest time that was told", () => {
  const machine = { ranMs: 0 };
  const sources = (originMs: number): ClockSources => ({
    systemMs: () => HOUR,
    monotonicMs: () => machine.ranMs - originMs,
    uptimeMs: () => undefined,
  });
  const memory = allocateClock(sources(0));
  const first = new Clock(memory, sources(0));
  machine.ranMs = 1000;
  const second = new Clock(memory, sources(300));
  expect(first.now()).toBe(HOUR + 1000);
  expect(second.now()).toBe(HOUR + 1000);
  machine.ranMs = 1500;
  expect(second.now()).toBe(HOUR + 1500);
});

test("while the system's clock steps to and fro, no thread sees the time leap", async () => {
  const clock = allocateClock();
  // Word 0: the step in ms; 1: readings done; 2: the largest leap in ms.
  const shared = new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT);
  const numbers = new Int32Array(shared);
  const readers = Array.from(
    { length: 3 },
    () =>
      new Worker(new URL("../../lib/clock-reader.ts", import.meta.url), {
        workerData: { clock, shared },
      }),
  );
  const ended = Promise.all(
    readers.map((reader) => new Promise((resolve) => reader.once("exit", resolve))),
  );
  const isDone = () => Atomics.load(numbers, 1) >= 30_000;
  for (let n = 0; !isDone(); n++) {
    Atomics.store(numbers, 0, n % 2 === 0 ? -HOUR : 0);
    if (n % 1000 === 0) await new Promise(setImmediate);
  }
  await ended;
  expect(Atomics.load(numbers, 2)).toBeLessThan(HOUR / 2);
});
