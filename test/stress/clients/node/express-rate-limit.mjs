// express-rate-limit with rate-limit-redis: the third request of a client is refused.
import assert from "node:assert/strict";
import { once } from "node:events";
import express from "express";
import { rateLimit } from "express-rate-limit";
import { RedisStore } from "rate-limit-redis";
import { createClient } from "redis";

const client = await createClient({
  socket: { port: Number(process.env.PORT), host: "127.0.0.1" },
}).connect();
await client.flushAll();
const store = new RedisStore({ sendCommand: (...words) => client.sendCommand(words) });
const app = express();
app.use(rateLimit({ windowMs: 100_000, limit: 2, store, keyGenerator: () => "one" }));
app.get("/", (_request, response) => response.send("ok"));
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
const base = `http://127.0.0.1:${server.address().port}`;
for (const status of [200, 200, 429]) assert.equal((await fetch(base)).status, status);
await store.decrement("one");
await store.resetKey("one");
assert.equal((await fetch(base)).status, 200);
assert.equal((await store.get("one")).totalHits, 1);
server.close();
server.closeAllConnections();
client.destroy();
