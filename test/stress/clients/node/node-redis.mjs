// node-redis: MULTI, WATCH in a pool, scripts, pub/sub, databases.
import assert from "node:assert/strict";
import { createClient, defineScript, WatchError } from "redis";

const socket = { port: Number(process.env.PORT), host: "127.0.0.1" };
const compareAndDelete = defineScript({
  NUMBER_OF_KEYS: 1,
  SCRIPT:
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0",
  parseCommand(parser, key, value) {
    parser.pushKey(key);
    parser.push(value);
  },
  transformReply: (reply) => reply,
});
for (const RESP of [2, 3]) {
  const redis = await createClient({ socket, RESP, scripts: { compareAndDelete } }).connect();
  const other = await createClient({ socket, RESP }).connect();
  await redis.flushAll();
  assert.deepEqual(await redis.multi().set("n", "1").incr("n").expire("n", 100).get("n").exec(), [
    "OK",
    2,
    1,
    "2",
  ]);
  await redis.watch("n");
  await other.set("n", "10");
  await assert.rejects(redis.multi().incr("n").exec(), WatchError);
  await redis.watch("n");
  assert.deepEqual(await redis.multi().incr("n").exec(), [11]);

  assert.equal(await redis.compareAndDelete("n", "wrong"), 0);
  assert.equal(await redis.compareAndDelete("n", "11"), 1);
  assert.equal(await redis.eval("return ARGV[1]", { arguments: ["x"] }), "x");

  const { promise, resolve } = Promise.withResolvers?.() ?? withResolvers();
  await other.subscribe("news", (message, channel) => resolve([channel, message]));
  assert.equal(await redis.publish("news", "hello"), 1);
  assert.deepEqual(await promise, ["news", "hello"]);
  await other.unsubscribe("news");

  await redis.set("zero", "0");
  const second = await createClient({ socket, RESP, database: 1 }).connect();
  assert.equal(await second.get("zero"), null);
  await second.select(0);
  assert.equal(await second.get("zero"), "0");
  for (const client of [redis, other, second]) client.destroy();
}

function withResolvers() {
  let resolve;
  const promise = new Promise((fulfil) => (resolve = fulfil));
  return { promise, resolve };
}
