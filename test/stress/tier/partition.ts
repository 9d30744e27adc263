// A node that is cut from one primary of a cluster by iptables: the node runs as another user, and the packets
// of its connections to that server are dropped in both directions. Other clients are not affected.

import { until } from "../../lib/until.ts";
import { DirectClient, Line } from "./ask.ts";
import { type EngineCluster, pairOf } from "./engine.ts";
import type { Fault } from "./faults.ts";
import { startNode } from "./nodes.ts";

/** The user of the node: "nobody". */
const USER = "65534";
const MARK = "7171";
/** Runs a command as that user. */
export const AS_USER = ["setpriv", `--reuid=${USER}`, "--clear-groups"];

/** The fault for nodes that run as that user; the engine and other nodes see each other. */
export const PARTITION: Fault = {
  name: "partition of a node and a primary for 6 s",
  mayLose: false,
  mayFail: true,
  async run(engine) {
    const { primary } = await pairOf(engine);
    await cutFrom(primary.nodePort, () => Bun.sleep(6000));
  },
};

/** Returns what is missing for a partition, or undefined if it can be made. */
export function missingForPartition(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  const missing = ["iptables", "setpriv"].filter((name) => Bun.which(name) === null);
  return missing.length === 0 ? undefined : `needs ${missing.join(" and ")}`;
}

/** Returns for how long a node that is cut from one primary serves an old value of it, in milliseconds. */
export async function staleInPartition(engine: EngineCluster, seconds: number): Promise<number> {
  await using node = await startNode({ upstream: engine.upstream, wrapper: AS_USER });
  using direct = new DirectClient(engine.servers.map(({ port }) => port));
  using line = new Line(node.redisPort, 10_000);
  await direct.send("SET", "k", "old");
  await until("the node has the value near", async () => (await line.send("GET", "k")) === "old");
  const port = await ownerOf("k", engine);
  return await cutFrom(port, async () => {
    await direct.send("SET", "k", "new");
    const startMs = performance.now();
    let lastStaleMs = startMs;
    while (performance.now() - startMs < seconds * 1000) {
      const askedMs = performance.now();
      const value = await line.send("GET", "k").catch(() => "an error");
      if (value === "old") lastStaleMs = askedMs;
      await Bun.sleep(10);
    }
    return lastStaleMs - startMs;
  });
}

/** Cuts the nodes of USER from the server at this port while `during` runs. */
async function cutFrom<T>(port: number, during: () => Promise<T>): Promise<T> {
  const rules = [
    ["OUTPUT", "-p", "tcp", "-m", "owner", "--uid-owner", USER, "--dport", `${port}`].concat([
      ...["-j", "CONNMARK", "--set-mark", MARK],
    ]),
    ["OUTPUT", "-m", "connmark", "--mark", MARK, "-j", "DROP"],
    ["INPUT", "-m", "connmark", "--mark", MARK, "-j", "DROP"],
  ];
  try {
    for (const rule of rules) await Bun.$`iptables -t mangle -A ${rule}`.quiet();
    // A connection is cut from the first packet that the node sends: its next beat.
    await until("a packet is dropped", async () => {
      const listed = await Bun.$`iptables -t mangle -L OUTPUT -v -n -x`.text();
      return Number(/^ *(\d+) .*DROP/m.exec(listed)?.[1] ?? 0) > 0;
    });
    return await during();
  } finally {
    for (const rule of rules) await Bun.$`iptables -t mangle -D ${rule}`.nothrow().quiet();
  }
}

/** Returns the port for nodes of the server that has the key. */
async function ownerOf(key: string, engine: EngineCluster): Promise<number> {
  for (const { port, nodePort } of engine.servers) {
    using line = new Line(port);
    const owns = await line.send("SET", key, "old").then(
      () => true,
      () => false,
    );
    if (owns) return nodePort;
  }
  throw new Error(`no server has ${key}`);
}
