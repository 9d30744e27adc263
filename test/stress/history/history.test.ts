import { describe, expect, test } from "bun:test";

import { startService } from "../../lib/service.ts";
import { firstWrongKey } from "./check.ts";
import { type Operation, recordHistory } from "./record.ts";

test("what concurrent clients of two workers see is linearizable", async () => {
  await using service = await startService(["--workers", "2"]);
  const options = { url: service.url, clients: 8, operations: 500, keys: 2 };
  const history = await recordHistory(options);
  expect(history).toHaveLength(4000);
  expect(firstWrongKey(history)).toBeUndefined();
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
