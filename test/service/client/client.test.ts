// ringcache/client on each runtime at hand, its size, and its built files.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

import { bundleClient, declareClient } from "../../../scripts/build-client.ts";
import { connect } from "../../../dist/client.js";
import { serve, startService, type ServiceProcess } from "../../lib/service.ts";
import { brokenLaws } from "./contract.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;
const BYTES_MAX = 5 * 1024;
const TIMEOUT_MS = 100_000;
const CHROMIUM = Bun.which("chromium");

let service: ServiceProcess;
let folder: string;
/** The contract with the client, as one file of JavaScript. */
let script: string;

beforeAll(async () => {
  service = await startService(["--workers", "2"]);
  folder = await mkdtemp(join(tmpdir(), "ringcache-client-"));
  script = join(folder, "contract.mjs");
  const { outputs } = await Bun.build({
    entrypoints: [join(import.meta.dir, "runtime.ts")],
    target: "browser",
    format: "esm",
  });
  await Bun.write(script, await (outputs[0] as Blob).text());
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

test(
  "the client keeps its contract on Bun",
  async () => {
    expect(await brokenLaws(service.url, connect)).toEqual([]);
  },
  TIMEOUT_MS,
);

for (const [name, ...flags] of [["node"], ["deno", "run", "--allow-net"]] as const) {
  const program = Bun.which(name);
  if (program === null) console.log(`skipped, not installed: ${name}`);
  test.skipIf(program === null)(
    `the client keeps its contract on ${name}`,
    async () => {
      const child = Bun.spawn([program ?? "", ...flags, script, service.url], { stderr: "pipe" });
      const [printed, errors] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      expect([printed.trim(), errors]).toEqual(["[]", ""]);
    },
    TIMEOUT_MS,
  );
}

if (CHROMIUM === null) console.log("skipped, not installed: chromium");
test.skipIf(CHROMIUM === null)(
  "the client keeps its contract on Chromium",
  async () => {
    const browser = await chromium.launch({
      ...{ executablePath: CHROMIUM ?? "", args: ["--no-sandbox"], timeout: TIMEOUT_MS },
    });
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(TIMEOUT_MS);
      await page.goto(`${service.url}/livez`);
      const code = await Bun.file(script).text();
      await page.addScriptTag({ content: code, type: "module" });
      const broken = await page.evaluate(
        `new Promise((resolve) => {
          const look = () => (globalThis.runContract ? resolve(globalThis.runContract(${JSON.stringify(service.url)})) : setTimeout(look, 10));
          look();
        })`,
      );
      expect(broken).toEqual([]);
    } finally {
      await browser.close();
    }
  },
  TIMEOUT_MS,
);

test(`the client has at most ${BYTES_MAX} bytes, minified and compressed`, async () => {
  const compressed = Bun.gzipSync(Buffer.from(await bundleClient(true)));
  expect(compressed.length).toBeLessThanOrEqual(BYTES_MAX);
});

test("dist has the client of src: run `bun scripts/build-client.ts` after a change", async () => {
  const { code: built } = await formatted(await bundleClient(false));
  expect(await Bun.file(`${ROOT}dist/client.js`).text()).toBe(built);
  expect(await Bun.file(`${ROOT}dist/client.d.ts`).text()).toBe(await declareClient());
});

test("the package exports the client with its types", async () => {
  const found = await import("ringcache/client");
  expect(Object.keys(found).toSorted()).toEqual(["CacheError", "connect"]);
});

test("a wrong token is an error of the service", async () => {
  await using guarded = serve("--auth-token", "full", "--read-token", "reader");
  const errors: unknown[] = [];
  for (const token of ["wrong", "reader"]) {
    const cache = connect(guarded.url, { token, onError: (error) => errors.push(error) });
    expect(await cache.wrap("k", () => token)).toBe(token);
    const status = token === "wrong" ? 401 : 403;
    expect(cache.set("k", 1)).rejects.toMatchObject({ status });
  }
  const cache = connect(guarded.url, { token: "full" });
  await cache.set("k", 1);
  expect(await cache.get<number>("k")).toBe(1);
  expect(errors.length).toBeGreaterThan(0);
});

/** Formats a file as the repository does. */
async function formatted(code: string): Promise<{ code: string }> {
  const file = join(folder, "client.js");
  await Bun.write(file, code);
  const config = Bun.file(`${ROOT}bunfig.toml`);
  await Bun.write(join(folder, "bunfig.toml"), config);
  await Bun.$`${process.execPath} fmt ${file}`.cwd(ROOT).quiet();
  return { code: await Bun.file(file).text() };
}
