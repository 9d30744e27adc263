// The keys of connections.

import { describe, expect, test } from "bun:test";

import { keyInTable } from "../../../src/linux/connections.ts";
import { keyOf } from "../../../src/linux/endpoints.ts";

describe("the key of an endpoint is the same from its address and from the kernel's table", () => {
  const cases: readonly (readonly [string, number, string])[] = [
    ["127.0.0.1", 80, "0100007F:0050"],
    ["::1", 65_535, "00000000000000000000000001000000:FFFF"],
    ["127.0.0.1", 80, "0000000000000000FFFF00000100007F:0050"],
    ["::ffff:127.0.0.1", 80, "0000000000000000FFFF00000100007F:0050"],
    ["fe80::1:2%eth0", 1, "000080FE000000000000000002000100:0001"],
    ["2001:db8:1:2:3:4:5:6", 1, "B80D0120020001000400030006000500:0001"],
  ];
  for (const [address, port, expected] of cases) {
    test(`${address} ${port}`, () => expect(keyOf({ address, port })).toBe(keyInTable(expected)));
  }
});
