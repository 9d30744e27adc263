// The table of the connections that may stay.

import { expect, test } from "bun:test";

import {
  allocateConnections,
  ConnectionTable,
} from "../../../../src/http/admission/connection-table.ts";
import { keyOf } from "../../../../src/linux/endpoints.ts";

const keys = Array.from({ length: 200 }, (_, n) =>
  keyOf({ address: n % 2 === 0 ? `10.0.0.${n}` : `2001:db8::${n}`, port: 1024 + n }),
);

test("all connections may stay until there are too many, then those of the last verdict", () => {
  const memory = allocateConnections(100);
  const [writer, reader] = [new ConnectionTable(memory), new ConnectionTable(memory)];
  const staying = () => keys.filter((key) => reader.mayStay(key));
  expect([reader.count, reader.isExceeded, staying().length]).toEqual([undefined, false, 200]);
  writer.publish(90, undefined);
  expect([reader.count, reader.isExceeded, staying().length]).toEqual([90, false, 200]);
  for (const [first, mayStay] of [
    [0, true],
    [50, true],
    [100, false],
    [20, false],
  ] as const) {
    const listed = keys.slice(first, first + 100);
    writer.publish(200, { mayStay, keys: new Set(listed) });
    const others = keys.filter((key) => !listed.includes(key));
    expect([reader.count, reader.isExceeded]).toEqual([200, true]);
    expect(staying()).toEqual(mayStay ? listed : others);
  }
  writer.publish(100, undefined);
  expect([reader.isExceeded, staying().length]).toEqual([false, 200]);
});
