// Nodes of ringcache in front of an engine: each a process with two workers.

import { freePort, type ServiceProcess, startService } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";
import { Line } from "./ask.ts";
import { type Rule, RULES_VARIABLE } from "./rules.ts";

export interface TierNode extends AsyncDisposable {
  readonly service: ServiceProcess;
  readonly httpPort: number;
  readonly redisPort: number;
}

export interface NodeOptions {
  /** The options that name the servers of the upstream. */
  readonly upstream: readonly string[];
  readonly rules?: readonly Rule[];
  readonly options?: readonly string[];
  /** A command that runs another command. */
  readonly wrapper?: readonly string[];
}

const MAIN = new URL("node-main.ts", import.meta.url).pathname;

/** The names under which the nodes may keep values near; the default of --near-max-stale is 1 s. */
export const MAX_STALE_MS = 1000;

/** Starts a node; resolves when it is ready and its primaries are trusted. */
export async function startNode(node: NodeOptions): Promise<TierNode> {
  const { upstream, rules = [], options = [], wrapper = [] } = node;
  const redisPort = freePort();
  const own = ["--workers", "2", "--memory", "64mb", "--resp-port", `${redisPort}`];
  const service = await startService(
    [...own, ...upstream, ...options],
    { [RULES_VARIABLE]: rules.join(",") },
    rules.length === 0 ? wrapper : [...wrapper, process.execPath, MAIN],
  );
  await until("the node is ready", async () => {
    const response = await fetch(`${service.url}/readyz`);
    return response.status === 200 && !(await response.text()).includes("degraded");
  });
  await untilServed(redisPort);
  return {
    service,
    httpPort: Number(new URL(service.url).port),
    redisPort,
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}

/** Resolves once the node serves keys of all primaries by all its workers. Absent keys are never near. */
export async function untilServed(redisPort: number): Promise<void> {
  await until("the node serves all keys", async () => {
    const lines = Array.from({ length: 8 }, () => new Line(redisPort, 10_000));
    const reads = lines.flatMap((line, connection) =>
      Array.from({ length: 12 }, (_, n) => line.send("GET", `absent:${connection}:${n}`)),
    );
    const results = await Promise.allSettled(reads);
    for (const line of lines) line[Symbol.dispose]();
    return results.every(({ status }) => status === "fulfilled");
  });
}

/** Resolves once the node serves this value of the key from its near cache: a load alone may not be kept. */
export async function untilNear(node: TierNode, key: string, value: string): Promise<void> {
  using line = new Line(node.redisPort, 10_000);
  const hits = async () => {
    const metrics = await (await fetch(`${node.service.url}/metrics`)).text();
    return Number(/^ringcache_near_hits_total (\d+)/m.exec(metrics)?.[1]);
  };
  await until(`the node has ${key} near`, async () => {
    const before = await hits();
    return (await line.send("GET", key)) === value && (await hits()) > before;
  });
}

/** Reads the key for some seconds. Returns for how many milliseconds of them it had this value; errors are none. */
export async function servedFor(
  line: Line,
  key: string,
  value: string,
  seconds: number,
): Promise<number> {
  const startMs = performance.now();
  let lastMs = startMs;
  while (performance.now() - startMs < seconds * 1000) {
    const askedMs = performance.now();
    if ((await line.send("GET", key).catch(() => "an error")) === value) lastMs = askedMs;
    await Bun.sleep(10);
  }
  return lastMs - startMs;
}
