// --drain-seconds: load balancers see that the service stops before its clients do.

import { expect, test } from "bun:test";
import { RedisClient } from "bun";

import { freePort, type ServiceProcess, startService } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";

const statusOf = async (service: ServiceProcess, path: string) =>
  (await fetch(service.url + path)).status;

test("after SIGTERM only /readyz responds with 503, and a later signal ends the draining", async () => {
  const port = freePort();
  const options = ["--workers", "2", "--resp-port", `${port}`, "--drain-seconds", "1h"];
  await using service = await startService(options);
  expect(await statusOf(service, "/readyz")).toBe(200);
  service.kill("SIGTERM");
  await until(
    "/readyz responds with 503",
    async () => (await statusOf(service, "/readyz")) !== 200,
  );
  const refused = await fetch(`${service.url}/readyz`);
  expect([refused.status, await refused.json()]).toEqual([
    503,
    { status: "ERROR", message: "draining" },
  ]);
  // Ctrl-C arrives twice at once, and counts as one request.
  service.kill("SIGTERM");
  for (let n = 0; n < 20; n++) {
    const body = JSON.stringify({ key: `k${n}`, value: "v" });
    const put = await fetch(`${service.url}/put`, { method: "POST", body });
    expect([put.status, put.headers.get("connection")]).not.toContain("close");
    expect(put.status).toBe(200);
    expect(await statusOf(service, "/livez")).toBe(200);
  }
  const client = new RedisClient(`redis://127.0.0.1:${port}`);
  expect(await client.get("k1")).toBe("v");
  client.close();
  const timer = setInterval(() => service.kill("SIGTERM"), 50);
  const { code, stdout } = await service.exit;
  clearInterval(timer);
  expect(code).toBe(0);
  const events = stdout.split("\n").map((line) => line.split(" ").slice(1).join(" "));
  expect(events.slice(1)).toEqual([
    "info draining seconds=3600 signal=SIGTERM",
    "info stopping signal=SIGTERM",
    "info stopped",
    "",
  ]);
});

test("draining ends after --drain-seconds", async () => {
  await using service = await startService(["--drain-seconds", "0.01"]);
  service.kill("SIGTERM");
  const { code, stdout } = await service.exit;
  expect(code).toBe(0);
  expect(stdout).toContain("info draining seconds=0.01 signal=SIGTERM");
});
