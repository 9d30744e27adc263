// Bun's own RedisClient: transactions and scripts by send, pub/sub, a database in the URL.
import assert from "node:assert/strict";
import { RedisClient } from "bun";

const url = `redis://127.0.0.1:${process.env.PORT}`;
const redis = new RedisClient(url);
await redis.send("FLUSHALL", []);
const replies = await Promise.all([
  redis.send("MULTI", []),
  redis.send("SET", ["n", "1"]),
  redis.send("INCR", ["n"]),
  redis.send("EXEC", []),
]);
assert.deepEqual(replies, ["OK", "QUEUED", "QUEUED", ["OK", 2]]);
assert.equal(await redis.send("EVAL", ["return redis.call('GET', KEYS[1])", "1", "n"]), "2");

const subscriber = new RedisClient(url);
const received = new Promise((resolve) => {
  void subscriber.subscribe("news", (message, channel) => resolve([channel, message]));
});
while ((await redis.publish("news", "hello")) === 0)
  await new Promise((next) => setTimeout(next, 1));
assert.deepEqual(await received, ["news", "hello"]);

const second = new RedisClient(`${url}/1`);
assert.equal(await second.get("n"), null);
await second.set("k", "second");
assert.equal(await redis.get("k"), null);
for (const client of [redis, subscriber, second]) client.close();
