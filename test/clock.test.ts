import { expect, test } from "bun:test";

import { allocateClock, Clock } from "../src/clock.ts";

const HOUR = 3_600_000;

function clockAt(startMs: number) {
  const system = { ms: startMs };
  const memory = allocateClock();
  const create = () => new Clock(memory, () => system.ms);
  return { system, create, clock: create() };
}

test("it is the system's time while that goes on", () => {
  const { system, clock } = clockAt(5000);
  expect(clock.now()).toBe(5000);
  system.ms += 123;
  expect(clock.now()).toBe(5123);
});

test("when the system's time is set back it goes on from where it was", () => {
  const { system, clock } = clockAt(2 * HOUR);
  expect(clock.now()).toBe(2 * HOUR);
  system.ms -= HOUR;
  expect(clock.now()).toBe(2 * HOUR);
  system.ms += 500;
  expect(clock.now()).toBe(2 * HOUR + 500);
});

test("a step back of less than a second makes it stand still for as long", () => {
  const { system, clock } = clockAt(HOUR);
  clock.now();
  system.ms -= 400;
  expect(clock.now()).toBe(HOUR);
  system.ms += 450;
  expect(clock.now()).toBe(HOUR + 50);
});

test("after a leap forward and back, lifetimes are as long as ever", () => {
  const { system, clock } = clockAt(HOUR);
  clock.now();
  system.ms += HOUR;
  const deadline = clock.now() + 1000;
  system.ms -= HOUR;
  expect(clock.now()).toBeLessThan(deadline);
  system.ms += 1000;
  expect(clock.now()).toBe(deadline);
});

test("all threads have one time", () => {
  const { system, clock, create } = clockAt(HOUR);
  const other = create();
  clock.now();
  system.ms -= HOUR / 2;
  expect(other.now()).toBe(HOUR);
  system.ms += 10;
  expect(clock.now()).toBe(HOUR + 10);
});
