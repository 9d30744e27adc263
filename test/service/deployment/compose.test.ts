// compose.yaml and the image's health check, without a container engine.

import { expect, test } from "bun:test";

import { readConfig } from "../../../src/config/config.ts";
import { startService } from "../../lib/service.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;
const fileOf = async (name: string) => await Bun.file(ROOT + name).text();

interface Compose {
  readonly services: {
    readonly ringcache: Record<string, unknown> & { readonly ports: readonly string[] };
  };
  readonly secrets?: Record<string, { readonly file: string }>;
}

const composeOf = (text: string) => Bun.YAML.parse(text) as Compose;

test("compose publishes both ports only to this machine, with a memory limit", async () => {
  const { ringcache } = composeOf(await fileOf("compose.yaml")).services;
  expect(ringcache.ports).toEqual(["127.0.0.1:7171:7171", "127.0.0.1:7172:7172"]);
  expect(ringcache["mem_limit"]).toBe("1g");
  const machine = { memoryBytes: 2 ** 30, descriptors: 2 ** 20, cores: 2 };
  const { memory, plan } = readConfig([], { RINGCACHE_DATA_DIR: "/data" }, machine);
  expect(memory).toBe(2 ** 29);
  expect(plan.neededBytes).toBeLessThan(2 ** 30);
});

test("its example of a secret is valid without the comment signs", async () => {
  const text = await fileOf("compose.yaml");
  const opened = text.replace(
    /^( *)# (RINGCACHE_AUTH|secrets:|  - |  ringcache_token:|    file:)/gm,
    "$1$2",
  );
  const { services, secrets } = composeOf(opened);
  expect(services.ringcache["secrets"]).toEqual(["ringcache_token"]);
  expect(services.ringcache["environment"]).toEqual({
    RINGCACHE_DATA_DIR: "/data",
    RINGCACHE_AUTH_TOKEN_FILE: "/run/secrets/ringcache_token",
  });
  expect(secrets).toEqual({ ringcache_token: { file: "./token" } });
});

test("the health check finds the port, also beside a Kubernetes service of that name", async () => {
  const [, command = ""] = /HEALTHCHECK [^[]*CMD (\[.*\])$/m.exec(await fileOf("Dockerfile")) ?? [];
  const [, ...args] = JSON.parse(command) as string[];
  await using service = await startService(["--workers", "1"]);
  const { port } = new URL(service.url);
  const check = async (env: Record<string, string>) => {
    const child = Bun.spawn([process.execPath, ...args], { env, stderr: "ignore" });
    return await child.exited;
  };
  expect(await check({ RINGCACHE_PORT: port })).toBe(0);
  expect(await check({ RINGCACHE_PORT: "", PORT: port })).toBe(0);
  expect(await check({ RINGCACHE_PORT: "tcp://10.0.0.1:7171", PORT: port })).toBe(0);
  expect(await check({ RINGCACHE_PORT: "1" })).toBe(1);
});
