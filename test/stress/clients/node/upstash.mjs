// @upstash/redis over HTTP: values, pipelines, transactions, scripts.
import assert from "node:assert/strict";
import { Redis } from "@upstash/redis";

const redis = new Redis({ url: `${process.env.HTTP_URL}/redis`, token: "any" });
await redis.flushall();
await redis.set("user", { name: "Ann" }, { ex: 100 });
assert.deepEqual(await redis.get("user"), { name: "Ann" });
assert.deepEqual(await redis.pipeline().set("n", 1).incr("n").exec(), ["OK", 2]);
assert.deepEqual(await redis.multi().incr("n").get("n").exec(), [3, 3]);
assert.equal(await redis.eval("return redis.call('GET', KEYS[1])", ["n"], []), 3);
assert.deepEqual(await redis.mget("n", "missing"), [3, null]);
await assert.rejects(redis.incr("user"), /not an integer/);
