// node-redis keeps values in the client; the server tells it which keys have changed.
import assert from "node:assert/strict";
import { BasicClientSideCache, createClient } from "redis";

const socket = { port: Number(process.env.PORT), host: "127.0.0.1" };
const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 0, evictPolicy: "LRU" });
const redis = await createClient({ socket, RESP: 3, clientSideCache: cache }).connect();
const other = await createClient({ socket }).connect();
await other.flushAll();
await other.set("k", "1");
assert.equal(await redis.get("k"), "1");
assert.equal(await redis.get("k"), "1");
assert.equal(cache.stats().hitCount, 1);
await other.set("k", "2");
await becomes("2");
await other.flushAll();
await becomes(null);
redis.destroy();
other.destroy();

/** The message of the server arrives in a later turn of the event loop. */
async function becomes(expected) {
  let value;
  for (let tries = 0; tries < 1000 && value !== expected; tries++) {
    value = await redis.get("k");
    await new Promise((next) => setTimeout(next, 1));
  }
  assert.equal(value, expected);
}
