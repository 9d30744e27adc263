// A node in front of one redis-server, for tests.

import { RedisClient } from "bun";

import { type RedisServer, startRedis } from "../../lib/redis-server.ts";
import { freePort, type ServiceProcess, startService } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";

/** A redis-server, a node in front of it, and a client of each. */
export interface Parts extends AsyncDisposable {
  readonly redis: RedisServer;
  readonly node: ServiceProcess;
  readonly respPort: number;
  readonly near: RedisClient;
  readonly direct: RedisClient;
}

/** Starts them, and returns once the node trusts the upstream. */
export async function start(...options: string[]): Promise<Parts> {
  const redis = await startRedis();
  const respPort = freePort();
  const node = await startService([
    ...["--upstream", `127.0.0.1:${redis.port}`, "--resp-port", `${respPort}`],
    ...["--memory", "32mb", "--workers", "2", "--near-max-stale", "10", ...options],
  ]);
  await until("the node knows the upstream", async () => {
    return (await fetch(`${node.url}/readyz`)).ok;
  });
  const near = new RedisClient(`redis://127.0.0.1:${respPort}`);
  const direct = new RedisClient(`redis://127.0.0.1:${redis.port}`);
  const metrics = async () => await (await fetch(`${node.url}/metrics`)).text();
  await until("the upstream is trusted", async () =>
    / 1$/m.test(/^ringcache_upstream_trusted.*$/m.exec(await metrics())?.[0] ?? ""),
  );
  return {
    ...{ redis, node, respPort, near, direct },
    async [Symbol.asyncDispose]() {
      near.close();
      direct.close();
      await node[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
    },
  };
}

/** Returns a metric without labels. */
export async function figureOf({ url }: ServiceProcess, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^ringcache_${name} (\\d+)$`, "m").exec(text)?.[1]);
}
