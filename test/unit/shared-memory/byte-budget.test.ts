import { expect, test } from "bun:test";

import {
  allocateBudget,
  ByteBudget,
  recoverBudget,
} from "../../../src/shared-memory/byte-budget.ts";

test("claims of all threads together stay within the limit", () => {
  const memory = allocateBudget(2);
  const first = new ByteBudget(memory, 0, 1000);
  const second = new ByteBudget(memory, 1, 1000);
  expect(first.tryResize(0, 640)).toBe(true);
  expect(second.tryResize(0, 384)).toBe(true);
  expect(second.usedBytes).toBe(1024);
  expect(second.tryResize(384, 448)).toBe(false);
  expect(second.usedBytes).toBe(1024);
  expect(first.tryResize(640, 128)).toBe(true);
  expect(second.tryResize(384, 448)).toBe(true);
});

test("a claim fits while it is the only one, however large", () => {
  const budget = new ByteBudget(allocateBudget(1), 0, 1000);
  expect(budget.tryResize(0, 64)).toBe(true);
  expect(budget.tryResize(64, 2 ** 36)).toBe(true);
  expect(budget.tryResize(0, 1)).toBe(false);
  budget.resize(2 ** 36, 0);
  expect(budget.usedBytes).toBe(0);
});

test("recovery releases the claims of the ended thread, and no others", () => {
  const memory = allocateBudget(2);
  const first = new ByteBudget(memory, 0, 2 ** 20);
  const second = new ByteBudget(memory, 1, 2 ** 20);
  first.resize(0, 6400);
  second.resize(0, 640);
  recoverBudget(memory, 0);
  expect(second.usedBytes).toBe(640);
  const successor = new ByteBudget(memory, 0, 2 ** 20);
  successor.resize(0, 64);
  successor.resize(64, 0);
  expect(second.usedBytes).toBe(640);
});

test("an owner that can wait gets a quarter of the limit, and all of it while it is alone", () => {
  const budget = new ByteBudget(allocateBudget(1), 0, 6400);
  expect(budget.tryReserve(0, 6400)).toBe(true);
  expect(budget.tryReserve(6400, 1600)).toBe(true);
  expect(budget.isTight).toBe(false);
  expect(budget.tryReserve(0, 64)).toBe(false);
  expect(budget.tryResize(0, 64)).toBe(true);
  expect(budget.isTight).toBe(true);
});

test("one thread has the lane at a time, and a thread that has ended leaves it", () => {
  const memory = allocateBudget(2);
  const first = new ByteBudget(memory, 0, 1000);
  const second = new ByteBudget(memory, 1, 1000);
  expect([first.tryEnterLane(), first.tryEnterLane(), second.tryEnterLane()]).toEqual([
    true,
    false,
    false,
  ]);
  second.leaveLane();
  expect(second.tryEnterLane()).toBe(false);
  first.leaveLane();
  expect(second.tryEnterLane()).toBe(true);
  recoverBudget(memory, 0);
  expect(first.tryEnterLane()).toBe(false);
  recoverBudget(memory, 1);
  expect(first.tryEnterLane()).toBe(true);
});
