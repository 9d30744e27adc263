// The limits of the HTTP port: connections, sizes and time.

import { describe, expect, test } from "bun:test";

import { connect, exchange } from "../../lib/raw.ts";
import { serve, startService } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";

const GET = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";

/** Returns the number of rejections that the service has counted for this reason. */
async function rejectionsOf(url: string, reason: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = new RegExp(`refused_total\\{protocol="http",reason="${reason}"\\} (\\d+)`).exec(
    text,
  );
  return Number(line?.[1]);
}

test("each protocol has a counter for each reason that it can reject for, and no others", async () => {
  await using server = serve();
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const counted = (protocol: string) =>
    [...text.matchAll(/refused_total\{protocol="(\w+)",reason="(\w+)"/g)]
      .filter(([, ofProtocol]) => ofProtocol === protocol)
      .map(([, , reason]) => reason);
  expect(counted("http")).not.toContain("slow_client");
  expect(counted("resp")).not.toContain("overload");
  expect(counted("http")).toContain("overload");
  expect(counted("resp")).toContain("slow_client");
});

async function post(url: string, body: unknown): Promise<Response> {
  return await fetch(url, { method: "POST", body: JSON.stringify(body) });
}

test.skipIf(process.platform !== "linux")(
  "connections beyond --max-connections get an error and are closed, and the others stay",
  async () => {
    await using server = serve("--max-connections", "20");
    let open = await Promise.all(
      Array.from({ length: 23 }, async () => ({
        connection: await connect(server.url),
        answers: 0,
      })),
    );
    const rejections: string[] = [];
    /** Removes rejected connections from the open ones. */
    const askAll = async (): Promise<void> => {
      const isOpen = open.map(async (client) => {
        client.connection.send(GET);
        const all = await client.connection.answers(++client.answers);
        if (all.endsWith('{"status":"OK"}')) return true;
        rejections.push(await client.connection.closed);
        return false;
      });
      const whether = await Promise.all(isOpen);
      open = open.filter((_, n) => whether[n]);
    };
    // The service counts connections in intervals.
    while (rejections.length < 3) await askAll();
    for (let n = 0; n < 10; n++) await askAll();
    expect([open.length, rejections.length]).toEqual([20, 3]);
    for (const all of rejections) {
      const rejection = all.slice(all.lastIndexOf("HTTP/1.1 503"));
      expect(rejection).toContain(
        "the port has 20 connections, the limit set by --max-connections",
      );
      expect(rejection.toLowerCase()).toContain("retry-after: 1");
      expect(rejection.toLowerCase()).toContain("connection: close");
    }
    open.pop()?.connection[Symbol.dispose]();
    expect(await rejectionsOf(server.url, "connections")).toBe(3);
    for (const { connection } of open) connection[Symbol.dispose]();
  },
);

test.skipIf(process.platform !== "linux")(
  "connections that take all descriptors of the process do not end a worker",
  async () => {
    const limited = ["/bin/sh", "-c", 'ulimit -n 80 && exec "$@"', "sh"];
    await using service = await startService(["--workers", "1"], {}, limited);
    using first = await connect(service.url);
    const stats = "GET /stats HTTP/1.1\r\nhost: localhost\r\n\r\n";
    first.send(stats);
    await first.answers(1);
    const listener = (await fetch(`${service.url}/events`)).body?.getReader();
    const flood = await Promise.all(Array.from({ length: 100 }, () => connect(service.url)));
    // A connection that sends nothing is accepted late.
    for (const connection of flood) connection.send("GET /");
    // One event a second: the worker is alive while connections are counted more often.
    for (let n = 0; n < 3; n++) expect((await listener?.read())?.done).toBe(false);
    first.send(stats);
    // It may be rejected: the limit of connections follows the limit of open files.
    await first.answers(2);
    for (const connection of flood) connection[Symbol.dispose]();
    let text = "";
    await until("connections are free again", async () => {
      const response = await fetch(`${service.url}/stats`);
      text = await response.text();
      return response.status === 200;
    });
    expect(text).toContain('"worker_restarts":0');
    service.kill("SIGTERM");
    expect(await service.exit).toMatchObject({ code: 0, stderr: "" });
  },
);

test("a head longer than --max-header-bytes gets 431", async () => {
  await using service = await startService(["--workers", "2", "--max-header-bytes", "2000"]);
  const statusOf = async (bytes: number) => {
    const pad = `x-pad: ${"a".repeat(bytes)}\r\n`;
    const request = GET.replace("\r\n\r\n", `\r\n${pad}connection: close\r\n\r\n`);
    return (await exchange(service.url, request)).split(" ")[1];
  };
  expect([await statusOf(1000), await statusOf(3000)]).toEqual(["200", "431"]);
  expect(await exchange(service.url, `GET /${"a".repeat(3000)} HTTP/1.1\r\n\r\n`)).toContain(
    " 431 ",
  );
});

test("a batch longer than --max-batch-entries is rejected, and none of its entries is stored", async () => {
  await using server = serve("--max-batch-entries", "3");
  const keys = ["a", "b", "c", "d"];
  const entries = keys.map((key) => ({ key, value: "v" }));
  const most = [post(`${server.url}/mput`, { entries: entries.slice(1) })];
  expect((await Promise.all(most)).map(({ status }) => status)).toEqual([200]);
  const answer = await post(`${server.url}/mput`, { entries });
  expect(answer.status).toBe(413);
  expect(await answer.text()).toContain(
    '\\"entries\\" has 4 elements; it may have 3, the limit set by --max-batch-entries',
  );
  expect((await post(`${server.url}/mget`, { keys })).status).toBe(413);
  expect((await fetch(`${server.url}/get?key=a`)).status).toBe(404);
  expect(await rejectionsOf(server.url, "batch_size")).toBe(2);
});

test("bodies in flight take at most --max-pending-bytes, and release their room when they end", async () => {
  await using server = serve("--max-pending-bytes", "64kb");
  const head = `POST /put HTTP/1.1\r\nhost: localhost\r\n`;
  const part = " ".repeat(20_000);
  const first = await connect(server.url);
  first.send(`${head}content-length: 50001\r\n\r\n${" ".repeat(50_000)}`);
  let refused = "";
  // Until the service has received the first body.
  while (refused === "") {
    const answer = await post(`${server.url}/put`, { key: "k", value: "v", pad: part });
    if (answer.status === 503) refused = await answer.text();
    expect([400, 503]).toContain(answer.status);
    if (refused !== "") expect(answer.headers.get("retry-after")).toBe("1");
  }
  expect(refused).toContain("--max-pending-bytes");
  // An announced body that is not sent takes no room, and neither does a small one.
  using announced = await connect(server.url);
  announced.send(`${head}content-length: 4000000\r\n\r\n{`);
  expect((await post(`${server.url}/put`, { key: "k", value: "v" })).status).toBe(200);
  using third = await connect(server.url);
  third.send(
    `${head}transfer-encoding: chunked\r\n\r\n5000\r\n${part.padEnd(0x5000)}\r\n0\r\n\r\n`,
  );
  expect(await third.until("}")).toContain(" 503 ");
  first[Symbol.dispose]();
  let status = 503;
  while (status === 503) {
    status = (await post(`${server.url}/put`, { key: "k", value: "v", pad: part })).status;
  }
  // The error of the unknown member: the body was read to its end.
  expect(status).toBe(400);
  expect(await rejectionsOf(server.url, "pending_bodies")).toBeGreaterThanOrEqual(2);
});

test("a body longer than --max-body-bytes is counted as a rejection", async () => {
  await using server = serve("--max-body-bytes", "1024");
  expect((await post(`${server.url}/put`, { key: "k", value: "v".repeat(2000) })).status).toBe(413);
  expect(await rejectionsOf(server.url, "body_size")).toBe(1);
});

describe("a slow client", () => {
  const drips: Readonly<Record<string, string>> = {
    "a body with a length": "POST /put HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n",
    "a body in chunks": "POST /put HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
    "a second request": `${GET}GET /livez HTTP/1.1\r\nx-a: `,
  };
  for (const [what, head] of Object.entries(drips)) {
    // All of these tests wait at the same time.
    test.concurrent(`that sends ${what} byte by byte is closed after --idle-timeout`, async () => {
      await using server = serve("--idle-timeout", "1");
      using connection = await connect(server.url);
      connection.send(head);
      const dripping = setInterval(
        () => connection.send(what.includes("chunks") ? "1\r\nx\r\n" : "x"),
        100,
      );
      await connection.closed;
      clearInterval(dripping);
    });
  }

  test.concurrent("that sends its first request byte by byte is closed within 15 s", async () => {
    await using server = serve("--idle-timeout", "0");
    using connection = await connect(server.url);
    connection.send("GET /livez HTTP/1.1\r\nx-a: ");
    const dripping = setInterval(() => connection.send("x"), 100);
    await connection.closed;
    clearInterval(dripping);
  });

  test("that reads no responses costs the memory of one response", async () => {
    await using server = serve("--max-value-length", "1000000");
    await post(`${server.url}/put`, { key: "k", value: "v".repeat(1_000_000) });
    const before = process.memoryUsage.rss();
    const slow = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const socket = await Bun.connect({
          hostname: "127.0.0.1",
          port: Number(new URL(server.url).port),
          socket: { data() {} },
        });
        socket.pause();
        socket.write("GET /get?key=k HTTP/1.1\r\nhost: x\r\n\r\n".repeat(300));
        return socket;
      }),
    );
    for (let n = 0; n < 20; n++) await fetch(`${server.url}/health`);
    // 1,500 responses of a megabyte are pending.
    expect(process.memoryUsage.rss() - before).toBeLessThan(200e6);
    for (const socket of slow) socket.terminate();
  });
});

describe("an event loop that is late", () => {
  test("rejects requests for entries with 503 and Retry-After, and no others", async () => {
    await using server = serve("--shed-after-ms", "1", "--max-value-length", "100000");
    const entries = Array.from({ length: 1000 }, (_, n) => ({
      key: `k${n}`,
      value: "v".repeat(500),
    }));
    const body = JSON.stringify({ entries });
    let refused: Response | undefined;
    while (refused === undefined) {
      const calls = Array.from({ length: 50 }, () =>
        fetch(`${server.url}/mput`, { method: "POST", body }),
      );
      const answers = await Promise.all(calls);
      expect(answers.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
      refused = answers.find(({ status }) => status === 503);
    }
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(await refused.text()).toContain("overloaded; retry in 1 s");
    expect(await rejectionsOf(server.url, "overload")).toBeGreaterThan(0);
  });
});
