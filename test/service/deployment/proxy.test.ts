// The dashboard behind a reverse proxy: a small proxy of this file, and nginx if it is installed.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

import { EventParser } from "../../../src/live/events.ts";
import { freePort, serve, type ServiceProcess, startService } from "../../lib/service.ts";

const NGINX = Bun.which("nginx") ?? Bun.which("nginx", { PATH: "/usr/sbin:/usr/local/sbin" });
const CHROMIUM = Bun.which("chromium");
const BODY = '{"key":"k","value":"v"}';

/** Serves the paths under /cache/ from the root of `target`, as `location /cache/ { proxy_pass http://target/; }`. */
function proxyTo(target: string) {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(req) {
      const { pathname, search } = new URL(req.url);
      if (!pathname.startsWith("/cache/")) return new Response("not here", { status: 404 });
      const headers = new Headers(req.headers);
      headers.set("host", new URL(target).host);
      const body = req.method === "POST" ? await req.text() : undefined;
      const init = { method: req.method, headers, signal: req.signal };
      const url = `${target}${pathname.slice("/cache".length)}${search}`;
      return await fetch(url, body === undefined ? init : { ...init, body });
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, [Symbol.dispose]: () => void server.stop(true) };
}

/** Returns the URLs that a page refers to, as a browser resolves them. */
async function linksOf(page: string): Promise<string[]> {
  const links: string[] = [];
  const take = (element: HTMLRewriterTypes.Element) => {
    const link = element.getAttribute("href") ?? element.getAttribute("src") ?? "";
    if (link !== "" && !link.startsWith("data:")) links.push(new URL(link, page).href);
  };
  const rewriter = new HTMLRewriter().on("[href], [src]", { element: take });
  await rewriter.transform(await fetch(page)).text();
  return links;
}

test("the page, its files and its links work under a path of a proxy", async () => {
  await using server = serve();
  using proxy = proxyTo(server.url);
  const page = `${proxy.url}/cache/`;
  const links = await linksOf(page);
  expect(links.length).toBeGreaterThan(3);
  for (const link of links) {
    expect([link, (await fetch(link)).status]).toEqual([link, 200]);
  }
  const script = links.find((link) => link.endsWith(".js")) ?? "";
  // No request of the page begins at the root of the host.
  expect(await (await fetch(script)).text()).not.toMatch(/["'`]\/(get|put|delete|events)\b/);
  const openapi = (await (await fetch(`${page}openapi.json`)).json()) as {
    servers: { url: string }[];
  };
  const [api] = openapi.servers;
  expect(new URL(api?.url ?? "", `${page}openapi.json`).href).toBe(page);
});

test.skipIf(CHROMIUM === null)(
  "under a path of a proxy the dashboard puts and gets in a browser (chromium)",
  async () => {
    await using server = serve();
    using proxy = proxyTo(server.url);
    await using browser = await chromium.launch({
      ...(CHROMIUM === null ? {} : { executablePath: CHROMIUM }),
      args: ["--no-sandbox"],
    });
    const page = await browser.newPage();
    await page.goto(`${proxy.url}/cache/`);
    await page.locator("#state").getByText("serving", { exact: true }).waitFor();
    await page.fill("#key", "k");
    await page.click("#put-disclosure summary");
    await page.fill("#value", "from the page");
    await page.click("button[value=put]");
    await page
      .locator("#key-status")
      .getByText(/^[^…]+$/)
      .waitFor();
    const found = await fetch(`${server.url}/get?key=k`);
    expect(await found.json()).toMatchObject({ value: "from the page" });
  },
);

test("the live figures ask nginx not to keep them", async () => {
  await using server = serve();
  const events = await fetch(`${server.url}/events`);
  expect(events.headers.get("x-accel-buffering")).toBe("no");
  await events.body?.cancel();
});

describe.skipIf(NGINX === null)("behind nginx", () => {
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  let folder: string;
  let service: ServiceProcess;
  let nginx: Bun.Subprocess;

  beforeAll(async () => {
    service = await startService(["--workers", "1"]);
    folder = await mkdtemp(join(tmpdir(), "ringcache-nginx-"));
    const target = service.url;
    const config = `
      daemon off; master_process off; pid ${folder}/pid; error_log stderr;
      events {}
      http {
        access_log off;
        ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}
        server {
          listen 127.0.0.1:${port};
          location / { proxy_pass ${target}; }
          location /host/ { proxy_pass ${target}/; proxy_set_header Host $host; }
          location /cache/ { proxy_pass ${target}/; }
        }
      }`;
    await Bun.write(join(folder, "nginx.conf"), config);
    nginx = Bun.spawn(
      [NGINX ?? "", "-e", "stderr", "-p", folder, "-c", join(folder, "nginx.conf")],
      {
        stdout: "ignore",
        stderr: "ignore",
      },
    );
    while (!(await fetch(`${url}/livez`).catch(() => undefined))?.ok);
  });

  afterAll(async () => {
    nginx.kill();
    await nginx.exited;
    await service[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  for (const path of ["/", "/host/", "/cache/"]) {
    const put = async (headers: Record<string, string>) =>
      (await fetch(`${url}${path}put`, { method: "POST", body: BODY, headers })).status;

    test(`at ${path} its own page may put, one of another origin may not`, async () => {
      expect(await put({ origin: url, "sec-fetch-site": "same-origin" })).toBe(200);
      expect(await put({ origin: "http://evil.example", "sec-fetch-site": "cross-site" })).toBe(
        403,
      );
      expect(await put({ origin: "http://evil.example" })).toBe(403);
      expect(await put({})).toBe(200);
    });

    test(`at ${path} figures come as they are sent, not by the buffer`, async () => {
      const parser = new EventParser();
      let events = 0;
      const { body } = await fetch(`${url}${path}events`);
      for await (const chunk of body ?? []) {
        events += parser.feed(chunk).length;
        if (events === 2) break;
      }
      expect(events).toBe(2);
    });
  }

  test("the page and its files work under a path", async () => {
    for (const link of await linksOf(`${url}/cache/`)) {
      expect([link, (await fetch(link)).status]).toEqual([link, 200]);
    }
  });
});
