// Access over HTTP: each route of the description with each kind of token.

import { describe, expect, test } from "bun:test";

import { TOKEN_LENGTH_MAX, Tokens } from "../../../src/security/tokens.ts";
import { serve } from "../../lib/service.ts";

const FULL = "full-token";
const READ = "read-token";
const TOKENS = ["--auth-token", FULL, "--read-token", READ];

/** The access that each route needs. A new route has to be added. */
const NEEDS: Readonly<Record<string, "open" | "read" | "write">> = {
  "POST /put": "write",
  "GET /get": "read",
  "POST /delete": "write",
  "DELETE /delete": "write",
  "POST /mput": "write",
  "POST /mget": "read",
  "POST /incr": "write",
  "GET /ttl": "read",
  "GET /entry": "read",
  "POST /ttl": "write",
  "DELETE /ttl": "write",
  "GET /keys": "read",
  "POST /flush": "write",
  "GET /cache/{key}": "read",
  "PUT /cache/{key}": "write",
  "DELETE /cache/{key}": "write",
  // The commands check the access: test/service/http/redis.test.ts.
  "POST /redis": "read",
  "POST /redis/pipeline": "read",
  "POST /redis/multi-exec": "read",
  "POST /release": "write",
  "POST /invalidate": "write",
  "POST /snapshot": "write",
  "GET /stats": "read",
  "GET /ring": "read",
  "GET /health": "read",
  "GET /livez": "open",
  "GET /readyz": "open",
  "GET /metrics": "read",
  "GET /openapi.json": "open",
  "GET /events": "read",
  "GET /": "open",
  "GET /dashboard/{file}": "open",
};

/** Returns status and challenge of a response without its body. */
async function call(url: string, route: string, authorization?: string) {
  const [method = "", path = ""] = route.split(" ");
  const response = await fetch(url + path, {
    method,
    headers: authorization === undefined ? {} : { authorization },
    ...(method === "POST" || method === "PUT" ? { body: "{}" } : {}),
  });
  await response.body?.cancel();
  return { status: response.status, challenge: response.headers.get("www-authenticate") };
}

async function routesOf(url: string): Promise<string[]> {
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
    readonly paths: Readonly<Record<string, object>>;
  };
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

test("the list has each route of the description", async () => {
  await using server = serve();
  expect((await routesOf(server.url)).sort()).toEqual(Object.keys(NEEDS).sort());
});

describe("every route", () => {
  for (const [route, needs] of Object.entries(NEEDS)) {
    test(`${route} needs ${needs === "open" ? "no token" : `a token to ${needs}`}`, async () => {
      await using server = serve(...TOKENS);
      const none = await call(server.url, route);
      const wrong = await call(server.url, route, "Bearer wrong");
      const reading = await call(server.url, route, `Bearer ${READ}`);
      const full = await call(server.url, route, `Bearer ${FULL}`);
      const realm = 'Bearer realm="ringcache"';
      if (needs === "open") expect([none.status, wrong.status]).not.toContain(401);
      else {
        expect(none).toEqual({ status: 401, challenge: realm });
        expect(wrong).toEqual({ status: 401, challenge: `${realm}, error="invalid_token"` });
      }
      const denied = { status: 403, challenge: `${realm}, error="insufficient_scope"` };
      if (needs === "write") expect(reading).toEqual(denied);
      else expect([401, 403]).not.toContain(reading.status);
      expect([401, 403]).not.toContain(full.status);
    });
  }
});

test("an unknown path needs a token too", async () => {
  await using server = serve(...TOKENS);
  expect((await call(server.url, "GET /nothing")).status).toBe(401);
  expect((await call(server.url, "DELETE /get")).status).toBe(401);
  expect((await call(server.url, "GET /nothing", `Bearer ${READ}`)).status).toBe(404);
});

test("a service without a token gives full access", async () => {
  await using server = serve();
  expect((await call(server.url, "GET /stats", "Bearer anything")).status).toBe(200);
});

test("--open-metrics opens /metrics and nothing else", async () => {
  await using server = serve(...TOKENS, "--open-metrics");
  expect((await call(server.url, "GET /metrics")).status).toBe(200);
  expect((await call(server.url, "GET /stats")).status).toBe(401);
});

test("a token is read from its header only, with any case of the scheme and any spaces before the token", async () => {
  await using server = serve(...TOKENS);
  const statusOf = async (authorization: string) =>
    (await call(server.url, "GET /stats", authorization)).status;
  expect(await statusOf(`bearer ${FULL}`)).toBe(200);
  expect(await statusOf(`BEARER   ${FULL}`)).toBe(200);
  for (const wrong of [FULL, `Basic ${FULL}`, `Bearer${FULL}`, `Bearer ${FULL}x`, "Bearer "]) {
    expect([wrong, await statusOf(wrong)]).toEqual([wrong, 401]);
  }
  for (const name of ["token", "access_token", "auth_token", "authorization"]) {
    const response = await fetch(`${server.url}/stats?${name}=${FULL}`);
    expect(response.status).toBe(401);
  }
});

describe("tokens", () => {
  const texts = { authToken: FULL, readToken: READ };

  test("give their access, and none if they differ in any way", () => {
    const tokens = new Tokens(texts);
    expect(tokens.accessOf(FULL)).toBe("write");
    expect(tokens.accessOf(READ)).toBe("read");
    const wrong = [
      "",
      FULL.slice(1),
      FULL.slice(0, -1),
      `${FULL}\0`,
      `${FULL} `,
      FULL.toUpperCase(),
    ];
    for (const token of [...wrong, FULL + READ, "\u0166ull-token", "x".repeat(10_000)]) {
      expect([token, tokens.accessOf(token)]).toEqual([token, undefined]);
    }
  });

  test("may have the maximum length, and not more", () => {
    const longest = "t".repeat(TOKEN_LENGTH_MAX);
    const tokens = new Tokens({ authToken: longest, readToken: "" });
    expect(tokens.accessOf(longest)).toBe("write");
    expect(tokens.accessOf(`${longest}t`)).toBeUndefined();
    expect(tokens.accessOf("")).toBeUndefined();
  });

  test("give no access once they are replaced", () => {
    const tokens = new Tokens(texts);
    tokens.replace({ authToken: "new", readToken: "" });
    expect([FULL, READ, "new"].map((token) => tokens.accessOf(token))).toEqual([
      undefined,
      undefined,
      "write",
    ]);
  });
});
