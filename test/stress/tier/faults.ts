// The faults of the checker: what is done to the engine under load, and whether it may lose writes by it.

import { until } from "../../lib/until.ts";
import { ask } from "./ask.ts";
import {
  type EngineCluster,
  isWhole,
  NODE_TIMEOUT_MS,
  pairOf,
  primariesOf,
  redisCli,
} from "./engine.ts";

export interface Fault {
  readonly name: string;
  /** Whether acknowledged writes may be lost by the engine itself, or replaced by writes that have timed out. */
  readonly mayLose: boolean;
  /** Whether a client may meet an error. */
  readonly mayFail: boolean;
  readonly run: (engine: EngineCluster) => Promise<void>;
}

const FREEZE_MS = 8000;
const MOVED_SLOTS = 2000;
const CLIENT_KILLS = 18;

/** Every fault needs a cluster with replicas, and leaves one behind. */
export const FAULTS: readonly Fault[] = [
  {
    name: "kill -9 of a primary",
    mayLose: true,
    mayFail: true,
    async run(engine) {
      const { primary } = await pairOf(engine);
      primary.kill("SIGKILL");
      await primary.child.exited;
      await promoted(engine, primary.port);
      await Bun.sleep(NODE_TIMEOUT_MS);
      primary.restart();
      await healed(engine);
    },
  },
  {
    name: "SIGSTOP of a primary for 8 s",
    mayLose: true,
    mayFail: true,
    async run(engine) {
      const { primary } = await pairOf(engine);
      primary.kill("SIGSTOP");
      try {
        await Bun.sleep(FREEZE_MS);
      } finally {
        primary.kill("SIGCONT");
      }
      await healed(engine);
    },
  },
  {
    name: "CLIENT KILL of all connections",
    mayLose: false,
    mayFail: true,
    async run({ servers }) {
      for (let kill = 0; kill < CLIENT_KILLS; kill++) {
        await Promise.all(
          servers.map(({ port }) =>
            ask(port, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").catch(() => 0),
          ),
        );
        await Bun.sleep(NODE_TIMEOUT_MS / 4);
      }
    },
  },
  {
    name: "2,000 slots moved",
    mayLose: false,
    mayFail: false,
    run: moveSlots,
  },
  {
    name: "CLUSTER FAILOVER",
    mayLose: false,
    mayFail: false,
    async run(engine) {
      const { primary, replica } = await pairOf(engine);
      // Under load before and after.
      await Bun.sleep(NODE_TIMEOUT_MS);
      await ask(replica.port, "CLUSTER", "FAILOVER");
      await promoted(engine, primary.port);
      await healed(engine);
      await Bun.sleep(NODE_TIMEOUT_MS);
    },
  },
  {
    name: "FLUSHALL by another client",
    mayLose: true,
    mayFail: false,
    async run(engine) {
      for (let flush = 0; flush < 5; flush++) {
        const primaries = await primariesOf(engine);
        await Promise.all(primaries.map(({ port }) => ask(port, "FLUSHALL")));
        await Bun.sleep(NODE_TIMEOUT_MS / 4);
      }
    },
  },
];

async function moveSlots(engine: EngineCluster): Promise<void> {
  // redis-cli moves nothing while servers disagree about a slot.
  await healed(engine);
  const [from, to] = (await primariesOf(engine)).toSorted((a, b) => b.slots - a.slots);
  if (from === undefined || to === undefined) throw new Error("there is one primary only");
  const server = engine.servers.find(({ port }) => port === from.port);
  const at = `127.0.0.1:${server?.nodePort}`;
  try {
    await redisCli([
      ...[...engine.cli, "--cluster", "reshard", at, "--cluster-from", from.id],
      ...["--cluster-to", to.id, "--cluster-slots", `${MOVED_SLOTS}`, "--cluster-yes"],
    ]);
  } catch (error) {
    // On a machine that gives a primary no time, its replica takes its place in between.
    if (!String(error).includes("not a master")) throw error;
    await healed(engine);
    await redisCli([...engine.cli, "--cluster", "fix", at]);
    await moveSlots(engine);
  }
}

/** Resolves once the server at this port is no primary. */
async function promoted(engine: EngineCluster, port: number): Promise<void> {
  await until("a replica is promoted", async () => {
    const primaries = await primariesOf(engine);
    return primaries.length === 3 && !primaries.some((primary) => primary.port === port);
  });
}

/** Resolves once there are three primaries, and every server is connected to its primary or is one. */
export async function healed(engine: EngineCluster): Promise<void> {
  await until("every server is in its place", async () => {
    if (!(await isWhole(engine.servers))) return false;
    const infos = await Promise.all(
      engine.servers.map(({ port }) => ask(port, "INFO", "replication").catch(() => "")),
    );
    return infos.every((info) => /role:master|master_link_status:up/.test(String(info)));
  });
}
