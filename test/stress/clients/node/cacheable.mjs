// cacheable: a memory layer in front of Redis, many keys at once.
import assert from "node:assert/strict";
import KeyvRedis from "@keyv/redis";
import { Cacheable } from "cacheable";

const url = `redis://127.0.0.1:${process.env.PORT}`;
const cache = new Cacheable({ secondary: new KeyvRedis(url), ttl: "1h" });
await cache.clear();
await cache.setMany([
  { key: "a", value: 1 },
  { key: "b", value: { deep: true }, ttl: "10s" },
]);
const second = new Cacheable({ secondary: new KeyvRedis(url) });
assert.deepEqual(await second.getMany(["a", "b"]), [1, { deep: true }]);
await cache.deleteMany(["a", "b"]);
const third = new Cacheable({ secondary: new KeyvRedis(url) });
assert.deepEqual(await third.getMany(["a", "b"]), [undefined, undefined]);
await Promise.all([cache, second, third].map((each) => each.disconnect()));
