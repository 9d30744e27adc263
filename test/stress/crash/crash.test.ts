// The short form of `bun run stress crash`.

import { expect, test } from "bun:test";

import { random } from "../../lib/random.ts";
import { check, crash } from "./crash.ts";

test("a service killed under load comes back with a state that there was", async () => {
  const report = await crash(3, random(), () => {});
  expect(report).toMatchObject({ kills: 3 });
});

test("a state that there never was, and one that lacks what it must have, are noticed", () => {
  // Two keys of one shard, written in turn; 1 and 2 were acknowledged before the snapshot.
  const written = [
    [0, 1, 3],
    [0, 2, 4],
  ];
  const acknowledged = new Map([
    [1, 10],
    [2, 20],
  ]);
  const holds = (...found: number[]) => check(found, written, [0, 0], acknowledged, 30);
  holds(1, 2);
  holds(3, 2);
  holds(3, 4);
  expect(() => holds(1, 4)).toThrow("key0 has 1, its shard is of 4: it must have 3");
  expect(() => holds(1, 0)).toThrow("key1 has 0 and not 2, which was acknowledged");
});
