// Keyv with @keyv/redis: setMany, getMany, deleteMany, lifetimes, clear.
import assert from "node:assert/strict";
import KeyvRedis from "@keyv/redis";
import { Keyv } from "keyv";

const store = new KeyvRedis(`redis://127.0.0.1:${process.env.PORT}`);
const keyv = new Keyv({ store, namespace: "users" });
await keyv.clear();
await keyv.set("one", { name: "Ann" }, 60_000);
assert.deepEqual(await keyv.get("one"), { name: "Ann" });
await keyv.setMany([
  { key: "a", value: 1 },
  { key: "b", value: 2, ttl: 60_000 },
]);
assert.deepEqual(await keyv.getMany(["a", "b", "missing"]), [1, 2, undefined]);
assert.equal(await keyv.has("a"), true);
await keyv.deleteMany(["a", "b"]);
assert.deepEqual(await keyv.getMany(["a", "b"]), [undefined, undefined]);
await keyv.clear();
assert.equal(await keyv.get("one"), undefined);
await keyv.disconnect();
