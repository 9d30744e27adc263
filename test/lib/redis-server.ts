// A redis-server of the machine, to compare the service with.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort } from "./service.ts";
import { until } from "./until.ts";

export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  /** Sends a signal, such as SIGSTOP to freeze it. */
  kill(signal: NodeJS.Signals): void;
}

/** Starts a redis-server with its defaults, but without files, on a free port of the loopback, or on that of `--port`. */
export async function startRedis(...options: string[]): Promise<RedisServer> {
  const at = options.indexOf("--port");
  const port = at < 0 ? freePort() : Number(options[at + 1]);
  const folder = await mkdtemp(join(tmpdir(), "ringcache-redis-"));
  const own = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", folder];
  const child = Bun.spawn(["redis-server", ...own, ...options], {
    stdout: "ignore",
    stderr: "inherit",
  });
  await until("redis-server listens", async () => {
    if (child.exitCode !== null) throw new Error(`redis-server has ended: ${child.exitCode}`);
    const socket = { data() {} };
    const client = await Bun.connect({ hostname: "127.0.0.1", port, socket }).catch(
      () => undefined,
    );
    client?.terminate();
    return client !== undefined;
  });
  return {
    port,
    kill: (signal) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      // A frozen one ends as well.
      child.kill("SIGKILL");
      await child.exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
