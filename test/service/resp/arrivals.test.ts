// Small chunks of several connections are read together: each client gets its own replies, in order.

import { expect, test } from "bun:test";

import { freePort, serveRedis, startService } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";
import { commandBytes, connectRaw } from "./raw-client.ts";

test("many clients that write at one moment get their own replies, whatever they send", async () => {
  const port = freePort();
  await using _service = await startService(["--workers", "1", "--resp-port", `${port}`]);
  // More than are read together; inline, cut, several and wrong commands among them.
  const clients = await Promise.all(Array.from({ length: 150 }, () => connectRaw(port)));
  const wanted = clients.map(() => "");
  for (let round = 0; round < 5; round++) {
    const sent = clients.map((client, n) => {
      const key = `key${n}`;
      const text = `${round}:${n}`;
      const set = commandBytes("SET", key, text);
      const get = commandBytes("GET", key);
      const got = `$${text.length}\r\n${text}\r\n`;
      if (n % 8 === 0) {
        client.send(Buffer.concat([set, get, get]));
        return `+OK\r\n${got}${got}`;
      }
      if (n % 8 === 1) {
        client.send(set.subarray(0, 9));
        client.send(set.subarray(9));
        client.send(`GET ${key}\r\n`);
        return `+OK\r\n${got}`;
      }
      if (n % 8 === 2) {
        client.send("\r\n\r\nPING\r\n");
        return "+PONG\r\n";
      }
      if (n % 8 === 3) {
        client.send(Buffer.concat([commandBytes("SELECT", "3"), set, get]));
        return `+OK\r\n+OK\r\n${got}`;
      }
      if (n % 8 === 4) {
        client.send(round === 2 ? commandBytes("GET") : set);
        return round === 2 ? "-ERR wrong number of arguments for 'get' command\r\n" : "+OK\r\n";
      }
      if (n % 8 === 5) {
        client.send(get);
        return "$-1\r\n";
      }
      if (n % 8 === 6) {
        client.send(
          round % 2 === 0
            ? commandBytes("CLIENT", "REPLY", "OFF")
            : commandBytes("CLIENT", "REPLY", "ON"),
        );
        return round % 2 === 0 ? "" : "+OK\r\n";
      }
      client.send(Buffer.concat([commandBytes("MULTI"), set, get, commandBytes("EXEC")]));
      return `+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n${got}`;
    });
    for (const [n, text] of sent.entries()) wanted[n] += text;
    const replies = await Promise.all(clients.map((client, n) => client.until(wanted[n] ?? "")));
    expect(replies).toEqual(wanted);
  }
  for (const client of clients) client[Symbol.dispose]();
});

test("clients that write values of all lengths at one moment read back what they wrote", async () => {
  const port = freePort();
  await using _service = await startService(["--workers", "1", "--resp-port", `${port}`]);
  // Together more bytes than wait for one another; commands whole and cut, and longer ones that do not wait.
  const lengths = [1, 400, 511, 513, 1024, 4096, 10_240, 16_000, 16_384, 20_000, 70_000];
  const clients = await Promise.all(Array.from({ length: 66 }, () => connectRaw(port)));
  const wanted = clients.map(() => "");
  for (let round = 0; round < 4; round++) {
    for (const [n, client] of clients.entries()) {
      const length = lengths[(n + round) % lengths.length] ?? 0;
      const value = String.fromCharCode(97 + ((n + round) % 26)).repeat(length);
      const set = commandBytes("SET", `key${n}`, value);
      const get = commandBytes("GET", `key${n}`);
      wanted[n] += `+OK\r\n$${length}\r\n${value}\r\n`;
      if (n % 3 === 0) client.send(Buffer.concat([set, get]));
      else if (n % 3 === 1) {
        client.send(set);
        client.send(get);
      } else {
        const half = set.length >> 1;
        client.send(set.subarray(0, half));
        client.send(Buffer.concat([set.subarray(half), get]));
      }
    }
    const replies = await Promise.all(clients.map((client, n) => client.until(wanted[n] ?? "")));
    expect(replies).toEqual(wanted);
  }
  for (const client of clients) client[Symbol.dispose]();
});

test("a command may be cut at any two places", async () => {
  await using service = serveRedis();
  using other = await connectRaw(service.port);
  let pings = "";
  // The service has read what was sent before.
  const isRead = async () => {
    other.send("PING\r\n");
    await other.until((pings += "+PONG\r\n"));
  };
  const command = commandBytes("ECHO", "hi");
  using client = await connectRaw(service.port);
  let wanted = "";
  for (let first = 1; first < command.length - 1; first++) {
    for (let second = first + 1; second < command.length; second++) {
      client.send(command.subarray(0, first));
      await isRead();
      client.send(command.subarray(first, second));
      await isRead();
      client.send(command.subarray(second));
      expect(await client.until((wanted += "$2\r\nhi\r\n"))).toBe(wanted);
    }
  }
});

test("a command whose reply fills the socket runs once", async () => {
  await using service = serveRedis();
  using other = await connectRaw(service.port);
  const value = "v".repeat(1_000_000);
  other.send(commandBytes("SET", "list", value));
  let seen = "+OK\r\n";
  await other.until(seen);
  using client = await connectRaw(service.port);
  client.pause();
  for (let n = 0; n < 30; n++) {
    client.send(commandBytes("GET", "list"));
    other.send("PING\r\n");
    await other.until((seen += "+PONG\r\n"));
  }
  client.send(commandBytes("INCR", "count"));
  client.resume();
  const replies = await client.until(":1\r\n");
  expect(replies.length).toBe(30 * (value.length + "$1000000\r\n\r\n".length) + ":1\r\n".length);
});

test("the command of a client that closes at once runs", async () => {
  const port = freePort();
  await using _service = await startService(["--workers", "1", "--resp-port", `${port}`]);
  using other = await connectRaw(port);
  let seen = "";
  for (let n = 10; n < 30; n++) {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
    socket.write(commandBytes("SET", "key", `${n}`));
    socket.end();
    await until("the command has run", async () => {
      other.send(commandBytes("GET", "key"));
      seen = await other.until("\r\n");
      return seen.endsWith(`${n}\r\n`);
    });
  }
});
