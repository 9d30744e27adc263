// express-session with connect-redis: a visitor is counted over several requests, then leaves.
import assert from "node:assert/strict";
import { once } from "node:events";
import { RedisStore } from "connect-redis";
import express from "express";
import session from "express-session";
import { createClient } from "redis";

const client = await createClient({
  socket: { port: Number(process.env.PORT), host: "127.0.0.1" },
}).connect();
await client.flushAll();
const store = new RedisStore({ client, prefix: "session:", ttl: 100 });
const app = express();
app.use(session({ store, secret: "secret", resave: false, saveUninitialized: false }));
app.get("/", (request, response) => {
  request.session.views = (request.session.views ?? 0) + 1;
  response.send(String(request.session.views));
});
app.get("/leave", (request, response) => request.session.destroy(() => response.send("left")));
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
const base = `http://127.0.0.1:${server.address().port}`;
const first = await fetch(base);
const headers = { cookie: first.headers.get("set-cookie").split(";")[0] };
assert.equal(await first.text(), "1");
assert.equal(await (await fetch(base, { headers })).text(), "2");
const all = (command) =>
  new Promise((resolve, reject) => {
    const finished = (error, result) => (error ? reject(error) : resolve(result));
    store[command](finished)?.then?.(resolve, reject);
  });
assert.equal(await all("length"), 1);
assert.equal((await all("ids")).length, 1);
await fetch(`${base}/leave`, { headers });
assert.equal(await all("length"), 0);
await fetch(base);
await all("clear");
assert.equal(await all("length"), 0);
server.close();
server.closeAllConnections();
client.destroy();
