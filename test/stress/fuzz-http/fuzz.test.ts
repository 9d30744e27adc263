import { expect, test } from "bun:test";

import { random } from "../../lib/random.ts";
import { FAULTS, startFaulty } from "./faulty.ts";
import { fuzz } from "./fuzz.ts";
import { KEPT, KINDS } from "./input.ts";

test("no bytes that come over HTTP make the service fail, hang or lose what others have put", async () => {
  const stats = await fuzz(3000, random(), () => {});
  expect(stats.kept).toBe(KEPT);
  expect(KINDS.filter((kind) => stats.kinds[kind] < 50)).toEqual([]);
  expect(Object.keys(stats.statuses)).toEqual(
    expect.arrayContaining(["200", "400", "404", "405", "409", "505"]),
  );
  expect(stats.closed).toBeGreaterThan(100);
});

for (const [name, fault] of Object.entries(FAULTS)) {
  test(`a service that ${name} is seen to be at fault`, async () => {
    const fuzzing = fuzz(
      20_000,
      random(),
      () => {},
      () => startFaulty(fault),
    );
    expect(await fuzzing.catch((error: unknown) => String(error))).toMatch(fault.seenAs);
  });
}
