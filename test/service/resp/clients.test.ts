// The contract of client.contract.ts, run with each client library.

import { test } from "bun:test";
import { RedisClient } from "bun";
import { Redis as IoRedis } from "ioredis";
import { Redis as IoValkey } from "iovalkey";
import { createClient, MultiErrorReply, RESP_TYPES, WatchError } from "redis";

import { type Client, describeClient } from "./client.contract.ts";
import { connectRedisPy, PYTHON } from "./redis-py.ts";

for (const version of [2, 3] as const) {
  describeClient({
    name: "ioredis",
    version,
    connect: (port, db = 0) => connectIoRedis(new IoRedis({ port, db, protocol: version })),
  });
  describeClient({
    name: "node-redis",
    version,
    connect: (port, database = 0) => connectNodeRedis(port, version, database),
  });
}
describeClient({
  name: "iovalkey",
  version: 2,
  connect: (port, db = 0) => connectIoRedis(new IoValkey({ port, db })),
});
describeClient({ name: "Bun's RedisClient", version: 3, connect: connectBun });
describeClient(
  { name: "redis-py", version: 2, connect: connectRedisPy },
  test.skipIf(PYTHON === undefined),
);

/** Serves ioredis and its fork iovalkey: the calls used here are the same. */
async function connectIoRedis(redis: IoRedis | IoValkey): Promise<Client> {
  const io = redis as IoRedis;
  // The library prints each lost connection unless there is a listener.
  io.on("error", () => {});
  return {
    set: (key, value, seconds) => {
      const bytes = Buffer.from(value);
      return seconds === undefined ? io.set(key, bytes) : io.set(key, bytes, "EX", seconds);
    },
    get: (key) => io.get(key),
    getBytes: (key) => io.getBuffer(key),
    ttl: (key) => io.ttl(key),
    incr: (key) => io.incr(key),
    del: (...keys) => io.del(...keys),
    mset: (entries) => io.mset({ ...entries }),
    mget: (keys) => io.mget(keys),
    async scan(pattern) {
      const found: string[] = [];
      for await (const keys of io.scanStream({ match: pattern, count: 100 })) found.push(...keys);
      return found;
    },
    async pipeline(commands) {
      const results = await io.pipeline(commands.map((command) => ["call", ...command])).exec();
      return (results ?? []).map(([error, reply]) => error ?? reply);
    },
    async transaction(commands) {
      const results = await io.multi(commands.map((command) => ["call", ...command])).exec();
      return results?.map(([error, reply]) => error ?? reply) ?? null;
    },
    async subscribe(channel, listener) {
      io.on("message", (_channel: string, message: string) => listener(message));
      await io.subscribe(channel);
    },
    call: async (command, ...args) => String(await io.call(command, ...args)),
    [Symbol.asyncDispose]: async () => io.disconnect(),
  };
}

async function connectNodeRedis(port: number, version: 2 | 3, database: number): Promise<Client> {
  const redis = createClient({ socket: { port, host: "127.0.0.1" }, RESP: version, database });
  redis.on("error", () => {});
  await redis.connect();
  const binary = redis.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  return {
    set: (key, value, seconds) => {
      const expiration =
        seconds === undefined ? {} : { expiration: { type: "EX", value: seconds } as const };
      return redis.set(key, typeof value === "string" ? value : Buffer.from(value), expiration);
    },
    get: (key) => redis.get(key),
    getBytes: (key) => binary.get(key),
    ttl: (key) => redis.ttl(key),
    incr: (key) => redis.incr(key),
    del: (...keys) => redis.del(keys),
    mset: (entries) => redis.mSet({ ...entries }),
    mget: (keys) => redis.mGet(keys),
    async scan(pattern) {
      const found: string[] = [];
      for await (const keys of redis.scanIterator({ MATCH: pattern, COUNT: 100 })) {
        found.push(...keys);
      }
      return found;
    },
    // The library writes all commands of one event-loop turn at once.
    pipeline: (commands) => Promise.all(commands.map((command) => redis.sendCommand(command))),
    async transaction(commands) {
      const multi = redis.multi();
      for (const command of commands) multi.addCommand(command);
      try {
        return await multi.exec();
      } catch (error) {
        if (error instanceof WatchError) return null;
        if (error instanceof MultiErrorReply) return error.replies;
        throw error;
      }
    },
    subscribe: (channel, listener) => redis.subscribe(channel, listener),
    call: async (command, ...args) => String(await redis.sendCommand([command, ...args])),
    [Symbol.asyncDispose]: async () => redis.destroy(),
  };
}

async function connectBun(port: number, database = 0): Promise<Client> {
  const redis = new RedisClient(`redis://127.0.0.1:${port}/${database}`);
  await redis.connect();
  return {
    set: (key, value, seconds) =>
      seconds === undefined ? redis.set(key, value) : redis.set(key, value, "EX", seconds),
    get: (key) => redis.get(key),
    getBytes: (key) => redis.getBuffer(key),
    ttl: (key) => redis.ttl(key),
    incr: (key) => redis.incr(key),
    del: (...keys) => redis.del(...keys),
    mset: (entries) => redis.send("MSET", Object.entries(entries).flat()),
    mget: (keys) => redis.mget(...keys),
    async scan(pattern) {
      const found: string[] = [];
      let cursor = "0";
      do {
        const [next, keys] = await redis.scan(cursor, "MATCH", pattern, "COUNT", 100);
        found.push(...keys);
        cursor = next;
      } while (cursor !== "0");
      return found;
    },
    // The library writes all commands of one event-loop turn at once.
    pipeline: (commands) =>
      Promise.all(commands.map(([command = "", ...args]) => redis.send(command, args))),
    async transaction(commands) {
      const queued = [["MULTI"], ...commands].map(([command = "", ...args]) =>
        redis.send(command, args).catch(() => {}),
      );
      const replies = await redis.send("EXEC", []);
      await Promise.all(queued);
      return replies;
    },
    subscribe: async (channel, listener) => void (await redis.subscribe(channel, listener)),
    call: async (command, ...args) => String(await redis.send(command, args)),
    [Symbol.asyncDispose]: async () => redis.close(),
  };
}
