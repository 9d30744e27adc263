// redis-py, which Debian has as python3-redis, through a Python process that redis_py.py runs:
// a line of JSON for each call, a line for each answer.

import type { Client } from "./client.contract.ts";

const SCRIPT = new URL("redis_py.py", import.meta.url).pathname;

/** A Python that has it, if there is one: Debian's may not come first in the PATH. */
export const PYTHON = ["python3", "/usr/bin/python3"].find((python) => {
  const path = Bun.which(python);
  return path !== null && Bun.spawnSync([path, "-c", "import redis"]).success;
});

interface Answer {
  readonly answer?: unknown;
  readonly error?: string;
}

export async function connectRedisPy(port: number): Promise<Client> {
  const child = Bun.spawn([PYTHON ?? "python3", SCRIPT, String(port)], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const lines = linesOf(child.stdout);
  let last: Promise<unknown> = Promise.resolve();
  const exchange = async (call: string, args: readonly unknown[]): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify([call, ...args])}\n`);
    await child.stdin.flush();
    const { value } = await lines.next();
    const { answer, error } = JSON.parse(value ?? '{"error":"Python has ended"}') as Answer;
    if (error !== undefined) throw new Error(error);
    return answer;
  };
  /** One after the other: a line has no number that would say to which call it belongs. */
  const ask = <T>(call: string, ...args: unknown[]): Promise<T> => {
    const answer = last.then(() => exchange(call, args));
    last = answer.catch(() => {});
    return answer as Promise<T>;
  };
  return {
    set: (key, value, seconds) =>
      ask("set", key, Buffer.from(value).toString("base64"), seconds ?? null),
    get: (key) => ask("get", key),
    async getBytes(key) {
      const text = await ask<string | null>("get_bytes", key);
      return text === null ? null : Buffer.from(text, "base64");
    },
    ttl: (key) => ask("ttl", key),
    incr: (key) => ask("incr", key),
    del: (...keys) => ask("delete", ...keys),
    mset: (entries) => ask("mset", entries),
    mget: (keys) => ask("mget", keys),
    scan: (pattern) => ask("scan", pattern),
    pipeline: (commands) => ask("pipeline", commands),
    call: async (command, ...args) => String(await ask("call", command, ...args)),
    async [Symbol.asyncDispose]() {
      await child.stdin.end();
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
