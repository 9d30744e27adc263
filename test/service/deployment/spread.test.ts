// The examples of docs/scaling.md: nginx and HAProxy spread keys over three nodes as it says, and the settings
// of its containers are options of the service. A proxy that is missing is skipped.

import { describe, expect, test } from "bun:test";

import { readConfig } from "../../../src/config/config.ts";
import { type Proxy, HAPROXY, NGINX, startProxy } from "../../stress/proxies/proxies.ts";
import { startService } from "../../lib/service.ts";

const KEYS = 200;
const PORTS = ["7171", "7181", "7191"];

const page = await Bun.file(new URL("../../../docs/scaling.md", import.meta.url)).text();

for (const proxy of [NGINX, HAPROXY]) {
  const isMissing = Bun.which(proxy.name) === null;
  if (isMissing) console.log(`skipped: the example for ${proxy.name} needs ${proxy.name}`);
  test.skipIf(isMissing)(`${proxy.name} finds each key at the node that has it`, async () => {
    await using one = await startService();
    await using two = await startService();
    await using three = await startService();
    const ports = [one, two, three].map(({ url }) => new URL(url).port);
    await using running = await startProxy(exampleOf(proxy, ports), one.url);
    expect(await found(running.url, (key) => `?key=${key}`, "with")).toBe(KEYS);
    // The control: without the key in its URL, a put reaches any node.
    expect(await found(running.url, () => "", "without")).toBeLessThan(KEYS);
  });
}

/** Puts and gets keys through a proxy; returns how many were found. */
async function found(url: string, query: (key: string) => string, name: string): Promise<number> {
  let count = 0;
  for (let n = 0; n < KEYS; n++) {
    const key = `${name}${n}`;
    const body = JSON.stringify({ key, value: "v" });
    const put = await fetch(`${url}/put${query(key)}`, { method: "POST", body });
    expect(put.status).toBe(200);
    if ((await fetch(`${url}/get?key=${key}`)).status === 200) count++;
  }
  return count;
}

/** The proxy with the example of the page, at these ports. */
function exampleOf(proxy: Proxy, ports: readonly string[]): Proxy {
  const [, block = ""] = new RegExp(`^\`\`\`${proxy.name}\n(.*?)^\`\`\``, "ms").exec(page) ?? [];
  expect(PORTS.every((port) => block.includes(`127.0.0.1:${port}`))).toBe(true);
  const at = (port: number) =>
    PORTS.reduce(
      (text, shown, n) => text.replace(`127.0.0.1:${shown}`, `127.0.0.1:${ports[n]}`),
      block,
    ).replace("127.0.0.1:8080", `127.0.0.1:${port}`);
  const config = (port: number, backend: number, folder: string): string => {
    const standard = proxy.config(port, backend, folder);
    const isNginx = proxy.name === "nginx";
    const start = standard.indexOf(isNginx ? "upstream cache" : "frontend");
    return `${standard.slice(0, start)}${at(port)}${isNginx ? "}" : ""}\n`;
  };
  return { ...proxy, config };
}

describe("the deployments of docs/scaling.md", () => {
  const blocks = [...page.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, block = ""]) => block);

  test("are valid YAML, with options that the service accepts", () => {
    const [values = "", ...others] = blocks.toReversed();
    expect(others).toHaveLength(2);
    const { options } = Bun.YAML.parse(values) as { options: object };
    const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    expect(readConfig(flags, {}).upstream).not.toBe("");
    for (const block of others) {
      Bun.YAML.parse(block);
      const named = block.matchAll(/(RINGCACHE_\w+)(?:: |, value: )"?([^"\s}]+)/g);
      const env = Object.fromEntries([...named].map(([, name, value]) => [name, value]));
      expect(Object.keys(env)).toContain("RINGCACHE_UPSTREAM");
      expect(readConfig([], env).upstream).not.toBe("");
    }
  });
});
