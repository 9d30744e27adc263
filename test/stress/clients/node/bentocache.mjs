// BentoCache: memory in front of Redis, tags, and the bus that tells other processes of a change.
import assert from "node:assert/strict";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { redisBusDriver, redisDriver } from "bentocache/drivers/redis";

const connection = { host: "127.0.0.1", port: Number(process.env.PORT) };
const create = () =>
  new BentoCache({
    default: "layers",
    stores: {
      layers: bentostore()
        .useL1Layer(memoryDriver({ maxSize: "10mb" }))
        .useL2Layer(redisDriver({ connection }))
        .useBus(redisBusDriver({ connection })),
    },
  });
const [one, two] = [create(), create()];
await one.clear();
await one.set({ key: "k", value: "old", ttl: "1h" });
assert.equal(await two.get({ key: "k" }), "old");
await one.set({ key: "k", value: "new", ttl: "1h" });
// The bus voids the copy in the memory of the other process.
let value;
for (let tries = 0; tries < 500 && value !== "new"; tries++) {
  value = await two.get({ key: "k" });
  await new Promise((next) => setTimeout(next, 10));
}
assert.equal(value, "new");
await one.set({ key: "tagged", value: 1, tags: ["t"] });
await one.deleteByTag({ tags: ["t"] });
assert.equal(await one.get({ key: "tagged" }), undefined);
let computed = 0;
const factory = async () => ++computed;
assert.equal(await one.getOrSet({ key: "made", ttl: "1h", factory }), 1);
assert.equal(await one.getOrSet({ key: "made", ttl: "1h", factory }), 1);
await one.disconnectAll();
await two.disconnectAll();
