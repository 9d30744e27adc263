// --max-pending-bytes on the Redis port: it limits all connections together, and every waiting connection continues.

import { describe, expect, test } from "bun:test";

import { allocateBudget, ByteBudget } from "../../../src/shared-memory/byte-budget.ts";
import { type RedisService, serveRedis } from "../../lib/service.ts";
import { commandBytes, connectRaw, type RawClient } from "../resp/raw-client.ts";

const LIMIT = 2 ** 22;
const CLIENTS = 20;
/** Bytes of a command that each client sends first. They fit for all clients together. */
const FIRST_BYTES = 20_000;

interface Bounded extends AsyncDisposable {
  readonly service: RedisService;
  readonly budget: ByteBudget;
  /** Maximum of the claimed bytes that the test has seen. */
  peak(): number;
}

/** A service with --max-pending-bytes 4 MiB, whose claims the test samples all the time. */
function serveBounded(limitBytes = LIMIT): Bounded {
  const budget = new ByteBudget(allocateBudget(1), 0, limitBytes);
  const service = serveRedis([], undefined, { budget });
  let peak = 0;
  const looking = setInterval(() => (peak = Math.max(peak, budget.usedBytes)), 1);
  return {
    ...{ service, budget },
    peak: () => peak,
    async [Symbol.asyncDispose]() {
      clearInterval(looking);
      await service[Symbol.asyncDispose]();
    },
  };
}

async function open(service: RedisService): Promise<RawClient[]> {
  return await Promise.all(Array.from({ length: CLIENTS }, () => connectRaw(service.port)));
}

describe("commands of all connections together", () => {
  for (const [name, words] of [
    ["one long argument", ["SET", "k", "v".repeat(900_000)]],
    [
      "many arguments",
      ["MSET", ...Array.from({ length: 90 }, (_, n) => [`k${n}`, "v".repeat(10_000)]).flat()],
    ],
    [
      "a thousand short arguments",
      ["MSET", ...Array.from({ length: 1000 }, (_, n) => [`k${n}`, "v".repeat(500)]).flat()],
    ],
  ] as const) {
    test(`wait for room, and all of them run: ${name}`, async () => {
      await using bounded = serveBounded();
      const clients = await open(bounded.service);
      const bytes = commandBytes(...words);
      for (const client of clients) client.send(bytes.subarray(0, FIRST_BYTES));
      using other = await connectRaw(bounded.service.port);
      for (let n = 0; n < 50; n++) {
        other.send("PING\r\n");
        await other.until("+PONG\r\n".repeat(n + 1));
      }
      for (const client of clients) client.send(bytes.subarray(FIRST_BYTES));
      for (const client of clients) expect(await client.until("\r\n")).toBe("+OK\r\n");
      for (const client of clients) client[Symbol.dispose]();
      expect(bounded.peak()).toBeLessThanOrEqual(LIMIT);
      expect(bounded.service.events).toEqual([]);
      while (bounded.budget.usedBytes > 0) await new Promise(setImmediate);
    });
  }

  test("wait for room without an error: large commands that all connections begin at once", async () => {
    const limitBytes = 4 * LIMIT;
    await using bounded = serveBounded(limitBytes);
    const bytes = commandBytes("SET", "k", "v".repeat(1_000_000));
    const clients = await Promise.all(
      Array.from({ length: 50 }, () => connectRaw(bounded.service.port)),
    );
    for (let n = 1; n <= 3; n++) {
      for (const client of clients) client.send(bytes);
      for (const client of clients) {
        expect(await client.until("+OK\r\n".repeat(n))).toBe("+OK\r\n".repeat(n));
      }
    }
    for (const client of clients) client[Symbol.dispose]();
    expect(bounded.service.events).toEqual([]);
    while (bounded.budget.usedBytes > 0) await new Promise(setImmediate);
    expect(bounded.peak()).toBeLessThanOrEqual(limitBytes);
  });

  test("get an error if the received bytes do not fit", async () => {
    await using bounded = serveBounded();
    const clients = await Promise.all(
      Array.from({ length: 400 }, () => connectRaw(bounded.service.port)),
    );
    const half = commandBytes("SET", "k", "v".repeat(16_000)).subarray(0, 15_000);
    for (const client of clients) client.send(half);
    const first = await Promise.race(clients.map(({ closed }) => closed));
    expect(first).toBe(
      "-ERR no room: requests and answers of --max-pending-bytes are on their way; try again later\r\n",
    );
    expect(bounded.budget.usedBytes).toBeLessThanOrEqual(LIMIT);
    expect(bounded.service.events).toContain("over --max-pending-bytes");
    for (const client of clients) client[Symbol.dispose]();
    while (bounded.budget.usedBytes > 0) await new Promise(setImmediate);
  });

  test("get an error if one of them is longer than --max-pending-bytes", async () => {
    await using bounded = serveBounded();
    using client = await connectRaw(bounded.service.port);
    client.send(commandBytes("SET", "k", "v".repeat(2 * LIMIT)).subarray(0, LIMIT));
    client.send(Buffer.alloc(LIMIT, "v"));
    expect(await client.closed).toBe(
      `-ERR Protocol error: the command is longer than --max-pending-bytes (${LIMIT} bytes)\r\n`,
    );
  });
});

describe("replies of all connections together", () => {
  const VALUES = 8;
  const value = "v".repeat(300_000);
  const mget = commandBytes("MGET", ...Array.from({ length: VALUES }, (_, n) => `k${n}`));

  test("wait for room, and the clients read all of them", async () => {
    await using bounded = serveBounded();
    const { service } = bounded;
    using first = await connectRaw(service.port);
    for (let n = 0; n < VALUES; n++) first.send(commandBytes("SET", `k${n}`, value));
    await first.until("+OK\r\n".repeat(VALUES));
    const counts = Array.from({ length: CLIENTS }, () => 0);
    const one = mget.length > 0 ? `*${VALUES}\r\n` : "";
    const length = one.length + VALUES * (`$${value.length}\r\n`.length + value.length + 2);
    const times = 5;
    const all = Promise.withResolvers<void>();
    const clients = await Promise.all(
      counts.map((_, n) =>
        connectRaw(service.port, (chunk) => {
          counts[n] = (counts[n] ?? 0) + chunk.length;
          if (counts.every((count) => count >= length * times)) all.resolve();
        }),
      ),
    );
    for (const client of clients) {
      client.pause();
      client.send(Buffer.concat(Array.from({ length: times }, () => mget)));
    }
    for (let n = 0; n < 50; n++) {
      first.send("PING\r\n");
      await first.until(`${"+OK\r\n".repeat(VALUES)}${"+PONG\r\n".repeat(n + 1)}`);
    }
    for (const client of clients) client.resume();
    await all.promise;
    expect(counts).toEqual(counts.map(() => length * times));
    expect(bounded.peak()).toBeLessThanOrEqual(LIMIT);
    for (const client of clients) client[Symbol.dispose]();
  });

  // The reply needs a claim in addition to the command, which the connection still holds.
  const names = (count: number) => Array.from({ length: count }, (_, n) => `key:${n}`);
  const pairs = names(6000).flatMap((name) => [name, "v".repeat(300)]);
  for (const [name, words, reply] of [
    ["a long argument", ["ECHO", "v".repeat(1_800_000)], /^\$1800000\r\n/],
    ["a reply in one step", ["MGET", ...Array(6).fill("k"), "x".repeat(2_000_000)], /^\*7\r\n/],
    ["copied arguments", ["MSET", ...pairs], /^\+OK\r\n$/],
    [
      "a reply in slices",
      ["MGET", ...names(4000), ...Array(4000).fill("x".repeat(400))],
      /^\*8000\r\n/,
    ],
  ] as const) {
    for (const others of [0, 3]) {
      test(`arrive although they do not fit together with their command, ${others} others: ${name}`, async () => {
        await using bounded = serveBounded();
        const { service } = bounded;
        using client = await connectRaw(service.port);
        client.send(commandBytes("MSET", "k", value, ...pairs));
        expect(await client.until("\r\n")).toBe("+OK\r\n");
        // Incomplete commands of other clients: the claim of the client is never the only one.
        const holders = await Promise.all(
          Array.from({ length: others }, () => connectRaw(service.port)),
        );
        for (const holder of holders)
          holder.send(commandBytes("SET", "k", value).subarray(0, 5000));
        using asker = await connectRaw(service.port);
        asker.send(Buffer.concat([commandBytes(...words), commandBytes("ECHO", "end")]));
        expect((await asker.until("end\r\n")).slice(0, -"$3\r\nend\r\n".length)).toMatch(reply);
        for (const holder of holders) holder[Symbol.dispose]();
        client[Symbol.dispose]();
        asker[Symbol.dispose]();
        while (bounded.budget.usedBytes > 0) await new Promise(setImmediate);
        expect(bounded.peak()).toBeLessThanOrEqual(LIMIT);
        expect(service.events).toEqual([]);
      });
    }
  }

  test("get an error if one of them is longer than --max-pending-bytes", async () => {
    await using bounded = serveBounded();
    using client = await connectRaw(bounded.service.port);
    for (let n = 0; n < VALUES; n++) client.send(commandBytes("SET", `k${n}`, value));
    await client.until("+OK\r\n".repeat(VALUES));
    const names = Array.from({ length: 2 * VALUES }, (_, n) => `k${n % VALUES}`);
    client.send(commandBytes("MGET", ...names));
    expect(await client.closed).toEndWith(
      `-ERR the answer is longer than --max-pending-bytes (${LIMIT} bytes); ask for less\r\n`,
    );
    expect(bounded.service.events).toEqual(["over --max-pending-bytes"]);
  });
});

test("a client without a token may send only a few bytes", async () => {
  await using service = serveRedis(["--auth-token", "token"]);
  for (const [sent, reply] of [
    [
      commandBytes("AUTH", "x".repeat(2000)).subarray(0, 30),
      "-ERR Protocol error: unauthenticated bulk length\r\n",
    ],
    [
      commandBytes(
        "HELLO",
        "3",
        ...Array.from({ length: 7 }, () => "x".repeat(1000)),
        "y",
      ).subarray(0, 6000),
      "-ERR Protocol error: unauthenticated command is too long\r\n",
    ],
    ["x".repeat(3000), "-ERR Protocol error: too big inline request\r\n"],
  ] as const) {
    using client = await connectRaw(service.port);
    client.send(sent);
    expect(await client.closed).toBe(reply);
  }
  using client = await connectRaw(service.port);
  client.send(commandBytes("AUTH", "token"));
  client.send(commandBytes("SET", "k", "v".repeat(100_000)));
  expect(await client.until("+OK\r\n+OK\r\n")).toBe("+OK\r\n+OK\r\n");
});
