// Messages between clients: SUBSCRIBE, PUBLISH and PUBSUB, with one worker and with two.

import { describe, expect, test } from "bun:test";

import { freePort, serveRedis, startService } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";
import { bulk, confirmed, frame, PushClient, pushClients } from "./push-client.ts";
import { commandBytes, connectRaw } from "./raw-client.ts";

/** Enough clients for each of two workers to have some. */
const MANY = 16;

describe.each([1, 2])("with %d workers", (workers) => {
  const start = async (...options: readonly string[]) => {
    const port = freePort();
    const own = ["--workers", `${workers}`, "--resp-port", `${port}`];
    const service = await startService([...own, ...options]);
    return { port, service };
  };

  test("a message reaches the subscribers of all workers, which PUBLISH counts", async () => {
    const { port, service } = await start();
    await using _ = service;
    const all = await pushClients(port, MANY);
    const [publisher, ...others] = all as [PushClient, ...PushClient[]];
    await publisher.ask(["publish", "news", "none"], ":0\r\n");
    for (const one of others) {
      await one.ask(["subscribe", "news"], confirmed("*", "subscribe", "news", 1));
    }
    const pattern = others[0] as PushClient;
    await pattern.ask(["psubscribe", "n?w*"], confirmed("*", "psubscribe", "n?w*", 2));
    for (let n = 0; n < 20; n++) {
      await publisher.ask(["publish", "news", `text${n}`], `:${MANY}\r\n`);
    }
    for (const one of others) {
      for (let n = 0; n < 20; n++) {
        await one.gets(frame("*", "message", "news", `text${n}`));
        if (one === pattern) await one.gets(frame("*", "pmessage", "n?w*", "news", `text${n}`));
      }
    }
    for (const one of all) one[Symbol.dispose]();
  });

  test("PUBSUB shows the channels and patterns of all workers, each once", async () => {
    const { port, service } = await start();
    await using _ = service;
    const all = await pushClients(port, MANY);
    const asking = all[0] as PushClient;
    await asking.ask(["pubsub", "channels"], "*0\r\n");
    for (const one of all.slice(1)) {
      await one.ask(["subscribe", "a"], confirmed("*", "subscribe", "a", 1));
      await one.ask(["psubscribe", "p*"], confirmed("*", "psubscribe", "p*", 2));
      await one.ask(["ssubscribe", "s"], confirmed("*", "ssubscribe", "s", 1));
    }
    const count = MANY - 1;
    await asking.ask(["pubsub", "channels"], `*1\r\n${bulk("a")}`);
    await asking.ask(["pubsub", "channels", "b*"], "*0\r\n");
    await asking.ask(
      ["pubsub", "numsub", "a", "b"],
      `*4\r\n${bulk("a")}:${count}\r\n${bulk("b")}:0\r\n`,
    );
    await asking.ask(["pubsub", "numpat"], ":1\r\n");
    await asking.ask(["pubsub", "shardchannels"], `*1\r\n${bulk("s")}`);
    await asking.ask(["pubsub", "shardnumsub", "s"], `*2\r\n${bulk("s")}:${count}\r\n`);
    await asking.ask(["spublish", "s", "text"], `:${count}\r\n`);
    await asking.ask(["publish", "s", "text"], ":0\r\n");
    for (const one of all.slice(1)) await one.gets(frame("*", "smessage", "s", "text"));
    for (const one of all.slice(1)) one[Symbol.dispose]();
    await until("the subscriptions of closed clients have ended", async () => {
      using probe = await connectRaw(port);
      probe.send(commandBytes("pubsub", "numsub", "a"));
      return (await probe.until("\r\n")).endsWith(":0\r\n");
    });
    await asking.ask(["pubsub", "channels"], "*0\r\n");
  });

  test("publishers do not overtake themselves, and no message is lost while all clients read", async () => {
    // The ring of each worker has 128 KiB at most, and the messages have 800 KB.
    const { port, service } = await start("--max-subscription-bytes", "1mb");
    await using _ = service;
    const count = 200;
    const text = "x".repeat(2000);
    const [first, second, ...others] = (await pushClients(port, MANY)) as [
      PushClient,
      PushClient,
      ...PushClient[],
    ];
    for (const one of others) one.send("subscribe", "c");
    for (const one of others) await one.gets(confirmed("*", "subscribe", "c", 1));
    for (const [name, publisher] of [
      ["a", first],
      ["b", second],
    ] as const) {
      const batch = Array.from({ length: count }, (_x, n) =>
        commandBytes("publish", "c", `${name}${n} ${text}`),
      );
      publisher.raw.send(Buffer.concat(batch));
    }
    const replies = `:${others.length}\r\n`.repeat(count);
    await Promise.all([first.gets(replies), second.gets(replies)]);
    for (const one of others) {
      const arrived = () => one.text.match(/ x/g)?.length ?? 0;
      await until("all messages have arrived", () => arrived() === 2 * count);
      for (const name of ["a", "b"]) {
        const numbers = [...one.text.matchAll(new RegExp(`${name}(\\d+) x`, "g"))].map((match) =>
          Number(match[1]),
        );
        expect(numbers).toEqual(Array.from({ length: count }, (_x, n) => n));
      }
    }
  });
});

test("a subscriber of version 2 may run only the commands of subscribers", async () => {
  await using service = serveRedis();
  using client = await PushClient.connect(service.port);
  await client.ask(["subscribe", "a"], confirmed("*", "subscribe", "a", 1));
  await client.ask(
    ["get", "k"],
    "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n",
  );
  await client.ask(["ping"], `*2\r\n${bulk("pong")}${bulk("")}`);
  await client.ask(["ping", "x"], `*2\r\n${bulk("pong")}${bulk("x")}`);
  await client.ask(["unsubscribe"], confirmed("*", "unsubscribe", "a", 0));
  await client.ask(["get", "k"], "$-1\r\n");
  await client.ask(["unsubscribe"], `*3\r\n${bulk("unsubscribe")}$-1\r\n:0\r\n`);
  await client.ask(["subscribe", "a"], confirmed("*", "subscribe", "a", 1));
  await client.ask(["reset"], "+RESET\r\n");
  await client.ask(["publish", "a", "x"], ":0\r\n");
});

test("a client of version 3 gets push frames, between whole replies, and may run all commands", async () => {
  await using service = serveRedis();
  using client = await PushClient.connect(service.port);
  using other = await PushClient.connect(service.port);
  client.send("hello", "3");
  await until("the reply to HELLO has arrived", () => client.text.endsWith("*0\r\n"));
  const hello = client.text;
  await client.gets(hello);
  await client.ask(["subscribe", "a"], confirmed(">", "subscribe", "a", 1));
  await client.ask(["psubscribe", "*"], confirmed(">", "psubscribe", "*", 2));
  await client.ask(["set", "k", "v"], "+OK\r\n");
  await other.ask(["publish", "a", "text"], ":2\r\n");
  await client.gets(frame(">", "message", "a", "text") + frame(">", "pmessage", "*", "a", "text"));
  await client.ask(["get", "k"], bulk("v"));
  // The client's own message arrives after the reply to its command.
  await client.ask(["publish", "b", "own"], `:1\r\n${frame(">", "pmessage", "*", "b", "own")}`);
});

test("a subscriber that does not read is closed at the limit, and others receive all messages", async () => {
  const limits = ["--resp-output-limit", "1mb", "--max-pending-bytes", "16mb"];
  await using service = serveRedis(limits);
  using slow = await connectRaw(service.port);
  using reading = await PushClient.connect(service.port);
  using publisher = await PushClient.connect(service.port);
  slow.send(commandBytes("subscribe", "a"));
  await slow.until(confirmed("*", "subscribe", "a", 1));
  slow.pause();
  await reading.ask(["subscribe", "a"], confirmed("*", "subscribe", "a", 1));
  const text = "x".repeat(100_000);
  let isClosed = false;
  for (let n = 0; n < 1000 && !isClosed; n++) {
    publisher.send("publish", "a", text);
    await until("the message is published", () => publisher.text.split("\r\n").length === n + 2);
    isClosed = publisher.text.endsWith(":1\r\n");
    await reading.gets(frame("*", "message", "a", text));
  }
  expect(isClosed).toBe(true);
  expect(service.events).toEqual(["over --resp-output-limit"]);
});

test("subscriptions are bounded by --max-subscription-bytes, and room returns with their end", async () => {
  await using service = serveRedis(["--max-subscription-bytes", "256kb"]);
  using client = await PushClient.connect(service.port);
  const names = Array.from({ length: 1000 }, (_, n) => `channel${n}`);
  const full =
    "-ERR no room for the subscription: --max-subscription-bytes bounds those of all clients\r\n";
  await client.ask(["subscribe", ...names], full);
  await client.ask(["pubsub", "channels"], "*0\r\n");
  for (let n = 0; n < 20; n++) {
    using other = await PushClient.connect(service.port);
    const some = names.slice(0, 300);
    const replies = some.map((name, index) => confirmed("*", "subscribe", name, index + 1));
    await other.ask(["subscribe", ...some], replies.join(""));
    other.send("reset");
    await other.gets("+RESET\r\n");
  }
  const long = "x".repeat(40_000);
  client.send("subscribe", long);
  await until("the error has arrived", () => /40000 bytes: at most \d+\r\n$/.test(client.text));
});

test("a message that does not fit is an error, and a pattern that is too long", async () => {
  await using service = serveRedis(["--max-subscription-bytes", "256kb"]);
  using client = await PushClient.connect(service.port);
  await client.ask(
    ["publish", "a", "x".repeat(100_000)],
    "-ERR the message has 100001 bytes with its channel: at most 32752, by --max-subscription-bytes\r\n",
  );
  client.send("psubscribe", "x".repeat(2000));
  await until("the error has arrived", () => client.text.includes("-ERR the pattern is too long"));
});

test("CLIENT LIST shows subscribers, and CLIENT KILL finds them by their type", async () => {
  await using service = serveRedis();
  using client = await PushClient.connect(service.port);
  using other = await connectRaw(service.port);
  await client.ask(["subscribe", "a"], confirmed("*", "subscribe", "a", 1));
  await client.ask(["psubscribe", "b"], confirmed("*", "psubscribe", "b", 2));
  other.send(commandBytes("client", "list", "type", "pubsub"));
  expect(await other.until("\n\r\n")).toContain(" flags=P db=0 sub=1 psub=1 ssub=0 ");
  other.send(commandBytes("client", "kill", "type", "pubsub"));
  expect(await other.until(":1\r\n")).toEndWith(":1\r\n");
  await client.raw.closed;
});

test("keyspace notifications are rejected, and their absence is accepted", async () => {
  await using service = serveRedis();
  using client = await PushClient.connect(service.port);
  await client.ask(["config", "set", "notify-keyspace-events", ""], "+OK\r\n");
  await client.ask(
    ["config", "set", "notify-keyspace-events", "KEA"],
    "-ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - there are no keyspace notifications: use CLIENT TRACKING to learn which keys change\r\n",
  );
});

test("messages of transactions and scripts arrive after the step, and count their receivers", async () => {
  await using service = serveRedis();
  using client = await PushClient.connect(service.port);
  using other = await PushClient.connect(service.port);
  await client.ask(["subscribe", "a"], confirmed("*", "subscribe", "a", 1));
  await other.ask(["multi"], "+OK\r\n");
  await other.ask(["publish", "a", "1"], "+QUEUED\r\n");
  await other.ask(["publish", "b", "2"], "+QUEUED\r\n");
  await other.ask(["exec"], "*2\r\n:1\r\n:0\r\n");
  await client.gets(frame("*", "message", "a", "1"));
  await other.ask(["eval", "return redis.call('publish', 'a', 'x')", "0"], ":1\r\n");
  await client.gets(frame("*", "message", "a", "x"));
});

test("CLIENT REPLY OFF silences replies, but neither confirmations nor messages", async () => {
  await using service = serveRedis();
  using client = await PushClient.connect(service.port);
  using other = await PushClient.connect(service.port);
  client.send("client", "reply", "off");
  client.send("ping");
  await client.ask(["subscribe", "a"], confirmed("*", "subscribe", "a", 1));
  client.send("ping");
  await other.ask(["publish", "a", "1"], ":1\r\n");
  await client.gets(frame("*", "message", "a", "1"));
  await client.ask(["unsubscribe", "a"], confirmed("*", "unsubscribe", "a", 0));
  await client.ask(["client", "reply", "on"], "+OK\r\n");
  await client.ask(["ping"], "+PONG\r\n");
});
