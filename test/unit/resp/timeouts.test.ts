// How long the Redis port waits for a client, by a clock of the test.

import { describe, expect, test } from "bun:test";

import { ByteBuffer } from "../../../src/cache/cache.ts";
import type { Connection } from "../../../src/resp/connection.ts";
import { ClientTimeouts, RATE } from "../../../src/resp/timeouts.ts";

const SLOW_SECONDS = 5;
/** As the port looks at its connections. */
const STEP_MS = 100;

/** What Patience knows of a connection that has begun. */
function aConnection(changes: Partial<Connection>): Connection {
  return {
    ...{
      access: "write",
      isReady: true,
      isClosing: false,
      isWaiting: false,
      isQueued: false,
      wants: 0,
    },
    ...{ unread: undefined, unsent: undefined, steps: 0, bytesIn: 0, bytesOut: 0 },
    ...{ stepsSeen: -1, bytesInSeen: 0, bytesOutSeen: 0, owed: false, quietSinceMs: 0 },
    ...changes,
  } as Connection;
}

/** When the connection is closed that `step` changes each time, or undefined if it is not within an hour. */
function closedAfter(connection: Connection, step: (nowMs: number) => void): number | undefined {
  const patience = new ClientTimeouts(SLOW_SECONDS, 0);
  for (let nowMs = 0; nowMs < 3_600_000; nowMs += STEP_MS) {
    step(nowMs);
    if (patience.isOver(connection, nowMs) !== undefined) return nowMs / 1000;
  }
  return undefined;
}

describe("a client that owes", () => {
  test("the rest of a command is closed after --slow-client-timeout if it sends nothing", () => {
    const connection = aConnection({ unread: new ByteBuffer() });
    expect(closedAfter(connection, () => {})).toBe(SLOW_SECONDS + STEP_MS / 1000);
  });

  for (const [name, rate, isClosed] of [
    ["1.5 times the rate", 1.5 * RATE, false],
    ["the rate", RATE, false],
    ["half of the rate", RATE / 2, true],
    ["a byte a second", 1, true],
  ] as const) {
    test(`the rest of a command, and sends at ${name}`, () => {
      const connection = aConnection({ unread: new ByteBuffer() });
      const after = closedAfter(connection, () => (connection.bytesIn += (rate * STEP_MS) / 1000));
      expect(after !== undefined).toBe(isClosed);
      if (isClosed) expect(after).toBeLessThan(3 * SLOW_SECONDS);
    });
  }

  test("to read its answers, and reads 100 KB a second of what the kernel takes 1.3 MB of at a time", () => {
    const connection = aConnection({ unsent: new ByteBuffer(), bytesOut: 4_000_000 });
    let pieces = 0;
    const after = closedAfter(connection, (nowMs) => {
      if (nowMs / 1000 < (pieces + 1) * 13) return;
      pieces++;
      connection.bytesOut += 1_300_000;
    });
    expect(after).toBeUndefined();
  });

  test("to read its answers, and reads none, is closed once it could have read what the kernel took", () => {
    const connection = aConnection({ unsent: new ByteBuffer(), bytesOut: 10 * RATE });
    expect(closedAfter(connection, () => {})).toBeCloseTo(SLOW_SECONDS + 10, 0);
    const much = aConnection({ unsent: new ByteBuffer(), bytesOut: 10_000 * RATE });
    expect(closedAfter(much, () => {})).toBeLessThan(SLOW_SECONDS + 70);
  });

  test("its token gets no time for what it sends", () => {
    const connection = aConnection({ access: "open" });
    const after = closedAfter(connection, () => (connection.bytesIn += RATE));
    expect(after).toBe(SLOW_SECONDS + STEP_MS / 1000);
  });
});

test("a client that waits for the service is not closed", () => {
  for (const held of [{ isWaiting: true }, { isQueued: true }, { wants: 1 }]) {
    const connection = aConnection({ unread: new ByteBuffer(), ...held });
    expect(closedAfter(connection, () => {})).toBeUndefined();
  }
});
