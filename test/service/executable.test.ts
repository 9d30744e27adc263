// The executable of `bun run build`, in an empty folder and with an empty PATH.

import { RedisClient } from "bun";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import packageJson from "../../package.json";
import { endOf, freePort, type ServiceProcess, startProgram } from "../lib/service.ts";

const ROOT = join(import.meta.dir, "../..");
const BYTES_MAX = 115_000_000;

const folder = await mkdtemp(join(tmpdir(), "ringcache-executable-"));
const program = join(folder, "ringcache");
const empty = join(folder, "empty");
const data = join(folder, "data");
// The runtime would extract native code to this folder.
const env = { PATH: "", TMPDIR: empty };

const redisPort = freePort();
let service: ServiceProcess;

beforeAll(async () => {
  await mkdir(empty);
  const build = [join(ROOT, "scripts/build.ts"), "--target", "this", "--out", folder];
  const built = await endOf([process.execPath, ...build], process.env);
  expect(built).toMatchObject({ code: 0, stderr: "" });
  service = await start();
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function start(): Promise<ServiceProcess> {
  const options = ["--resp-port", `${redisPort}`, "--workers", "2", "--data-dir", data];
  return await startProgram(program, options, env, empty);
}

const run = (...args: string[]) => endOf([program, ...args], env, empty);

test(`it has at most ${BYTES_MAX / 1e6} MB`, () => {
  expect(Bun.file(program).size).toBeLessThan(BYTES_MAX);
});

describe("the service", () => {
  test("serves both ports, scripts and metrics", async () => {
    const body = JSON.stringify({ key: "k", value: "v" });
    expect((await fetch(`${service.url}/put`, { method: "POST", body })).status).toBe(200);
    const redis = new RedisClient(`redis://127.0.0.1:${redisPort}`);
    expect(await redis.get("k")).toBe("v");
    const script = "return redis.call('get', KEYS[1]) .. cjson.encode({1})";
    expect(await redis.send("EVAL", [script, "1", "k"])).toBe("v[1]");
    redis.close();
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toContain(`ringcache_build_info{version="${packageJson.version}"`);
  });

  test("serves the dashboard with its script and its styles", async () => {
    const page = await fetch(service.url);
    expect(page.headers.get("content-type")).toStartWith("text/html");
    const html = await page.text();
    const names = [...html.matchAll(/(?:src|href)="\.?\/?(dashboard\/[^"]+)"/g)];
    const types = names.map(async ([, name = ""]) => {
      const file = await fetch(`${service.url}/${name}`);
      expect([name, file.status]).toEqual([name, 200]);
      expect((await file.text()).length).toBeGreaterThan(1000);
      return file.headers.get("content-type")?.split(";")[0];
    });
    expect((await Promise.all(types)).toSorted()).toEqual(["text/css", "text/javascript"]);
  });

  test("loads after a restart what it saved", async () => {
    service.kill("SIGTERM");
    expect(await service.exit).toMatchObject({ code: 0, stderr: "" });
    service = await start();
    const found = await fetch(`${service.url}/get?key=k`);
    expect(await found.json()).toEqual({ status: "OK", key: "k", value: "v" });
  });

  test("writes no file beside its data", async () => {
    expect(await readdir(empty)).toEqual([]);
  });
});

describe("its subcommands", () => {
  test("--version and --help print their text", async () => {
    const version = { code: 0, stdout: `${packageJson.version}\n`, stderr: "" };
    expect(await run("--version")).toEqual(version);
    const { code, stdout } = await run("--help");
    expect([code, stdout]).toEqual([0, expect.stringContaining("ringcache check-snapshot")]);
  });

  test("check-snapshot describes the snapshot", async () => {
    const { code, stdout } = await run("check-snapshot", join(data, "ringcache.snapshot"));
    expect([code, stdout]).toEqual([0, expect.stringContaining("\n1 entry: 1 bytes of keys")]);
  });

  test("top prints the stats of the service", async () => {
    const { code, stdout } = await run("top", "--once", "--url", service.url);
    expect([code, stdout]).toEqual([0, expect.stringContaining(" entries=1 ")]);
  });

  test("loadtest measures the service", async () => {
    const { port } = new URL(service.url);
    const options = ["-n", "500", "-c", "5", "--host", "127.0.0.1", "--port", port, "--json"];
    const { code, stdout } = await run("loadtest", ...options);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { requests: 500, error_count: 0 }]);
  });
});
