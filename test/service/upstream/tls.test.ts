// A node in front of a redis-server with TLS and users. Skipped whole without such a redis-server.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { RedisClient } from "bun";

import { Certificates } from "../../lib/certificates.ts";
import { startRedis, type RedisServer } from "../../lib/redis-server.ts";
import { freePort, startService } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";

const PASSWORD = "p&ss/w@rd:%20";
const isMissing = Bun.which("redis-server") === null;
if (isMissing) console.log("skipped: the tests of --upstream with TLS need redis-server");

describe.skipIf(isMissing)("a node in front of redis-server with TLS and a password", () => {
  let certificates: Certificates;
  let redis: RedisServer;
  let folder: string;
  let direct: RedisClient;
  const tlsPort = freePort();
  const passwordFile = () => join(folder, "password");

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "ringcache-upstream-"));
    await Bun.write(passwordFile(), `${PASSWORD}\n`);
    await Bun.write(join(folder, "wrong"), "wrong");
    certificates = await Certificates.create();
    await certificates.make("server", { authority: "authority" });
    redis = await startRedis(
      ...["--tls-port", `${tlsPort}`, "--tls-auth-clients", "no"],
      ...["--tls-cert-file", certificates.certOf("server")],
      ...["--tls-key-file", certificates.keyOf("server")],
      ...["--tls-ca-cert-file", certificates.certOf("authority")],
      ...["--user", "near", "on", `>${PASSWORD}`, "~*", "&*", "+@all"],
    );
    direct = new RedisClient(`redis://127.0.0.1:${redis.port}`);
  });
  afterAll(async () => {
    direct?.close();
    await redis?.[Symbol.asyncDispose]();
    await certificates?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const start = (user: string, password: string, ca: string, respPort = freePort()) =>
    startService([
      ...["--upstream", `rediss://${user}@127.0.0.1:${tlsPort}`, "--resp-port", `${respPort}`],
      ...["--upstream-password-file", password, "--upstream-tls-ca", ca],
      ...["--memory", "32mb", "--workers", "1", "--near-max-stale", "10"],
      ...["--upstream-timeout", "30"],
    ]);

  test("reads become near, writes arrive, and changes of others end near values", async () => {
    const respPort = freePort();
    const ca = certificates.certOf("authority");
    await using node = await start("near", passwordFile(), ca, respPort);
    await until("the node is ready", async () => (await fetch(`${node.url}/readyz`)).ok);
    const near = new RedisClient(`redis://127.0.0.1:${respPort}`);
    await near.set("k", "own");
    expect(await direct.get("k")).toBe("own");
    const metrics = async () => await (await fetch(`${node.url}/metrics`)).text();
    await until("a read is near", async () => {
      expect(await near.get("k")).toBe("own");
      return /^ringcache_near_hits_total [1-9]/m.test(await metrics());
    });
    await direct.set("k", "of another");
    await until("the change is seen", async () => (await near.get("k")) === "of another");
    near.close();
  });

  test.each([
    ["a wrong password", "near", "wrong", "authority", "WRONGPASS"],
    ["an unknown user", "nobody", "password", "authority", "WRONGPASS"],
    ["another authority", "near", "password", "stranger", "certificate"],
  ])("with %s it is not ready, and the log says why", async (_, user, file, ca, reason) => {
    await using node = await start(user, join(folder, file), certificates.certOf(ca));
    await until("the log says why", async () => (await node.stdout()).includes(reason));
    expect((await fetch(`${node.url}/readyz`)).status).toBe(503);
    expect(await node.stdout()).not.toContain(PASSWORD);
  });
});
