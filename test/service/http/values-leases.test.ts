// Leases over /cache/{key}: the fields Lease, Prefer and Retry-After.

import { afterAll, expect, test } from "bun:test";

import { serve } from "../../lib/service.ts";
import { errorOf, valuesOf } from "./values-client.ts";

const server = serve();
afterAll(() => server.stop(0));
const { send, put } = valuesOf(server.url);

const leaseOf = (key: string, headers: Record<string, string> = {}) =>
  send(key, { headers: { lease: "100", ...headers } });
const tokenIn = ({ headers }: Response) => headers.get("lease") ?? "";

test("the first caller gets a lease, and the others when it ends", async () => {
  const first = await leaseOf("one");
  expect([first.status, tokenIn(first)]).toEqual([404, expect.stringMatching(/^[\w-]{22}$/)]);
  expect(first.headers.get("cache-control")).toBe("no-store");
  const second = await leaseOf("one");
  expect([second.status, tokenIn(second)]).toEqual([404, ""]);
  expect(Number(second.headers.get("retry-after"))).toBeWithin(1, 101);
  expect((await put("one", "value", { lease: tokenIn(first) })).status).toBe(201);
  const third = await leaseOf("one");
  expect([third.status, await third.text(), tokenIn(third)]).toEqual([200, "value", ""]);
  // It is for this client: a cache in front keeps no response to a request for a lease.
  expect(third.headers.get("cache-control")).toBe("no-store");
});

test("a caller that waits gets the value as soon as it is put", async () => {
  const token = tokenIn(await leaseOf("waited"));
  const waiters = Array.from({ length: 5 }, () => leaseOf("waited", { prefer: "wait=50" }));
  await put("waited", "value", { lease: token, "content-type": "text/plain" });
  for (const waiter of waiters) {
    const { status, headers } = await waiter;
    expect([status, headers.get("content-type")]).toEqual([200, "text/plain"]);
    expect(await (await waiter).text()).toBe("value");
  }
});

test("a wait ends without a value, in any form of Prefer", async () => {
  await leaseOf("slow");
  for (const prefer of ["wait=0.01", "respond-async, wait=0.01", 'WAIT="0.01"; x=1']) {
    const response = await leaseOf("slow", { prefer });
    expect([prefer, response.status, tokenIn(response)]).toEqual([prefer, 404, ""]);
    expect(response.headers.get("retry-after")).not.toBeNull();
  }
  // A preference without a sense is ignored.
  expect((await leaseOf("slow", { prefer: "wait=x" })).status).toBe(404);
});

test("a released lease goes to the caller that waits", async () => {
  const token = tokenIn(await leaseOf("released"));
  const waiter = leaseOf("released", { prefer: "wait=50" });
  const body = JSON.stringify({ key: "released", lease: token });
  expect((await fetch(`${server.url}/release`, { method: "POST", body })).status).toBe(200);
  expect(tokenIn(await waiter)).not.toBe("");
});

test("a put with a void lease is 409, says why, and stores nothing", async () => {
  const token = tokenIn(await leaseOf("void"));
  await send("void", { method: "DELETE" });
  const gone = await errorOf(await put("void", "old", { lease: token }));
  expect(gone).toEqual([409, expect.stringContaining("the lease is void: ")]);
  expect((await send("void")).status).toBe(404);
  await put("void", "new");
  expect((await put("void", "old", { lease: token })).status).toBe(409);
  expect(await (await send("void")).text()).toBe("new");
});

test("a lease is void once a tag of its value is invalidated", async () => {
  const token = tokenIn(await leaseOf("tagged"));
  const body = JSON.stringify({ tags: ["t é"] });
  await fetch(`${server.url}/invalidate`, { method: "POST", body });
  const tag = Buffer.from("t é").toString("latin1");
  expect((await put("tagged", "old", { lease: token, "cache-tag": tag })).status).toBe(409);
  await put("tagged", "new", { "cache-tag": `a, ${tag}` });
  expect((await send("tagged")).status).toBe(200);
  await fetch(`${server.url}/invalidate`, { method: "POST", body });
  expect((await send("tagged")).status).toBe(404);
});

test("a lease and a token that are none are 400", async () => {
  const advice = "it must be a number of seconds from 0.001 to 3600";
  for (const lease of ["0", "-1", "x", "3601", "1e1", ""]) {
    expect(await errorOf(await send("k", { headers: { lease } }))).toEqual([
      400,
      `"Lease" is ${JSON.stringify(lease)}; ${advice}`,
    ]);
  }
  const [status, message] = await errorOf(await put("k", "v", { lease: "no token" }));
  expect([status, message]).toEqual([400, expect.stringContaining("which is no token")]);
});

test("a lease needs a token that may write", async () => {
  await using guarded = serve("--auth-token", "full", "--read-token", "reader");
  const as = async (token: string, headers: Record<string, string> = {}) => {
    const authorization = `Bearer ${token}`;
    const init = { headers: { authorization, ...headers } };
    return (await fetch(`${guarded.url}/cache/k`, init)).status;
  };
  expect(await as("reader")).toBe(404);
  expect(await as("reader", { lease: "10" })).toBe(403);
  expect(await as("full", { lease: "10" })).toBe(404);
  expect(await as("full", { lease: "10", origin: "http://evil.example" })).toBe(403);
});
