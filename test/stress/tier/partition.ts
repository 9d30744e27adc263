// A node that is cut from one primary of a cluster by iptables: the node runs as another user, and the packets
// of its connections to that server are dropped in both directions. Other clients are not affected.

import { DirectClient, Line } from "./ask.ts";
import { type EngineCluster, ownerOf, pairOf } from "./engine.ts";
import type { Fault } from "./faults.ts";
import { servedFor, startNode, untilNear } from "./nodes.ts";
import type { Rule } from "./rules.ts";

/** The user of the node: "nobody". */
const USER = "65534";
/** Runs a command as that user. */
export const AS_USER = ["setpriv", `--reuid=${USER}`, "--clear-groups"];

/** The fault for nodes that run as that user; the engine and other nodes see each other. */
export const PARTITION: Fault = {
  name: "partition of a node and a primary for 6 s",
  // After the cut, the kernel of the node sends the writes that have timed out: they replace later ones.
  mayLose: true,
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
export async function staleInPartition(
  engine: EngineCluster,
  seconds: number,
  ...rules: Rule[]
): Promise<number> {
  await using node = await startNode({ upstream: engine.upstream, rules, wrapper: AS_USER });
  using direct = new DirectClient(engine.servers.map(({ port }) => port));
  using line = new Line(node.redisPort, 10_000);
  await direct.send("SET", "k", "old");
  await untilNear(node, "k", "old");
  const { nodePort } = await ownerOf("k", engine);
  return await cutFrom(nodePort, async () => {
    await direct.send("SET", "k", "new");
    return await servedFor(line, "k", "old", seconds);
  });
}

/** Cuts the nodes of USER from the server at this port while `during` runs. */
async function cutFrom<T>(port: number, during: () => Promise<T>): Promise<T> {
  const rules = [
    ["--dport", `${port}`, "-m", "owner", "--uid-owner", USER],
    // Open connections, so that the server's packets are dropped from now on, too.
    ...(await portsOfUser(port)).map((own) => ["--sport", `${port}`, "--dport", `${own}`]),
  ].map((match) => ["OUTPUT", "-o", "lo", "-p", "tcp", ...match, "-j", "DROP"]);
  try {
    for (const rule of rules) await Bun.$`iptables -t mangle -A ${rule}`.quiet();
    return await during();
  } finally {
    for (const rule of rules) await Bun.$`iptables -t mangle -D ${rule}`.nothrow().quiet();
  }
}

/** Returns the ports of the connections that USER has to this port. */
async function portsOfUser(port: number): Promise<number[]> {
  const sockets = (await Bun.file("/proc/net/tcp").text()).split("\n").slice(1);
  return sockets.flatMap((socket) => {
    const [, local = "", remote = "", , , , , user] = socket.trim().split(/\s+/);
    const [own = 0, other = 0] = [local, remote].map((end) =>
      parseInt(end.split(":")[1] ?? "", 16),
    );
    return other === port && user === USER ? [own] : [];
  });
}
