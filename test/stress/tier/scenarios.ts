// The scenarios that the short form and the long form share.

import { until } from "../../lib/until.ts";
import { DirectClient, Line } from "./ask.ts";
import { type EngineCluster, ownerOf, startStandalone } from "./engine.ts";
import { OTHER_CHANGES } from "./changes.ts";
import { type CheckReport, check } from "./checker.ts";
import { type Cable, layCable } from "./cut.ts";
import type { Fault } from "./faults.ts";
import { servedFor, startNode, type TierNode, untilNear, untilServed } from "./nodes.ts";
import { AS_USER, missingForPartition } from "./partition.ts";
import type { Rule } from "./rules.ts";

/** Starts two nodes with slow loads, and without the rules of a control. PARTITION cuts the second, if it can. */
export async function startPair(
  engine: EngineCluster,
  ...controls: Rule[]
): Promise<{ nodes: readonly TierNode[] } & AsyncDisposable> {
  const start = (wrapper: readonly string[]) =>
    startNode({ upstream: engine.upstream, rules: ["delay", ...controls], wrapper });
  const nodes = await Promise.all([
    start([]),
    start(missingForPartition() === undefined ? AS_USER : []),
  ]);
  return {
    nodes,
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
    },
  };
}

/** Checks two nodes while this fault happens, or for some time. */
export async function checkUnder(
  engine: EngineCluster,
  nodes: readonly TierNode[],
  fault: Fault,
): Promise<CheckReport> {
  // A fault before this one may have ended connections.
  for (const { redisPort } of nodes) await untilServed(redisPort);
  return await check({ nodes, engine, mayLose: fault.mayLose, during: () => fault.run(engine) });
}

/** The checker's load alone. */
export function quiet(seconds: number): Fault {
  return {
    name: `${seconds} s without a fault`,
    mayLose: false,
    // The contract bounds what reads see, not errors: on a busy machine, commands end at their limit.
    mayFail: true,
    run: () => Bun.sleep(seconds * 1000),
  };
}

/** Returns what a report says against the node; nothing if the contract holds. */
export function complaints(report: CheckReport, { mayFail }: Fault): string[] {
  const { staleAtWriter, staleElsewhere, wrongValues, stuck, errors, reads, writes } = report;
  return [
    ...(staleAtWriter > 0 ? [`${staleAtWriter} stale reads at the writing node`] : []),
    ...(staleElsewhere > 0 ? [`${staleElsewhere} reads older than the bound elsewhere`] : []),
    ...(wrongValues > 0 ? [`${wrongValues} values of other keys`] : []),
    ...stuck.map((key) => `stuck: ${key}`),
    ...(errors > 0 && !mayFail ? [`${errors} errors`] : []),
    ...(reads === 0 || writes === 0 ? ["nothing was read or nothing was written"] : []),
  ];
}

/** Makes each change through another client; resolves once both nodes show it. Throws for one that does not. */
export async function noticeOtherChanges(
  engine: EngineCluster,
  nodes: readonly TierNode[],
): Promise<number> {
  const lines = nodes.map(({ redisPort }) => new Line(redisPort, 10_000));
  const { port } = await ownerOf("{k}", engine);
  using other = new Line(port);
  for (const { name, commands, after } of OTHER_CHANGES) {
    await other.sendAll([
      ["DEL", "{k}"],
      ["SET", "{k}", "1"],
    ]);
    for (const line of lines) {
      await until(`a node reads the value before ${name}`, async () => {
        return (await line.send("GET", "{k}")) === "1";
      });
    }
    await other.sendAll(commands);
    for (const line of lines) {
      await until(`a node notices ${name}`, async () => (await line.send("GET", "{k}")) === after);
    }
  }
  for (const line of lines) line[Symbol.dispose]();
  return OTHER_CHANGES.length;
}

/** FLUSHALL by another client while a node loads the key: afterwards the node must not have it. */
export async function raceFlushes(rounds: number): Promise<number> {
  await using engine = await startStandalone();
  await using node = await startNode({ upstream: engine.upstream, rules: ["delay"] });
  using other = new Line(engine.servers[0]?.port ?? 0);
  using line = new Line(node.redisPort, 10_000);
  let stale = 0;
  for (let round = 0; round < rounds; round++) {
    await other.send("SET", "k", `${round}`);
    await Promise.all([line.send("GET", "k"), other.send("FLUSHALL")]);
    // The answer to this write follows the invalidation of the flush to the node's tracker or is ahead of
    // it by the lag; a value that was kept in spite of the flush stays.
    await line.send("SET", "other", `${round}`);
    const startMs = performance.now();
    while ((await line.send("GET", "k")) !== null) {
      if (performance.now() - startMs < 1000) continue;
      stale++;
      await line.send("DEL", "k");
      break;
    }
  }
  return stale;
}

/**
 * Pipelines of GETs, each at first with keys that are not near; then commands whose keys are in many slots. Throws
 * for a wrong reply.
 */
export async function readInPipelines(node: TierNode, engine: EngineCluster): Promise<void> {
  using direct = new DirectClient(engine.servers.map(({ port }) => port));
  using line = new Line(node.redisPort, 10_000);
  for (const length of [1, 2, 16, 300]) {
    const keys = Array.from({ length }, (_, n) => `pipeline:${length}:${n}`);
    for (const key of keys) await direct.send("SET", key, key);
    for (const kind of ["cold", "near"]) {
      const replies = await line.sendAll(keys.map((key) => ["GET", key]));
      if (replies.join() !== keys.join())
        throw new Error(`${length} ${kind} GETs: ${replies.join()}`);
    }
    const counts = await line.sendAll(
      ["EXISTS", "DEL", "EXISTS"].map((command) => [command, ...keys]),
    );
    if (counts.join() !== [length, length, 0].join())
      throw new Error(`EXISTS, DEL and EXISTS of ${length} keys: ${counts.join()}`);
  }
}

/** Keys of the bytes fe and ff are two keys. Returns their values as the node gives them. */
export async function readByteKeys(node: TierNode, engine: EngineCluster): Promise<unknown[]> {
  using direct = new DirectClient(engine.servers.map(({ port }) => port));
  await direct.send("SET", "\xff", "ff");
  await direct.send("SET", "\xfe", "fe");
  using line = new Line(node.redisPort, 10_000);
  const replies: unknown[] = [];
  for (const key of ["\xff", "\xfe", "\xff", "\xfe"]) replies.push(await line.send("GET", key));
  return replies;
}

/**
 * Cuts a node from its one server for some seconds, while another client writes. Returns for how long the node
 * served the old value, in milliseconds.
 */
export async function staleInCut(seconds: number, ...rules: Rule[]): Promise<number> {
  await using engine = await startStandalone();
  const port = engine.servers[0]?.port ?? 0;
  using cable: Cable = layCable(port);
  await using node = await startNode({
    upstream: ["--upstream", `127.0.0.1:${cable.port}`],
    rules,
  });
  using other = new Line(port);
  using line = new Line(node.redisPort, 10_000);
  await other.send("SET", "k", "old");
  await untilNear(node, "k", "old");
  cable.cut();
  await other.send("SET", "k", "new");
  const staleMs = await servedFor(line, "k", "old", seconds);
  cable.mend();
  await until("the node has the new value", async () => {
    return (await line.send("GET", "k").catch(() => "")) === "new";
  }).catch(() => {
    // A control may keep the old one for ever.
    if (rules.length === 0) throw new Error("the node has kept the old value after the cut");
  });
  return staleMs;
}
