// The dashboard of a service in Chromium; skipped without Chromium on PATH.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

import { sampleOf } from "../../../src/live/history.ts";
import type { LiveStats, UpstreamView } from "../../../src/live/stats.ts";
import { allocateHistory, StatsHistory } from "../../../src/metrics/history.ts";
import { eventOf, sampleStats } from "../../lib/live-stats.ts";
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

/** Opens the page; with `events`, each stream of events is this text, and then it ends. */
async function open(
  scheme: "light" | "dark" = "light",
  width = 1280,
  events?: string,
): Promise<View> {
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
  if (events !== undefined) {
    await page.route("**/events", (route) =>
      route.fulfill({ contentType: "text/event-stream", body: events }),
    );
  }
  await page.goto(service.url);
  if (events === undefined) {
    await page.locator("#state").getByText("serving", { exact: true }).waitFor();
  }
  return { page, errors, hosts, [Symbol.asyncDispose]: () => context.close() };
}

/** Clicks, and returns the status of the key form when the request is done. */
async function click(page: Page, selector: string): Promise<string> {
  await page.click(selector);
  await page
    .locator("#key-status")
    .getByText(/^[^…]+$/)
    .waitFor();
  return await page.locator("#key-status").innerText();
}

const GET = "button[value=get]";
const PUT = "button[value=put]";

/** Deletes the key that is shown, after the question. */
async function confirmDelete(page: Page): Promise<string> {
  await page.click("#delete-ask");
  return await click(page, "#delete-confirm");
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
    expect(await page.locator(".uplot canvas").count()).toBe(8);
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
    expect(await click(page, GET)).toBe("Key not found.");
    await page.click("#put-disclosure summary");
    await page.fill("#value", NASTY);
    expect(await click(page, PUT)).toBe("Stored.");
    const query = `?key=${encodeURIComponent(EMOJI_KEY)}`;
    const found = await (await fetch(`${service.url}/get${query}`)).json();
    expect(found).toMatchObject({ value: NASTY });
    expect(await click(page, GET)).toBe("Found. The value is hidden.");
    expect(await page.locator("#response-value").textContent()).toBe("");
    const facts = await page.locator("#response-facts").innerText();
    for (const fact of ["does not expire", "69\u00a0B, in memory", "Hits", "Age"]) {
      expect(facts).toContain(fact);
    }
    expect(await click(page, "#response-reveal")).toBe("The value is shown.");
    expect(await page.locator("#response-value").innerText()).toBe(NASTY);
    await page.fill("#ttl", "0");
    expect(await click(page, PUT)).toContain('"ttl" is 0; it must be a positive number');
    await click(page, GET);
    await page.click("#delete-ask");
    await page.click("#delete-keep");
    expect(await click(page, GET)).toBe("Found. The value is hidden.");
    expect(await confirmDelete(page)).toBe("Deleted.");
    expect(await click(page, GET)).toBe("Key not found.");
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
  await put(key, "of a hot key");
  await page.locator("#hot-keys button").first().click();
  await page.locator("#key-status").getByText("Found. The value is hidden.").waitFor();
  expect(await page.inputValue("#key")).toBe(key.replace("\r", ""));
  expect(await click(page, "#response-reveal")).toBe("The value is shown.");
  expect(await page.locator("#response-value").innerText()).toBe("of a hot key");
  expect(await page.evaluate("'hacked' in window")).toBe(false);
});

onChromium("finds keys by a pattern, page by page, and opens one in the key form", async () => {
  const entries = Array.from({ length: 120 }, (_, n) => ({ key: `find:${n}`, value: "v" }));
  await fetch(`${service.url}/mput`, { method: "POST", body: JSON.stringify({ entries }) });
  await put(`<b>${NASTY}`, "v");
  await using view = await open();
  const { page } = view;
  const status = page.locator("#keys-status");
  await page.fill("#pattern", "find:*");
  await page.press("#pattern", "Enter");
  await status.getByText("50 keys so far.").waitFor();
  await page.click("#keys-more");
  await status.getByText("100 keys so far.").waitFor();
  await page.click("#keys-more");
  await status.getByText("120 keys, all.").waitFor();
  expect(await page.isHidden("#keys-more")).toBeTrue();
  const listed = await page.locator("#keys bdi").allInnerTexts();
  expect(listed.toSorted()).toEqual(entries.map(({ key }) => key).toSorted());
  await page.locator("#keys button").first().click();
  await page.locator("#key-status").getByText("Found. The value is hidden.").waitFor();
  expect(await page.inputValue("#key")).toBe(listed[0] ?? "");

  await page.fill("#pattern", "<b>*");
  await page.press("#pattern", "Enter");
  await status.getByText("1 key, all.").waitFor();
  expect(await page.locator("#keys bdi").innerText()).toBe(`<b>${NASTY}`);
  await page.fill("#pattern", "nobody:*");
  await page.press("#pattern", "Enter");
  await status.getByText("No key matches.").waitFor();
  expect(view.errors).toEqual([]);
});

onChromium("opens with the history that the service has recorded", async () => {
  const seconds = async (): Promise<number> => {
    const reader = (await fetch(`${service.url}/events`)).body?.getReader();
    const { value } = (await reader?.read()) ?? {};
    await reader?.cancel();
    const [, data = "{}"] =
      /^event: history\ndata: (.*)$/m.exec(new TextDecoder().decode(value)) ?? [];
    return (JSON.parse(data) as { rows?: unknown[] }).rows?.length ?? 0;
  };
  while ((await seconds()) < 4) await Bun.sleep(100);
  await using view = await open();
  // The oldest moment of a chart, which the Home key selects, is one before the page was opened.
  const plot = view.page.locator(".plot").first();
  await plot.press("Home");
  expect(Number(await plot.getAttribute("aria-valuenow"))).toBeLessThanOrEqual(-3);
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
  expect(await page.title()).toBe("connection lost, retrying · ringcache");
  expect(await seriousViolations(page)).toEqual([]);
  await shoot(page, "lost");
  service = await startService(["--workers", "2", "--port", port]);
  await page.locator("#state").getByText("serving", { exact: true }).waitFor();
  expect(await page.isHidden("#notice")).toBeTrue();
  expect(await page.title()).toBe("ringcache");
});

const CLUSTER: UpstreamView = {
  ...{ mode: "cluster", slotsCovered: 10_923, nearHitRatio: 0.942, flushes: 2, inFlight: 17 },
  ...{ nearHitsPerSecond: 81_200, nearMissesPerSecond: 5000, fillsPerSecond: 4800 },
  ...{ dropsPerSecond: 12, invalidationsPerSecond: 640, errorsPerSecond: 3 },
  primaries: [
    { address: "10.0.0.1:6379", isTrusted: true, beatAgeMs: 84, slots: 5461 },
    { address: "10.0.0.2:6379", isTrusted: true, beatAgeMs: 133, slots: 5462 },
    { address: "10.0.0.3:6379", isTrusted: false, beatAgeMs: 41_000, slots: 5461 },
  ],
};

/** Stats that the page receives instead of those of the service, with words that it then shows. */
const STATES: Readonly<Record<string, readonly [Partial<LiveStats>, readonly string[]]>> = {
  full: [
    { memory: { ...sampleStats().memory, usedBytes: 1010 * 2 ** 20, liveBytes: 960 * 2 ** 20 } },
    ["98.6\u00a0% of 1\u00a0GiB", "80.0\u00a0k", "overload", "user:1001"],
  ],
  empty: [
    {
      ...{ requestsPerSecond: 0, hitRatio: null, latencyMs: null, entries: 0, commands: [] },
      ...{ rejections: [], hotKeys: { sampled: 0, oneIn: 127, keys: [] } },
    },
    ["no reads yet", "No requests since the start.", "No reads have been sampled yet."],
  ],
  upstream: [
    { upstream: CLUSTER },
    [
      "A cluster of 3 primaries; 5,461 of 16,384 slots are not connected",
      ...["10.0.0.3:6379", "not trusted", "94.2\u00a0%", "81.2\u00a0k"],
    ],
  ],
};

for (const [name, [changes, words]] of Object.entries(STATES)) {
  for (const [scheme, width] of VIEWS) {
    onChromium(`shows stats of another service: ${name}, ${scheme}, ${width} px`, async () => {
      const nowMs = Date.now();
      const at = (second: number) => sampleStats({ timeMs: nowMs - second * 1000, ...changes });
      const history = new StatsHistory(allocateHistory());
      for (let second = 299; second > 0; second--) history.record(sampleOf(at(second)));
      const past = `event: history\ndata: ${JSON.stringify(history.table())}\n\n`;
      await using view = await open(scheme, width, past + eventOf(at(0)));
      const { page } = view;
      const main = page.locator("main");
      for (const text of words) await main.getByText(text).first().waitFor();
      expect(await page.isVisible("#upstream")).toBe(name === "upstream");
      expect(await seriousViolations(page)).toEqual([]);
      expect(await fitsItsWidth(page)).toBeTrue();
      await shoot(page, `${name}-${scheme}-${width}`);
    });
  }
}

/** Writes a screenshot if SHOTS is set. */
async function shoot(page: Page, name: string): Promise<void> {
  if (SHOTS === undefined) return;
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

for (const [scheme, width] of VIEWS) {
  onChromium(
    `has no serious accessibility violations and no horizontal scrolling: ${scheme}, ${width} px`,
    async () => {
      await put("shown", NASTY);
      await using view = await open(scheme, width);
      const { page } = view;
      await page.click("#shards-disclosure summary");
      await page.click("#put-disclosure summary");
      await page.press("#pattern", "Enter");
      await page.locator("#keys li").first().waitFor();
      await page.fill("#key", "shown");
      await click(page, GET);
      await click(page, "#response-reveal");
      expect(await seriousViolations(page)).toEqual([]);
      expect(await fitsItsWidth(page)).toBeTrue();
      await shoot(page, `${scheme}-${width}`);
      await page.click("#delete-ask");
      expect(await seriousViolations(page)).toEqual([]);
      expect(await fitsItsWidth(page)).toBeTrue();
    },
  );
}
