// Values of /cache/{key} in Chromium; skipped without Chromium on PATH.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { deflateSync } from "node:zlib";
import { type Browser, chromium, type Page } from "playwright-core";

import { serve } from "../../lib/service.ts";

const CHROMIUM = Bun.which("chromium");
const TIMEOUT_MS = 100_000;
/** Pixels of each side; the file then has 1 MiB but for 2 KB. */
const SIDE = 590;

const server = serve();
let browser: Browser;

beforeAll(async () => {
  if (CHROMIUM === null) return console.log("skipped, not installed: chromium");
  browser = await chromium.launch({
    ...{ executablePath: CHROMIUM, args: ["--no-sandbox"], timeout: TIMEOUT_MS },
  });
});
afterAll(async () => {
  await browser?.close();
  await server.stop(0);
});

const onChromium = (name: string, body: (page: Page) => Promise<void>) =>
  test.skipIf(CHROMIUM === null)(
    `${name} (chromium)`,
    async () => {
      const page = await browser.newPage();
      page.setDefaultTimeout(TIMEOUT_MS);
      try {
        await body(page);
      } finally {
        await page.close();
      }
    },
    TIMEOUT_MS,
  );

const put = (key: string, type: string, body: string | Uint8Array<ArrayBuffer>) =>
  fetch(`${server.url}/cache/${key}`, { method: "PUT", body, headers: { "content-type": type } });

onChromium("a PNG of 1 MiB shows as an image", async (page) => {
  const png = randomPng();
  expect(png.length).toBeWithin(2 ** 20 - 5000, 2 ** 20 + 1);
  expect((await put("pictures/one.png", "image/png", png)).status).toBe(201);
  await page.goto(`${server.url}/cache/pictures/one.png`);
  const shown = await page.evaluate(
    "[document.contentType, document.images[0].naturalWidth, document.images[0].complete]",
  );
  expect(shown).toEqual(["image/png", SIDE, true]);
  // In a page of the same origin; the second image comes from the browser's cache, or a 304.
  await page.goto(`${server.url}/livez`);
  const sizes = await page.evaluate(`(async () => {
    const load = async () => {
      const image = new Image();
      image.src = "/cache/pictures/one.png";
      await image.decode();
      return image.naturalHeight;
    };
    return [await load(), await load()];
  })()`);
  expect(sizes).toEqual([SIDE, SIDE]);
});

onChromium("no script of a stored page or image runs", async (page) => {
  const script = "<script>document.title = 'ran'</script>";
  const svg = `<svg xmlns="http://www.w3.org/2000/svg">${script}</svg>`;
  for (const [type, body] of [
    ["text/html", script],
    ["image/svg+xml", svg],
    [
      "application/xhtml+xml",
      `<html xmlns="http://www.w3.org/1999/xhtml"><head>${script}</head></html>`,
    ],
    ["text/plain", script],
    ["application/octet-stream", script],
    // A browser takes the last type of a list.
    ["image/png, text/html", script],
    ["text/plain;,text/html", script],
    ["text/plain; charset=utf-8, image/svg+xml", svg],
    ["image/png;text/html", script],
    ["image/\tpng, text/html", script],
    ["text/xml", `<html xmlns="http://www.w3.org/1999/xhtml"><head>${script}</head></html>`],
    ["application/rss+xml", `<html xmlns="http://www.w3.org/1999/xhtml">${script}</html>`],
    ["multipart/related; boundary=x", `--x\r\nContent-Type: text/html\r\n\r\n${script}\r\n--x--`],
    [
      "multipart/x-mixed-replace; boundary=x",
      `--x\r\nContent-Type: text/html\r\n\r\n${script}\r\n--x--`,
    ],
    ["image/png; x='a, text/html", script],
    ["image/*", script],
    ["image/", script],
    ["image/png\xa0, text/html", script],
    ["", script],
    ["message/rfc822", `Content-Type: text/html\r\n\r\n${script}`],
  ] as const) {
    await put("active", type, body);
    // A type that a browser does not show is a download, and the page before it stays.
    await page.goto("about:blank");
    await page.goto(`${server.url}/cache/active`).catch(() => undefined);
    expect([type, await page.title()]).not.toEqual([type, "ran"]);
  }
});

/** A picture of random pixels, which no compression makes smaller. */
function randomPng(): Buffer<ArrayBuffer> {
  const row = 1 + SIDE * 3;
  const pixels = crypto.getRandomValues.bind(crypto);
  const data = Buffer.alloc(row * SIDE);
  for (let at = 0; at < data.length; at += 65_536) pixels(data.subarray(at, at + 65_536));
  // Each row begins with its filter.
  for (let y = 0; y < SIDE; y++) data[y * row] = 0;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(SIDE, 0);
  header.writeUInt32BE(SIDE, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    ...[
      chunk("IHDR", header),
      chunk("IDAT", Buffer.from(deflateSync(data, { level: 0 }))),
      chunk("IEND"),
    ],
  ]);
}

function chunk(name: string, data = Buffer.alloc(0)): Buffer {
  const named = Buffer.concat([Buffer.from(name), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(Bun.hash.crc32(named));
  return Buffer.concat([length, named, sum]);
}
