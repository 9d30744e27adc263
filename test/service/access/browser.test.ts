// Requests that a page in a browser sends to a service on the same machine.

import { describe, expect, test } from "bun:test";

import { exchange } from "../../lib/raw.ts";
import { serve } from "../../lib/service.ts";

const BODY = '{"key":"k","value":"v"}';

/** Returns the status of a put with these headers of a browser, which fetch would not send. */
async function put(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const lines = Object.entries({ "content-length": `${BODY.length}`, ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const answer = await exchange(
    url,
    `POST /put HTTP/1.1\r\n${lines.join("")}connection: close\r\n\r\n${BODY}`,
  );
  return Number(answer.split(" ")[1]);
}

describe("a page of another origin", () => {
  const foreign: readonly Readonly<Record<string, string>>[] = [
    { origin: "http://evil.example" },
    { origin: "https://evil.example:7171" },
    { origin: "http://localhost:3000" },
    { origin: "null" },
    { origin: "" },
    { origin: "http://localhost" },
    { origin: "file://" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "same-origin-x" },
    { origin: "http://localhost:443" },
    { origin: "https://localhost:80" },
    { origin: "http://localhost:7171", "sec-fetch-site": "cross-site" },
  ];
  for (const headers of foreign) {
    test(`may not put: ${JSON.stringify(headers)}`, async () => {
      await using server = serve();
      expect(await put(server.url, { host: "localhost:7171", ...headers })).toBe(403);
      const found = await fetch(`${server.url}/get?key=k`);
      expect(found.status).toBe(404);
    });
  }

  test("may change nothing by any other route, and gets an error that says why", async () => {
    await using server = serve();
    const calls: readonly (readonly [string, string])[] = [
      ["POST", "/mput"],
      ["POST", "/delete"],
      ["DELETE", "/delete?key=k"],
      ["POST", "/snapshot"],
    ];
    for (const [method, path] of calls) {
      const response = await fetch(server.url + path, {
        method,
        headers: { origin: "http://evil.example" },
        ...(method === "POST" ? { body: "{}" } : {}),
      });
      expect([path, response.status]).toEqual([path, 403]);
      expect(await response.text()).toContain("a page of another origin may not change anything");
    }
  });

  test("gets no permission to read, whatever it requests", async () => {
    await using server = serve();
    for (const method of ["GET", "OPTIONS"]) {
      const response = await fetch(`${server.url}/stats`, {
        method,
        headers: { origin: "http://evil.example", "access-control-request-method": "GET" },
      });
      const granted = [...response.headers.keys()].filter((name) =>
        name.startsWith("access-control"),
      );
      expect(granted).toEqual([]);
    }
  });
});

describe("the service's own page, and a client that is no browser", () => {
  const own: readonly Readonly<Record<string, string>>[] = [
    {},
    { origin: "http://localhost:7171" },
    { origin: "HTTP://LOCALHOST:7171" },
    { origin: "http://localhost:7171", "sec-fetch-site": "same-origin" },
    // Behind a proxy that passes on another Host the browser still knows.
    { origin: "http://cache.example:8080", "sec-fetch-site": "same-origin" },
    { origin: "https://cache.example", "sec-fetch-site": "none" },
    // A proxy in front of it speaks TLS.
    { origin: "https://localhost:7171" },
    { "sec-fetch-site": "none" },
  ];
  for (const headers of own) {
    test(`may put: ${JSON.stringify(headers)}`, async () => {
      await using server = serve();
      expect(await put(server.url, { host: "localhost:7171", ...headers })).toBe(200);
    });
  }
});

describe("--allowed-hosts", () => {
  const hosts = ["--allowed-hosts", "cache.example, 127.0.0.1,::1"];

  test("are the only names that the service accepts, with any port and in any case", async () => {
    await using server = serve(...hosts);
    for (const host of [
      "cache.example",
      "CACHE.example:80",
      "cache.example.",
      "127.0.0.1:1",
      "[::1]:7171",
      "[::1]",
    ]) {
      expect([host, await put(server.url, { host })]).toEqual([host, 200]);
    }
    for (const host of [
      "evil.example",
      "localhost",
      "cache.example.evil",
      "xcache.example",
      "::1",
      "0",
    ]) {
      expect([host, await put(server.url, { host })]).toEqual([host, 403]);
    }
  });

  test("apply to each route and each page, but not to the probes", async () => {
    await using server = serve(...hosts);
    const statusOf = async (path: string) =>
      (await fetch(server.url + path, { headers: { host: "rebound.example" } })).status;
    for (const path of [
      "/",
      "/get?key=k",
      "/stats",
      "/metrics",
      "/events",
      "/openapi.json",
      "/x",
    ]) {
      expect([path, await statusOf(path)]).toEqual([path, 403]);
    }
    for (const path of ["/livez", "/readyz"])
      expect([path, await statusOf(path)]).toEqual([path, 200]);
  });
});

test("no browser guesses the type of a response", async () => {
  await using server = serve();
  await fetch(`${server.url}/put`, {
    method: "POST",
    body: JSON.stringify({ key: "<script>", value: "<html><script>alert(1)</script>" }),
  });
  const paths = ["/get?key=%3Cscript%3E", "/get?key=none", "/get", "/stats", "/ring", "/nothing"];
  for (const path of [...paths, "/openapi.json"]) {
    const response = await fetch(server.url + path);
    expect([path, response.headers.get("x-content-type-options")]).toEqual([path, "nosniff"]);
    expect(response.headers.get("content-type")).toStartWith("application/json");
  }
  const metrics = await fetch(`${server.url}/metrics`);
  expect(metrics.headers.get("content-type")).toStartWith("text/plain");
  expect(metrics.headers.get("x-content-type-options")).toBe("nosniff");
});
