// A redis-server and the service, which get the same commands, for tests that compare their replies.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort, serveRedis } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";
import { connectRaw, type RawClient } from "./raw-client.ts";

export type Words = readonly (string | number)[];
export interface Pair extends AsyncDisposable {
  /** Returns the replies of Redis and of the service, as latin1. */
  send(words: Words): Promise<[string, string]>;
  /** Runs a command and ignores the replies. */
  skip(words: Words): Promise<void>;
  /** Sends raw bytes. Returns all bytes received until the connection closes. */
  sendRaw(input: string): Promise<[string, string]>;
}

/** Starts both servers. */
export async function startPair(): Promise<Pair> {
  const port = freePort();
  const folder = await mkdtemp(join(tmpdir(), "ringcache-oracle-"));
  const options = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", folder];
  const redis = Bun.spawn(["redis-server", ...options], { stdout: "ignore", stderr: "inherit" });
  const service = serveRedis(["--memory", "64mb"]);
  const clients: [RawClient, RawClient] = [
    await connectOnceListening(port),
    await connectRaw(service.port),
  ];
  let sent = 0;
  const send = async (words: Words): Promise<[string, string]> => {
    const end = `end of ${sent++}`;
    const payload = Buffer.from(encode(words) + encode(["ECHO", end]), "latin1");
    const replies = clients.map(async (client) => {
      client.send(payload);
      const all = await client.until(`${end}\r\n`);
      const start =
        sent === 1
          ? 0
          : all.lastIndexOf(`end of ${sent - 2}\r\n`) + `end of ${sent - 2}\r\n`.length;
      return all.slice(start, -`$${end.length}\r\n${end}\r\n`.length);
    });
    const [first = "", second = ""] = await Promise.all(replies);
    return [first, second];
  };
  return {
    send,
    skip: async (words) => void (await send(words)),
    async sendRaw(input) {
      for (const client of clients) client.send(input);
      const [first, second] = await Promise.all(clients.map((client) => client.closed));
      return [first ?? "", second ?? ""];
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client[Symbol.dispose]();
      await service[Symbol.asyncDispose]();
      redis.kill();
      await redis.exited;
      await rm(folder, { recursive: true });
    },
  };
}

/** Connects once the server listens. */
async function connectOnceListening(port: number): Promise<RawClient> {
  let client: RawClient | undefined;
  await until("redis-server listens", async () => {
    client = await connectRaw(port).catch(() => undefined);
    return client !== undefined;
  });
  if (client === undefined) throw new Error("unreachable");
  return client;
}

function encode(words: Words): string {
  return `*${words.length}\r\n${words.map((word) => `$${String(word).length}\r\n${word}\r\n`).join("")}`;
}
