// A worker serves other clients during a pipeline of long commands.

import { describe, expect, test } from "bun:test";

import { freePort, startService } from "../../lib/service.ts";
import { commandBytes, connectRaw } from "./raw-client.ts";

/** Pipelines with short replies, because long replies would keep the process of the test busy. */
const PIPELINES: Readonly<Record<string, readonly [count: number, words: readonly string[]]>> = {
  "INCRBYFLOAT of long numbers": [500, ["INCRBYFLOAT", "f", "1e4900"]],
  "KEYS of many": [100, ["KEYS", "nope"]],
};

describe("other clients get replies before the end of a pipeline:", () => {
  for (const [name, [count, words]] of Object.entries(PIPELINES)) {
    test(name, async () => {
      const port = freePort();
      await using service = await startService(["--workers", "1", "--resp-port", `${port}`]);
      using other = await connectRaw(port);
      const pairs = Array.from({ length: 20_000 }, (_, n) => [`key${n}`, "v"]).flat();
      other.send(commandBytes("MSET", ...pairs));
      await other.until("+OK\r\n");

      let hasEnded = false;
      const began = Promise.withResolvers<void>();
      const ended = Promise.withResolvers<void>();
      using slow = await connectRaw(port, (chunk) => {
        began.resolve();
        if (!chunk.toString("latin1").endsWith("the end\r\n")) return;
        hasEnded = true;
        ended.resolve();
      });
      const all = Array.from({ length: count }, () => commandBytes(...words));
      slow.send(Buffer.concat([...all, commandBytes("ECHO", "the end")]));
      await began.promise;
      // The pipeline has not ended when the later of the two responses arrives.
      other.send("PING\r\n");
      const [pong, answer] = await Promise.all([
        other.until("+PONG\r\n").then((text) => [text.endsWith("+PONG\r\n"), hasEnded]),
        fetch(`${service.url}/get?key=key1`).then(({ status }) => [status, hasEnded]),
      ]);
      expect(pong).toEqual([true, false]);
      expect(answer).toEqual([200, false]);
      await ended.promise;
    });
  }
});

test("the replies of a pipeline with several turns are in order", async () => {
  const port = freePort();
  await using _service = await startService(["--workers", "1", "--resp-port", `${port}`]);
  using client = await connectRaw(port);
  const commands = Array.from({ length: 60 }, (_, n) => [
    commandBytes("INCRBYFLOAT", "f", "1e4900"),
    Buffer.from(`ECHO n${n}\r\n`),
  ]).flat();
  client.send(Buffer.concat([...commands, commandBytes("QUIT")]));
  const echoes = [...(await client.closed).matchAll(/^n(\d+)\r$/gm)].map(([, n]) => Number(n));
  expect(echoes).toEqual(Array.from({ length: 60 }, (_, n) => n));
});
