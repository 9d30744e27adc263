// A primary that ends or stands still, as clients of a node meet it: errors by primary, the gap until the node
// serves its keys again, beside the time until the cluster shows the new primary, and the longest request.

import { Line } from "./ask.ts";
import { type EngineCluster, pairOf, primariesOf } from "./engine.ts";
import { healed } from "./faults.ts";
import type { TierNode } from "./nodes.ts";

export interface Strike {
  /** Errors for keys of the other primaries. */
  readonly otherErrors: number;
  readonly otherRequests: number;
  /** From the signal to the first acknowledged write of a key of the struck primary. */
  readonly gapMs: number;
  /** From the signal until CLUSTER NODES shows another primary. */
  readonly shownMs: number;
  readonly longestMs: number;
  /** The last error, for a reader of the report. */
  readonly lastError: string;
}

const KEYS = 30;
const PAUSE_MS = 20;
/** Longer than any failover here. */
const LIMIT_MS = 60_000;

/** `thaw`: for SIGSTOP, the time until SIGCONT. */
export async function strike(
  engine: EngineCluster,
  node: TierNode,
  signal: "SIGKILL" | "SIGSTOP",
  thawMs = 8000,
): Promise<Strike> {
  const { primary } = await pairOf(engine);
  // A frozen server would delay each look at the cluster by its time limit.
  const servers = engine.servers.filter((server) => server !== primary);
  const { own, others } = await keysBy(engine, primary.port);
  const counts = { otherErrors: 0, otherRequests: 0, longestMs: 0, lastError: "" };
  let isOver = false;
  const timed = async (line: Line, key: string): Promise<boolean> => {
    const startMs = performance.now();
    const isDone = await line.send("SET", key, "v").then(
      () => true,
      (error: unknown) => {
        counts.lastError = String(error);
        return false;
      },
    );
    counts.longestMs = Math.max(counts.longestMs, performance.now() - startMs);
    await Bun.sleep(PAUSE_MS);
    return isDone;
  };
  const loadOthers = async (): Promise<void> => {
    using line = new Line(node.redisPort, LIMIT_MS);
    for (let n = 0; !isOver; n++) {
      counts.otherRequests++;
      if (!(await timed(line, others[n % others.length] ?? ""))) counts.otherErrors++;
    }
  };
  const load = loadOthers();
  const startMs = performance.now();
  primary.kill(signal);
  const shown = (async () => {
    while (performance.now() - startMs < LIMIT_MS) {
      const ports = (await primariesOf({ servers })).map(({ port }) => port);
      if (ports.length === 3 && !ports.includes(primary.port)) break;
      await Bun.sleep(PAUSE_MS);
    }
    return performance.now() - startMs;
  })();
  const gap = (async () => {
    using line = new Line(node.redisPort, LIMIT_MS);
    // The struck primary may still answer what it had received.
    await Bun.sleep(PAUSE_MS);
    while (performance.now() - startMs < LIMIT_MS) if (await timed(line, own[0] ?? "")) break;
    return performance.now() - startMs;
  })();
  const [shownMs, gapMs] = await Promise.all([shown, gap]);
  if (signal === "SIGKILL") primary.restart();
  else {
    await Bun.sleep(Math.max(0, thawMs - (performance.now() - startMs)));
    primary.kill("SIGCONT");
  }
  await healed(engine);
  isOver = true;
  await load;
  return { ...counts, shownMs, gapMs };
}

/** Returns the keys that a server has, and those of the others. */
async function keysBy(
  { servers }: EngineCluster,
  port: number,
): Promise<{ own: string[]; others: string[] }> {
  const keys = Array.from({ length: KEYS }, (_, n) => `strike${n}`);
  const own: string[] = [];
  if (!servers.some((server) => server.port === port))
    throw new Error(`no server has port ${port}`);
  for (const key of keys) {
    using line = new Line(port);
    const isOwn = await line.send("GET", key).then(
      () => true,
      () => false,
    );
    if (isOwn) own.push(key);
  }
  return { own, others: keys.filter((key) => !own.includes(key)) };
}
