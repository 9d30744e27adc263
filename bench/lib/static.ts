// What Bun can do at the most: one static route, its answer as long as a GET's.

const body = { status: "OK", key: "key:00000", value: "v".repeat(100) };
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  routes: { "/": Response.json(body) },
});
console.log(server.url.origin);
