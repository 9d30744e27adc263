// `ringcache health`, which the health check of the image runs.

import { expect, test } from "bun:test";

import { Certificates } from "../../lib/certificates.ts";
import { freePort, runToEnd, startService } from "../../lib/service.ts";

const check = async (env: Record<string, string>, ...options: string[]) =>
  await runToEnd(["health", ...options], env);

test("the check finds the port as the service does, also beside a Kubernetes service of that name", async () => {
  await using service = await startService([
    "--auth-token",
    "secret",
    "--allowed-hosts",
    "a.example",
  ]);
  const { port } = new URL(service.url);
  const healthy = { code: 0, stdout: `http://127.0.0.1:${port}/readyz: 200\n`, stderr: "" };
  expect(await check({ RINGCACHE_PORT: port })).toEqual(healthy);
  expect(await check({ RINGCACHE_PORT: "", PORT: port })).toEqual(healthy);
  expect(await check({ RINGCACHE_PORT: "tcp://10.0.0.1:7171", PORT: port })).toEqual(healthy);
  expect(await check({ RINGCACHE_PORT: "1" }, "--port", port)).toEqual(healthy);
  for (const RINGCACHE_HOST of ["auto", "0.0.0.0", "127.0.0.1"]) {
    expect(await check({ RINGCACHE_PORT: port, RINGCACHE_HOST })).toEqual(healthy);
  }
  const proxy = { HTTP_PROXY: "http://127.0.0.1:9", http_proxy: "http://127.0.0.1:9" };
  expect(await check({ ...proxy, no_proxy: "example.org", RINGCACHE_PORT: port })).toEqual(healthy);
});

test("a service that does not listen, or an invalid option, is exit code 1 with one line", async () => {
  const port = String(freePort());
  const { code, stdout, stderr } = await check({ RINGCACHE_PORT: port });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toStartWith(`health: http://127.0.0.1:${port}/readyz: `);
  expect(await check({ RINGCACHE_PORT: "x" })).toEqual({
    ...{ code: 1, stdout: "" },
    stderr: `health: RINGCACHE_PORT: "x" is not a whole number from 0 to 65535\n`,
  });
});

test("a service that drains is unhealthy, and the line has its reason", async () => {
  await using service = await startService(["--drain-seconds", "1h"]);
  const { port } = new URL(service.url);
  service.kill("SIGTERM");
  for (;;) {
    const { code, stderr } = await check({ RINGCACHE_PORT: port });
    if (code === 0) continue;
    expect([code, stderr]).toEqual([1, expect.stringContaining("/readyz: 503 ")]);
    expect(stderr).toContain("draining");
    break;
  }
});

test("a service that accepts and does not respond is unhealthy after the timeout", async () => {
  using silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { code, stderr } = await check({ PORT: String(silent.port) }, "--timeout", "100ms");
  expect([code, stderr]).toEqual([1, expect.stringContaining("timed out")]);
});

test("the check speaks TLS, and shows the certificate of the service where clients need one", async () => {
  await using certificates = await Certificates.create();
  const cert = certificates.certOf("client");
  const key = certificates.keyOf("client");
  const plain = { RINGCACHE_TLS_CERT: cert, RINGCACHE_TLS_KEY: key };
  for (const env of [plain, { ...plain, RINGCACHE_TLS_CA: certificates.certOf("authority") }]) {
    await using service = await startService([], env);
    const { port } = new URL(service.url);
    expect(await check({ ...env, RINGCACHE_PORT: port })).toEqual({
      ...{ code: 0, stdout: `https://127.0.0.1:${port}/readyz: 200\n`, stderr: "" },
    });
    expect((await check({ RINGCACHE_PORT: port })).code).toBe(1);
  }
});
