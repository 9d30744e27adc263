// cache-manager over Keyv: wrap, mset, mget, mdel, clear.
import assert from "node:assert/strict";
import KeyvRedis from "@keyv/redis";
import { createCache } from "cache-manager";
import { Keyv } from "keyv";

const store = new KeyvRedis(`redis://127.0.0.1:${process.env.PORT}`);
const cache = createCache({ stores: [new Keyv({ store })], ttl: 60_000 });
await cache.clear();
let computed = 0;
const compute = async () => ++computed;
assert.equal(await cache.wrap("w", compute, 60_000), 1);
// wrap returns before the value is stored.
while ((await cache.get("w")) === undefined);
assert.equal(await cache.wrap("w", compute, 60_000), 1);
await cache.mset([
  { key: "a", value: 1 },
  { key: "b", value: 2, ttl: 60_000 },
]);
assert.deepEqual(await cache.mget(["a", "b", "missing"]), [1, 2, undefined]);
await cache.mdel(["a", "b"]);
assert.deepEqual(await cache.mget(["a", "b"]), [undefined, undefined]);
await cache.clear();
assert.equal(await cache.get("w"), undefined);
await cache.disconnect();
