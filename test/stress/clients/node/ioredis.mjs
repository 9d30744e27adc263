// ioredis and its fork iovalkey: MULTI, WATCH, scripts, pub/sub, databases. LIBRARY names the package.
import assert from "node:assert/strict";

const { Redis } = await import(process.env.LIBRARY ?? "ioredis");
const port = Number(process.env.PORT);
const redis = new Redis({ port, host: "127.0.0.1" });
const other = new Redis({ port, host: "127.0.0.1" });

await redis.flushall();
assert.deepEqual(await redis.multi().set("n", 1).incr("n").expire("n", 100).get("n").exec(), [
  [null, "OK"],
  [null, 2],
  [null, 1],
  [null, "2"],
]);
await redis.set("text", "abc");
const [[failure], [, after]] = await redis.multi().incr("text").set("after", "1").exec();
assert.match(failure.message, /not an integer/);
assert.equal(after, "OK");
await assert.rejects(redis.multi().set("n").exec(), /EXECABORT|wrong number of arguments/);

await redis.watch("n");
await other.set("n", 10);
assert.equal(await redis.multi().incr("n").exec(), null);
assert.equal(await redis.get("n"), "10");

redis.defineCommand("compareAndDelete", {
  numberOfKeys: 1,
  lua: "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0",
});
assert.equal(await redis.compareAndDelete("n", "wrong"), 0);
assert.equal(await redis.compareAndDelete("n", "10"), 1);
const transaction = await redis.multi().set("m", "v").compareAndDelete("m", "v").exec();
assert.deepEqual(transaction, [
  [null, "OK"],
  [null, 1],
]);

await other.subscribe("news");
await other.psubscribe("n*");
const messages = [];
const received = new Promise((resolve) => {
  other.on("message", (channel, text) => messages.push([channel, text]));
  other.on("pmessage", (pattern, channel, text) => {
    messages.push([pattern, channel, text]);
    resolve();
  });
});
assert.equal(await redis.publish("news", "hello"), 2);
await received;
assert.deepEqual(messages, [
  ["news", "hello"],
  ["n*", "news", "hello"],
]);
await other.unsubscribe("news");
await other.punsubscribe("n*");
assert.equal(await other.ping(), "PONG");

const second = new Redis({ port, host: "127.0.0.1", db: 1 });
assert.equal(await second.get("after"), null);
await second.set("k", "second");
assert.equal(await redis.get("k"), null);
await second.select(0);
assert.equal(await second.get("after"), "1");
await Promise.all([redis, other, second].map((client) => client.quit()));
