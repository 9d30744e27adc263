// The "redis-strings" handler for Next.js's cache: it keeps the tags of its entries in a hash.
import assert from "node:assert/strict";
import createHandler from "@fortedigital/nextjs-cache-handler/redis-strings";
import { createClient } from "redis";

const client = await createClient({
  socket: { port: Number(process.env.PORT), host: "127.0.0.1" },
}).connect();
await client.flushAll();
const handler = await createHandler({ client, keyPrefix: "next:" });
const lifespan = { expireAt: Math.floor(Date.now() / 1000) + 100, expireAge: 100 };
await handler.set("page", {
  lastModified: Date.now(),
  lifespan,
  tags: ["t"],
  value: { kind: "FETCH" },
});
assert.equal((await handler.get("page", { implicitTags: [] })).value.kind, "FETCH");
await handler.revalidateTag("t");
assert.equal(await handler.get("page", { implicitTags: [] }), null);
client.destroy();
