// Connections that read slowly or never, send too much, send partial commands, or send invalid bytes.

import { describe, expect, test } from "bun:test";
import { RedisClient } from "bun";

import { freePort, type RedisService, serveRedis, startService } from "../../lib/service.ts";
import { commandBytes, connectRaw } from "./raw-client.ts";
import { until } from "../../lib/until.ts";

const MIB = 2 ** 20;
/** More bytes of unread replies than the kernel takes. */
const SOCKET_BYTES = 32 * MIB;

describe("a client that does not read", () => {
  test("gets no further replies, and gets every reply after it reads", async () => {
    await using service = serveRedis();
    using other = new Watcher(service);
    const values = await storeLongValues(other.redis);
    const replies = values.map((value) => bulk(value));

    // The test compares each chunk on arrival, so that it does not keep 200 MiB.
    const asked = 200;
    let position = 0;
    let wrongAt = -1;
    const all = Promise.withResolvers<void>();
    const total = asked * (replies[0]?.length ?? 0);
    const compare = (chunk: Buffer) => {
      for (let from = 0; from < chunk.length;) {
        const reply = replies[Math.floor(position / (total / asked)) % replies.length];
        const at = position % (total / asked);
        const part = chunk.subarray(from, from + (reply?.length ?? 0) - at);
        const isRight = reply?.subarray(at, at + part.length).equals(part) === true;
        if (!isRight && wrongAt < 0) wrongAt = position;
        from += part.length;
        position += part.length;
      }
      if (position >= total) all.resolve();
    };
    using slow = await connectRaw(service.port, compare);
    slow.pause();
    const before = await other.figure("stats", "total_net_output_bytes");
    const gets = Array.from({ length: asked }, (_, n) => commandBytes("GET", `long${n % 8}`));
    slow.send(Buffer.concat(gets));

    // The first replies fill the socket. The service does not build the others, however often other clients ask.
    const sent = () => other.figure("stats", "total_net_output_bytes");
    await until("a megabyte is sent", async () => (await sent()) >= before + MIB);
    for (let n = 0; n < 200; n++) expect(await other.redis.ping()).toBe("PONG");
    const made = (await other.figure("stats", "total_net_output_bytes")) - before;
    expect(made).toBeLessThan(SOCKET_BYTES);
    for (let n = 0; n < 200; n++) expect(await other.redis.ping()).toBe("PONG");
    const grown = (await other.figure("stats", "total_net_output_bytes")) - before - made;
    expect(grown).toBeLessThan(MIB);
    expect(position).toBe(0);

    slow.resume();
    await all.promise;
    expect([position, wrongAt]).toEqual([total, -1]);
    expect(service.events).toEqual([]);
  });

  test("is not read, and its further commands run after it reads", async () => {
    await using service = serveRedis(["--memory", "1gb"]);
    using other = new Watcher(service);
    const [value = Buffer.alloc(0)] = await storeLongValues(other.redis);
    let received = 0;
    const all = Promise.withResolvers<void>();
    const total = 64 * (bulk(value).length + "+OK\r\n".length);
    using slow = await connectRaw(service.port, (chunk) => {
      received += chunk.length;
      if (received >= total) all.resolve();
    });
    slow.pause();
    const before = await other.figure("stats", "total_net_input_bytes");
    const gets = Array.from({ length: 64 }, (_, n) => commandBytes("GET", `long${n % 8}`));
    slow.send(Buffer.concat(gets));
    const connected = () => other.figure("clients", "connected_clients");
    await until("both are connected", async () => (await connected()) >= 2);
    const sets = Array.from({ length: 64 }, (_, n) => commandBytes("SET", `sent${n}`, value));
    slow.send(Buffer.concat(sets));
    for (let n = 0; n < 400; n++) expect(await other.redis.ping()).toBe("PONG");
    const read = (await other.figure("stats", "total_net_input_bytes")) - before;
    expect(read).toBeLessThan(SOCKET_BYTES);
    expect(await other.redis.exists("sent0")).toBe(false);

    slow.resume();
    await all.promise;
    expect(received).toBe(total);
    for (let n = 0; n < 64; n++) expect(await other.redis.strlen(`sent${n}`)).toBe(MIB);
    expect(service.events).toEqual([]);
  });

  test("is removed after it disconnects or is killed", async () => {
    await using service = serveRedis();
    using other = new Watcher(service);
    await storeLongValues(other.redis);
    const gets = Array.from({ length: 64 }, (_, n) => commandBytes("GET", `long${n % 8}`));
    for (const end of ["it goes away", "it is killed"]) {
      using slow = await connectRaw(service.port);
      slow.pause();
      const before = await other.figure("stats", "total_net_output_bytes");
      slow.send(commandBytes("CLIENT", "SETNAME", "slow"));
      slow.send(Buffer.concat(gets));
      const sent = () => other.figure("stats", "total_net_output_bytes");
      await until("a megabyte is sent", async () => (await sent()) >= before + MIB);
      expect(await other.figure("clients", "connected_clients")).toBe(2);
      if (end === "it goes away") slow[Symbol.dispose]();
      else {
        const list: string = await other.redis.send("CLIENT", ["LIST"]);
        const id = /id=(\d+) (?=.* name=slow )/.exec(list)?.[1] ?? "";
        expect(await other.redis.send("CLIENT", ["KILL", "ID", id])).toBe(1);
      }
      const connected = () => other.figure("clients", "connected_clients");
      await until("the slow client is gone", async () => (await connected()) === 1);
    }
    expect(service.events).toEqual([]);
  });
});

describe("limits", () => {
  test("a reply longer than --resp-output-limit closes only its connection", async () => {
    await using service = serveRedis(["--resp-output-limit", "1mb"]);
    using other = new Watcher(service);
    await storeLongValues(other.redis);
    using greedy = await connectRaw(service.port);
    greedy.send(commandBytes("MGET", ...Array.from({ length: 8 }, (_, n) => `long${n}`)));
    expect(await greedy.closed).toBe(
      "-ERR the answer is longer than --resp-output-limit (1048576 bytes); ask for less\r\n",
    );
    expect(service.events).toEqual(["over --resp-output-limit"]);
    expect(await other.figure("clients", "client_output_limit_disconnections")).toBe(1);
    expect(await other.figure("clients", "client_query_limit_disconnections")).toBe(0);
    expect(await other.redis.get("long1")).toHaveLength(MIB);
  });

  test("a command longer than --resp-query-limit closes only its connection", async () => {
    await using service = serveRedis(["--resp-query-limit", "1mb"]);
    using other = new Watcher(service);
    using greedy = await connectRaw(service.port);
    const part = "x".repeat(600_000);
    greedy.send(commandBytes("MSET", "a", part, "b", part, "c", part));
    expect(await greedy.closed).toBe(
      "-ERR Protocol error: the command is longer than --resp-query-limit (1048576 bytes)\r\n",
    );
    expect(service.events).toEqual(["over --resp-query-limit"]);
    expect(await other.figure("clients", "client_query_limit_disconnections")).toBe(1);
    expect(await other.figure("clients", "client_output_limit_disconnections")).toBe(0);
    expect(await other.redis.mget("a", "b", "c")).toEqual([null, null, null]);
    // The limit does not apply to the sum of complete commands.
    const sets = Array.from({ length: 8 }, (_, n) => commandBytes("SET", `k${n}`, part));
    using patient = await connectRaw(service.port);
    patient.send(Buffer.concat([...sets, Buffer.from("PING\r\n")]));
    expect(await patient.until("+PONG\r\n")).toBe(`${"+OK\r\n".repeat(8)}+PONG\r\n`);
  });
});

describe("commands in pieces", () => {
  test("a partial command gets its reply after the rest arrives", async () => {
    await using service = serveRedis();
    using client = await connectRaw(service.port);
    using other = new Watcher(service);
    const bytes = commandBytes("SET", "k", "v".repeat(1000));
    await other.sendSeen(client, bytes.subarray(0, 500));
    expect(await other.redis.get("k")).toBeNull();
    client.send(bytes.subarray(500));
    expect(await client.until("\r\n")).toBe("+OK\r\n");
    expect(await other.redis.get("k")).toBe("v".repeat(1000));
  });

  test("a stream cut at any offset gets the same replies as the whole", async () => {
    await using service = serveRedis();
    using other = new Watcher(service);
    const stream = Buffer.concat([
      commandBytes("FLUSHALL"),
      commandBytes("SET", "key", Buffer.from([0, 13, 10, 255, 36, 42])),
      Buffer.from("GET key\r\n\r\n\nSET \"in line\" 'it\\'s'\n*0\r\n"),
      commandBytes("GET", "in line"),
      Buffer.from("PING one\r\nPING two\r\n"),
      commandBytes("MSET", "a", "1", "b", "", "c", "3".repeat(30)),
      commandBytes("MGET", "a", "b", "c", "nobody"),
      commandBytes("NOSUCH", "a"),
      commandBytes("GET"),
      commandBytes("INCR", "a"),
      commandBytes("ECHO", "the end"),
    ]);
    const end = "the end\r\n";
    using whole = await connectRaw(service.port);
    whole.send(stream);
    const replies = await whole.until(end);
    expect(replies).toStartWith("+OK\r\n+OK\r\n$6\r\n\0\r\n\xff$*\r\n+OK\r\n$4\r\nit's\r\n");
    expect(replies).toEndWith(":2\r\n$7\r\nthe end\r\n");

    for (let cut = 1; cut < stream.length; cut++) {
      using client = await connectRaw(service.port);
      await other.sendSeen(client, stream.subarray(0, cut));
      client.send(stream.subarray(cut));
      expect([cut, await client.until(end)]).toEqual([cut, replies]);
    }
    using client = await connectRaw(service.port);
    for (let at = 0; at < stream.length; at++) {
      await other.sendSeen(client, stream.subarray(at, at + 1));
    }
    expect(await client.until(end)).toBe(replies);
  });
});

test("HTTP gets no reply, its connection closes, and the event is reported once", async () => {
  await using service = serveRedis();
  for (const request of [
    "POST /put HTTP/1.1\r\nHost: 127.0.0.1\r\ncontent-length: 10\r\n\r\nSET k v\r\n",
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET k v\r\n",
    "DELETE /x HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
  ]) {
    using browser = await connectRaw(service.port);
    browser.send(request);
    expect(await browser.closed).not.toContain("+OK");
  }
  expect(service.events).toEqual(["http refused"]);
  using other = new Watcher(service);
  expect(await other.redis.get("k")).toBeNull();
});

describe("CLIENT REPLY", () => {
  for (const [name, commands, replies] of [
    ["OFF drops all replies until ON", "REPLY OFF|PING a|NOSUCH|REPLY ON|PING b", "+OK\r\n$1\r\nb"],
    ["SKIP drops one reply", "REPLY SKIP|PING a|PING b", "$1\r\nb"],
    ["SKIP leaves an error out", "REPLY SKIP|NOSUCH|PING b", "$1\r\nb"],
    ["SKIP twice is once", "REPLY SKIP|REPLY SKIP|PING a|PING b", "$1\r\nb"],
    ["SKIP while OFF stays OFF", "REPLY OFF|REPLY SKIP|PING a|REPLY ON", "+OK"],
    ["ON while ON is answered", "REPLY ON|PING b", "+OK\r\n$1\r\nb"],
    ["of another word is an error", "REPLY MAYBE|PING b", "-ERR syntax error\r\n$1\r\nb"],
    ["OFF is ended by RESET", "REPLY OFF|RESET|PING b", "+RESET\r\n$1\r\nb"],
  ] as const) {
    test(name, async () => {
      await using service = serveRedis();
      using client = await connectRaw(service.port);
      const lines = commands.replaceAll("REPLY", "CLIENT REPLY").split("|");
      // QUIT closes the connection, so that the text has all replies.
      client.send(`${lines.join("\r\n")}\r\nQUIT\r\n`);
      const quit = "+OK\r\n";
      expect(await client.closed).toBe(`${replies}\r\n${quit}`);
    });
  }
});

test("every worker lists and kills the clients of all workers", async () => {
  const port = freePort();
  await using _service = await startService(["--workers", "2", "--resp-port", String(port)]);
  // With this number of connections, each worker has one in all but one of 32,768 runs.
  const names = Array.from({ length: 16 }, (_, n) => `client${n}`);
  const clients = await Promise.all(names.map(() => connectRaw(port)));
  for (const [n, client] of clients.entries()) {
    client.send(`CLIENT SETNAME ${names[n]}\r\n`);
    await client.until("+OK\r\n");
  }
  const list = async (client: RedisClient): Promise<Map<string, string>> => {
    const text: string = await client.send("CLIENT", ["LIST"]);
    const lines = [...text.matchAll(/^id=(\d+) .* name=(client\d+) .*$/gm)];
    return new Map(lines.map(([, id = "", name = ""]) => [name, id]));
  };
  const admins = Array.from({ length: 16 }, () => new RedisClient(`redis://127.0.0.1:${port}`));
  for (const admin of admins) {
    const listed = await list(admin);
    expect([...listed.keys()].toSorted()).toEqual(names.toSorted());
    expect(new Set(listed.values()).size).toBe(names.length);
  }
  for (const [n, admin] of admins.entries()) {
    const id = (await list(admin)).get(names[n] ?? "") ?? "";
    expect(await admin.send("CLIENT", ["KILL", "ID", id])).toBe(1);
    await clients[n]?.closed;
    await until("the client is gone", async () => !(await list(admin)).has(names[n] ?? ""));
    expect((await list(admin)).size).toBe(names.length - n - 1);
  }
  for (const admin of admins) admin.close();
});

/** A second client of the service, which observes it. */
class Watcher implements Disposable {
  readonly redis: RedisClient;

  constructor({ port }: RedisService) {
    this.redis = new RedisClient(`redis://127.0.0.1:${port}`);
  }

  /** Returns a number of INFO. */
  async figure(section: string, name: string): Promise<number> {
    const text: string = await this.redis.send("INFO", [section]);
    return Number(new RegExp(`^${name}:(\\d+)\r$`, "m").exec(text)?.[1] ?? Number.NaN);
  }

  /** Sends bytes and resolves when the service has read them. */
  async sendSeen(client: { send(bytes: Uint8Array): void }, bytes: Uint8Array): Promise<void> {
    const read = () => this.figure("stats", "total_net_input_bytes");
    // The second number was read before its own command was sent again.
    const own = commandBytes("INFO", "stats").length;
    const before = await read();
    client.send(bytes);
    for (let asked = 1; (await read()) < before + own * asked + bytes.length; asked++);
  }

  [Symbol.dispose](): void {
    this.redis.close();
  }
}

/** Stores eight different values of 1 MiB as "long0" to "long7". */
async function storeLongValues(redis: RedisClient): Promise<Buffer[]> {
  const values = Array.from({ length: 8 }, (_, n) => Buffer.alloc(MIB, `${n} of eight, `));
  for (const [n, value] of values.entries()) await redis.set(`long${n}`, value);
  return values;
}

function bulk(value: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from("\r\n")]);
}
