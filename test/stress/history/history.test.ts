import { describe, expect, test } from "bun:test";

import { freePort, startService } from "../../lib/service.ts";
import { firstWrongKey, firstWrongKeyOf } from "./check.ts";
import { applyToLeases, type LeaseOperation, recordLeases } from "./leases.ts";
import { type Operation, recordHistory } from "./record.ts";

test("what concurrent clients of two workers see is linearizable", async () => {
  await using service = await startService(["--workers", "2"]);
  const options = { url: service.url, clients: 8, operations: 500, keys: 2 };
  const history = await recordHistory(options);
  expect(history).toHaveLength(4000);
  expect(firstWrongKey(history)).toBeUndefined();
});

describe("clients of both ports and two workers that use leases and tags", () => {
  const record = async (isNaive: boolean): Promise<LeaseOperation[]> => {
    const redisPort = freePort();
    await using service = await startService(["--workers", "2", "--resp-port", `${redisPort}`]);
    const options = { url: service.url, redisPort, clients: 8, operations: 400, keys: 2, isNaive };
    return await recordLeases(options);
  };

  test("see no value that was computed before a delete or an invalidation", async () => {
    const history = await record(false);
    expect(history.filter(({ op, done }) => op === "fill" && done).length).toBeGreaterThan(10);
    expect(history.filter(({ op, done }) => op === "fill" && !done).length).toBeGreaterThan(10);
    expect(firstWrongKeyOf(history, applyToLeases)).toBeUndefined();
  });

  test("see one if values are put without the lease: the control", async () => {
    expect(firstWrongKeyOf(await record(true), applyToLeases)).toBeDefined();
  });
});

describe("the check", () => {
  const put = (value: string, call_ns: number, return_ns: number): Operation => {
    return { client: 0, op: "put", key: "k", value, call_ns, return_ns };
  };
  const get = (value: string | null, call_ns: number, return_ns: number): Operation => {
    return { client: 1, op: "get", key: "k", value, call_ns, return_ns };
  };
  const remove = (found: boolean, call_ns: number, return_ns: number): Operation => {
    return { client: 2, op: "delete", key: "k", value: null, found, call_ns, return_ns };
  };

  test("accepts either value of a put that overlaps a get", () => {
    expect(firstWrongKey([put("1", 0, 1), put("2", 2, 5), get("1", 3, 4)])).toBeUndefined();
    expect(firstWrongKey([put("1", 0, 1), put("2", 2, 5), get("2", 3, 4)])).toBeUndefined();
  });

  const wrong: Readonly<Record<string, readonly Operation[]>> = {
    "a stale get": [put("1", 0, 1), put("2", 2, 3), get("1", 4, 5)],
    "a get that goes back": [put("1", 0, 1), put("2", 2, 9), get("2", 3, 4), get("1", 5, 6)],
    "a lost put": [put("1", 0, 1), get(null, 2, 3)],
    "a delete that finds nothing": [put("1", 0, 1), remove(false, 2, 3)],
    "a value after its delete": [put("1", 0, 1), remove(true, 2, 3), get("1", 4, 5)],
  };
  for (const [name, history] of Object.entries(wrong)) {
    test(`refuses ${name}`, () => expect(firstWrongKey(history)).toBe("k"));
  }
});
