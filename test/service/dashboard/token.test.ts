// The dashboard of a service that requires a token, in Chromium; skipped without Chromium on PATH.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

import { startService, type ServiceProcess } from "../../lib/service.ts";
import { fitsItsWidth, seriousViolations } from "./axe.ts";

const CHROMIUM = Bun.which("chromium");
/** Limit of each wait: a slow machine starts a browser in a minute. */
const TIMEOUT_MS = 100_000;
const FULL = "the-full-token";
const READ = "the-read-token";
/** SHOTS=folder writes screenshots to this folder. */
const SHOTS = process.env["SHOTS"];

const onChromium = (name: string, body: () => Promise<void>) =>
  test.skipIf(CHROMIUM === null)(`${name} (chromium)`, body);
let browser: Browser;
let service: ServiceProcess;

beforeAll(async () => {
  if (CHROMIUM === null) return;
  service = await startService(["--workers", "2", "--auth-token", FULL, "--read-token", READ]);
  // In containers Chromium runs as root, and its sandbox does not work there.
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox"],
    timeout: TIMEOUT_MS,
  });
});

afterAll(async () => {
  if (CHROMIUM === null) return;
  await browser.close();
  await service[Symbol.asyncDispose]();
});

async function open(scheme: "light" | "dark" = "light", width = 1280) {
  const context = await browser.newContext({
    viewport: { width, height: 700 },
    colorScheme: scheme,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  const urls: string[] = [];
  page.on("request", (request) => urls.push(request.url()));
  await page.goto(service.url);
  await page.locator("#state").getByText("requires a token", { exact: true }).waitFor();
  return { page, urls, [Symbol.asyncDispose]: () => context.close() };
}

async function give(page: Page, token: string): Promise<void> {
  await page.fill("#token", token);
  await page.press("#token", "Enter");
}

async function put(page: Page): Promise<string> {
  await page.fill("#key", "k");
  if (!(await page.isVisible("#value"))) await page.click("#put-disclosure summary");
  await page.fill("#value", "v");
  await page.click("button[value=put]");
  const status = page.locator("#key-status").getByText(/^[^…]+$/);
  await status.waitFor();
  return await status.innerText();
}

onChromium("asks for the token until it is right, then shows stats and puts keys", async () => {
  await using view = await open();
  const { page, urls } = view;
  expect(await page.evaluate("document.activeElement.id")).toBe("token");
  await give(page, "wrong");
  await page.locator("#token-status").getByText("The token is wrong.").waitFor();
  await give(page, "no tök\u20acn");
  await page.locator("#token-status").getByText("only visible ASCII characters").waitFor();
  // The key form shows the same error.
  expect(await put(page)).toBe("the token is wrong");
  await give(page, FULL);
  await page.locator("#state").getByText("serving", { exact: true }).waitFor();
  await page.locator("#token-section").waitFor({ state: "hidden" });
  expect(await put(page)).toBe("Stored.");

  expect(urls.filter((url) => url.includes(FULL))).toEqual([]);
  expect(await page.content()).not.toContain(FULL);
  expect(await page.inputValue("#token")).toBe("");
  expect(await page.evaluate("localStorage.length + sessionStorage.length")).toBe(0);
  expect(await page.context().cookies()).toEqual([]);
  await page.reload();
  await page.locator("#state").getByText("requires a token", { exact: true }).waitFor();
});

onChromium("with the read token shows stats, and shows why a put is rejected", async () => {
  await using view = await open();
  const { page } = view;
  await give(page, READ);
  await page.locator("#state").getByText("serving", { exact: true }).waitFor();
  expect(await put(page)).toBe(
    "this token may only read; to change entries, send the token of --auth-token",
  );
  expect(await page.isHidden("#token-section")).toBeTrue();
});

for (const [scheme, width] of [
  ["light", 1280],
  ["dark", 360],
] as const) {
  onChromium(
    `has no serious accessibility violations and no horizontal scrolling: ${scheme}, ${width} px`,
    async () => {
      await using view = await open(scheme, width);
      const { page } = view;
      await give(page, "wrong");
      await page.locator("#token-status").getByText("The token is wrong.").waitFor();
      if (SHOTS !== undefined) {
        await page.screenshot({ path: join(SHOTS, `token-${scheme}-${width}.png`) });
      }
      expect(await seriousViolations(page)).toEqual([]);
      expect(await fitsItsWidth(page)).toBeTrue();
    },
  );
}
