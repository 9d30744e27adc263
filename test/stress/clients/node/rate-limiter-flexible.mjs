// rate-limiter-flexible: consume, reject, penalty, reward, block, delete; with ioredis and node-redis.
import assert from "node:assert/strict";
import { Redis } from "ioredis";
import { RateLimiterRedis } from "rate-limiter-flexible";
import { createClient } from "redis";

const port = Number(process.env.PORT);
const io = new Redis({ port, host: "127.0.0.1" });
const node = await createClient({ socket: { port, host: "127.0.0.1" } }).connect();
await io.flushall();
for (const [storeClient, keyPrefix, useRedisPackage] of [
  [io, "io", false],
  [node, "node", true],
]) {
  const limiter = new RateLimiterRedis({
    storeClient,
    keyPrefix,
    useRedisPackage,
    points: 3,
    duration: 100,
    blockDuration: 200,
  });
  for (const remaining of [2, 1, 0]) {
    assert.equal((await limiter.consume("user")).remainingPoints, remaining);
  }
  await assert.rejects(limiter.consume("user"), ({ msBeforeNext }) => msBeforeNext > 100_000);
  assert.equal((await limiter.get("user")).consumedPoints, 4);
  await limiter.delete("user");
  await limiter.penalty("user", 2);
  await limiter.reward("user", 1);
  assert.equal((await limiter.get("user")).consumedPoints, 1);
  await limiter.block("user", 50);
  await assert.rejects(limiter.consume("user"), ({ msBeforeNext }) => msBeforeNext > 40_000);
}
io.disconnect();
node.destroy();
