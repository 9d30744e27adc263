// redlock: lock, refuse, extend, unlock.
import assert from "node:assert/strict";
import { Redis } from "ioredis";
import * as module from "redlock";

const Redlock = module.Redlock ?? module.default?.default ?? module.default;
const redis = new Redis({ port: Number(process.env.PORT), host: "127.0.0.1" });
await redis.flushall();
const redlock = new Redlock([redis], { retryCount: 0 });
const acquire = (keys, ms) => (redlock.acquire ?? redlock.lock).call(redlock, keys, ms);
const release = (lock) => (lock.release ?? lock.unlock).call(lock);
let lock = await acquire(["lock:a", "lock:b"], 60_000);
await assert.rejects(acquire(["lock:a"], 60_000));
lock = await lock.extend(100_000);
assert.ok((await redis.pttl("lock:a")) > 60_000);
await release(lock);
assert.equal(await redis.exists("lock:a", "lock:b"), 0);
await release(await acquire(["lock:a"], 60_000));
redis.disconnect();
