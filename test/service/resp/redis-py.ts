// redis-py (Debian: python3-redis) in a Python process that runs redis_py.py. Each call and each
// result is one line of JSON.

import type { Client } from "./client.contract.ts";

const SCRIPT = new URL("redis_py.py", import.meta.url).pathname;

/** A Python with redis-py, or undefined. Debian's Python may not come first in the PATH. */
export const PYTHON = ["python3", "/usr/bin/python3"].find((python) => {
  const path = Bun.which(python);
  return path !== null && Bun.spawnSync([path, "-c", "import redis"]).success;
});

interface Result {
  readonly reply?: unknown;
  readonly error?: string;
}

export async function connectRedisPy(port: number, database = 0): Promise<Client> {
  const child = Bun.spawn([PYTHON ?? "python3", SCRIPT, String(port), String(database)], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const lines = linesOf(child.stdout);
  let last: Promise<unknown> = Promise.resolve();
  const exchange = async (name: string, args: readonly unknown[]): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify([name, ...args])}\n`);
    await child.stdin.flush();
    const { value } = await lines.next();
    const { reply, error } = JSON.parse(value ?? '{"error":"Python has ended"}') as Result;
    if (error !== undefined) throw new Error(error);
    return reply;
  };
  /** Runs one call after the other: a line has no number of its call. */
  const call = <T>(name: string, ...args: unknown[]): Promise<T> => {
    const reply = last.then(() => exchange(name, args));
    last = reply.catch(() => {});
    return reply as Promise<T>;
  };
  return {
    set: (key, value, seconds) =>
      call("set", key, Buffer.from(value).toString("base64"), seconds ?? null),
    get: (key) => call("get", key),
    async getBytes(key) {
      const text = await call<string | null>("get_bytes", key);
      return text === null ? null : Buffer.from(text, "base64");
    },
    ttl: (key) => call("ttl", key),
    incr: (key) => call("incr", key),
    del: (...keys) => call("delete", ...keys),
    mset: (entries) => call("mset", entries),
    mget: (keys) => call("mget", keys),
    scan: (pattern) => call("scan", pattern),
    pipeline: (commands) => call("pipeline", commands),
    transaction: (commands) => call("transaction", commands),
    async subscribe(channel, listener) {
      await call("subscribe", channel);
      // A line has one result: the process is asked for one message after the other.
      void (async () => {
        for (;;) listener(await call<string>("next_message"));
      })().catch(() => {});
    },
    call: async (command, ...args) => String(await call("call", command, ...args)),
    async [Symbol.asyncDispose]() {
      // The process may be waiting for a message.
      child.kill();
      await child.exited;
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
