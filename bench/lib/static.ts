// What Bun can do at the most: a static route, its answer as long as that of a GET;
// and one for the POSTs of the load tool, which checks what it gets.

const found = { status: "OK", key: "key:00000", value: "v".repeat(100) };
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  development: false,
  routes: { "/": Response.json(found), "/put": Response.json({ status: "OK" }) },
});
console.log(server.url.origin);
