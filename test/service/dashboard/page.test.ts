// The dashboard of a service in Chromium; skipped without Chromium on PATH.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

import { freePort, startService, type ServiceProcess } from "../../lib/service.ts";
import { fitsItsWidth, seriousViolations } from "./axe.ts";

const CHROMIUM = Bun.which("chromium");
/** Limit of each wait: a slow machine starts a browser in a minute. */
const TIMEOUT_MS = 100_000;
const EMOJI_KEY = "🎉".repeat(256);
const NASTY = "<script>window.hacked=1</script><img src=x onerror='window.hacked=1'>";
/** SHOTS=folder writes screenshots to this folder. */
const SHOTS = process.env["SHOTS"];
const VIEWS = [
  ["light", 1280],
  ["dark", 1280],
  ["light", 375],
  ["dark", 360],
] as const;

const onChromium = (name: string, body: () => Promise<void>) =>
  test.skipIf(CHROMIUM === null)(`${name} (chromium)`, body);
let browser: Browser;
let service: ServiceProcess;

beforeAll(async () => {
  if (CHROMIUM === null) return;
  // A fixed port, because the restarted service must have the same address.
  service = await startService(["--workers", "2", "--port", `${freePort()}`]);
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

interface View extends AsyncDisposable {
  readonly page: Page;
  /** Errors and warnings on the console. */
  readonly errors: readonly string[];
  /** Hosts of all requests. */
  readonly hosts: ReadonlySet<string>;
}

async function open(scheme: "light" | "dark" = "light", width = 1280): Promise<View> {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: scheme,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  const errors: string[] = [];
  const hosts = new Set<string>();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith("data:")) hosts.add(new URL(request.url()).host);
  });
  await page.goto(service.url);
  await page.locator("#state").getByText("serving", { exact: true }).waitFor();
  return { page, errors, hosts, [Symbol.asyncDispose]: () => context.close() };
}

/** Presses a button of the form and returns the status when the action is done. */
async function press(page: Page, button: "get" | "put" | "delete"): Promise<string> {
  await page.click(`button[value=${button}]`);
  await page
    .locator("#key-status")
    .getByText(/^[^…]+$/)
    .waitFor();
  return await page.locator("#key-status").innerText();
}

async function put(key: string, value: string): Promise<void> {
  await fetch(`${service.url}/put`, { method: "POST", body: JSON.stringify({ key, value }) });
}

onChromium(
  "loads without errors and from one host only, and the stats change under load",
  async () => {
    await using view = await open();
    const { page } = view;
    const tiles = page.locator("#tiles");
    const before = await tiles.innerText();
    for (let index = 0; (await tiles.innerText()) === before; index++) {
      await put(`k${index}`, "v");
      await fetch(`${service.url}/get?key=${index % 3 === 0 ? "hot" : `k${index}`}`);
    }
    expect(await page.locator(".uplot canvas").count()).toBe(4);
    expect(view.errors).toEqual([]);
    expect([...view.hosts]).toEqual([new URL(service.url).host]);
  },
);

onChromium(
  "gets, puts and deletes a key of 256 emoji, and shows a value with a script as text",
  async () => {
    await using view = await open();
    const { page } = view;
    await page.fill("#key", EMOJI_KEY);
    expect(await press(page, "get")).toBe("Key not found.");
    await page.fill("#value", NASTY);
    expect(await press(page, "put")).toBe("Stored.");
    const found = await (
      await fetch(`${service.url}/get?key=${encodeURIComponent(EMOJI_KEY)}`)
    ).json();
    expect(found).toMatchObject({ value: NASTY });
    expect(await press(page, "get")).toBe("Found: 69 characters. The value is hidden.");
    expect(await page.locator("#response-value").textContent()).toBe("");
    await page.click("#response-reveal");
    expect(await page.locator("#response-value").innerText()).toBe(NASTY);
    await page.fill("#ttl", "0");
    expect(await press(page, "put")).toContain('"ttl" is 0; it must be a positive number');
    expect(await press(page, "delete")).toBe("Deleted.");
    expect(await press(page, "delete")).toBe("Key not found.");
    expect(await page.evaluate("'hacked' in window")).toBe(false);
    // Chromium logs responses with 400 or 404; they are no errors of the page.
    const own = view.errors.filter((error) => !/status of 40[04]/.test(error));
    expect(own).toEqual([]);
  },
);

onChromium("shows hot keys with any characters as text", async () => {
  const key = `${NASTY}\n\u0000\u202e`;
  const query = encodeURIComponent(key);
  for (let n = 0; n < 1000; n++) await fetch(`${service.url}/get?key=${query}`);
  await using view = await open();
  const { page } = view;
  await page.locator("#hot-keys").getByText("<script>window.hacked=1</script>").waitFor();
  const keys = await page.locator("#hot-keys bdi").allInnerTexts();
  expect(keys.join("\n")).toContain("‹LF›‹NUL›‹U+202E›");
  expect(await page.evaluate("'hacked' in window")).toBe(false);
});

onChromium("shows a lost connection, and reconnects when the service is restarted", async () => {
  const port = new URL(service.url).port;
  await using view = await open();
  const { page } = view;
  service.kill("SIGTERM");
  await service.exit;
  await page
    .locator("#state")
    .getByText(/retrying/)
    .waitFor();
  service = await startService(["--workers", "2", "--port", port]);
  await page.locator("#state").getByText("serving", { exact: true }).waitFor();
  expect(await page.isHidden("#notice")).toBeTrue();
});

for (const [scheme, width] of VIEWS) {
  onChromium(
    `has no serious accessibility violations and no horizontal scrolling: ${scheme}, ${width} px`,
    async () => {
      await put("shown", NASTY);
      await using view = await open(scheme, width);
      const { page } = view;
      await page.click("summary");
      await page.fill("#key", "shown");
      await press(page, "get");
      await page.click("#response-reveal");
      expect(await seriousViolations(page)).toEqual([]);
      expect(await fitsItsWidth(page)).toBeTrue();
      if (SHOTS !== undefined) {
        await page.screenshot({ path: join(SHOTS, `${scheme}-${width}.png`), fullPage: true });
      }
    },
  );
}
