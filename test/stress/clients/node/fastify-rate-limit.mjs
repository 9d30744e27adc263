// @fastify/rate-limit: the third request of a client is refused.
import assert from "node:assert/strict";
import limit from "@fastify/rate-limit";
import Fastify from "fastify";
import { Redis } from "ioredis";

const redis = new Redis({ port: Number(process.env.PORT), host: "127.0.0.1" });
await redis.flushall();
const app = Fastify();
await app.register(limit, { max: 2, timeWindow: 100_000, redis, skipOnError: false });
app.get("/", async () => "ok");
for (const status of [200, 200, 429]) {
  const response = await app.inject("/");
  assert.equal(response.statusCode, status, response.body);
}
await app.close();
redis.disconnect();
