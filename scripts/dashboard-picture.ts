// Makes docs/dashboard.png: starts a service, uses it for five minutes, and photographs its dashboard.
// Run: bun scripts/dashboard-picture.ts; needs chromium.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RedisClient } from "bun";
import { chromium } from "playwright-core";

import { optionsOrExit } from "../bench/lib/options.ts";
import { freePort } from "../bench/lib/peers.ts";
import { startService } from "../bench/lib/server.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const KEYS = 400_000;
const REDIS_CLIENTS = 6;
/** Gets of one round trip of a client. */
const BATCH = 24;
const PAUSE_MS = 30;
/** The load rises and falls with this period. */
const WAVE_MS = 140_000;
const PAGES = 300;
const PAGE_PAUSE_MS = 12;

const { seconds, out, width, height, dark } = optionsOrExit("scripts/dashboard-picture.ts", {
  seconds: { kind: "integer", default: 310, min: 1, max: 3600, help: "seconds of load" },
  out: {
    kind: "text",
    default: join(ROOT, "docs/dashboard.png"),
    placeholder: "a file",
    help: "the picture",
  },
  width: { kind: "integer", default: 1280, min: 300, max: 4000, help: "of the browser" },
  height: { kind: "integer", default: 1076, min: 300, max: 9000, help: "of the browser" },
  dark: { kind: "switch", default: false, help: "the dark colours" },
} as const);
const folder = mkdtempSync(join(tmpdir(), "ringcache-picture-"));
const respPort = freePort();
const service = await startService(undefined, ...serviceArguments());
const { url } = service;
const stopping = new AbortController();
const load = [
  ...Array.from({ length: REDIS_CLIENTS }, (_, client) => readThrough(client)),
  computePages(),
  invalidatePages(),
];
try {
  await Bun.sleep(seconds * 1000);
  await photograph();
} finally {
  stopping.abort();
  await Promise.allSettled(load);
  await service[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
}

function serviceArguments(): string[] {
  const snapshots = ["--data-dir", folder, "--snapshot-interval", "60"];
  return ["--resp-port", `${respPort}`, "--memory", "96mb", ...snapshots];
}

/** Returns a rank below `count`; the logarithm of a rank is equally distributed. */
function popularRank(count: number): number {
  return Math.floor(count ** Math.random()) - 1;
}

/** Reads keys, and stores those that are missing, as the cache in front of a database does. */
async function readThrough(client: number): Promise<void> {
  const redis = new RedisClient(`redis://127.0.0.1:${respPort}`);
  while (!stopping.signal.aborted) {
    const keys = Array.from({ length: BATCH }, () => {
      const rank = popularRank(KEYS);
      return rank % 3 === 0 ? `session:${rank}` : `user:${rank}:profile`;
    });
    const values = await Promise.all(keys.map((key) => redis.get(key)));
    const missing = keys.filter((_, index) => values[index] === null);
    await Promise.all(
      missing.map((key) => {
        const value = "x".repeat(120 + Math.floor(Math.random() * 700));
        return redis.set(key, value, "EX", 30 + Math.floor(Math.random() * 600));
      }),
    );
    const wave = 1 + 0.6 * Math.sin((Date.now() / WAVE_MS) * 2 * Math.PI + client / 4);
    await Bun.sleep(PAUSE_MS * wave);
  }
  redis.close();
}

/** Reads pages over HTTP with leases; one caller computes a page that is missing or stale. */
async function computePages(): Promise<void> {
  const json = (body: object) => ({ method: "POST", body: JSON.stringify(body) });
  for (let round = 0; !stopping.signal.aborted; round++) {
    const key = `page:/products/${popularRank(PAGES)}`;
    const path = `${url}/get?key=${encodeURIComponent(key)}&lease=5&stale=1`;
    const readers = Array.from({ length: 4 }, async () => (await fetch(path)).json());
    for (const { lease } of (await Promise.all(readers)) as { lease?: string }[]) {
      if (lease === undefined) continue;
      const entry = { key, value: "<p>".repeat(80), ttl: 3, stale: 30, tags: ["products"] };
      await fetch(`${url}/put`, json({ ...entry, lease }));
    }
    if (round % 40 === 0) await fetch(`${url}/incr`, json({ key: "visits", by: 0.5 }));
    await Bun.sleep(PAGE_PAUSE_MS);
  }
}

async function invalidatePages(): Promise<void> {
  while (!stopping.signal.aborted) {
    await Bun.sleep(2000);
    await fetch(`${url}/invalidate`, { method: "POST", body: '{"tags":["products"]}' });
  }
}

async function photograph(): Promise<void> {
  const browser = await chromium.launch({
    executablePath: Bun.which("chromium") ?? "chromium",
    // In containers Chromium runs as root, and its sandbox does not work there.
    args: ["--no-sandbox"],
  });
  const page = await browser.newPage({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
  });
  page.setDefaultTimeout(120_000);
  await page.goto(url);
  await page.locator("#state").getByText("serving", { exact: true }).waitFor();
  // Two events later every number is one of a whole second.
  await Bun.sleep(3000);
  await page.screenshot({ path: out });
  await browser.close();
}
