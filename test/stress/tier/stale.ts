// A primary ends while a node with --stale-if-error has its keys near: what GETs over HTTP return until a replica
// takes over.

import { Line } from "./ask.ts";
import { type EngineCluster, ownerOf, pairOf } from "./engine.ts";
import { healed } from "./faults.ts";
import { startNode, type TierNode, untilNear } from "./nodes.ts";

export interface StaleReport {
  /** Reads of a key that nobody writes; those marked as stale; errors. */
  readonly reads: number;
  readonly stale: number;
  readonly errors: number;
  /** Reads marked as stale of a value that the node had tried to replace. */
  readonly staleAfterWrite: number;
}

const PAUSE_MS = 20;
/** Longer than any failover here. */
const LIMIT_MS = 30_000;

export async function staleWhileGone(engine: EngineCluster): Promise<StaleReport> {
  const options = ["--stale-if-error", "60"];
  await using node = await startNode({ upstream: engine.upstream, options });
  const { primary } = await pairOf(engine);
  const [kept = "", written = ""] = await keysOf(engine, primary.port);
  using direct = new Line(primary.port, 10_000);
  for (const key of [kept, written]) {
    await direct.sendAll([
      ["SET", key, "old"],
      ["WAIT", "1", "5000"],
    ]);
    await untilNear(node, key, "old");
  }
  const counts = { reads: 0, stale: 0, errors: 0, staleAfterWrite: 0 };
  primary.kill("SIGKILL");
  const startMs = performance.now();
  while (performance.now() - startMs < LIMIT_MS) {
    const { isOk, isStale } = await read(node, kept);
    counts.reads++;
    if (!isOk) counts.errors++;
    else if (isStale) {
      // The first one fails, and so ends the near value.
      if (counts.stale++ === 0) await write(node, written);
      const other = await read(node, written);
      if (other.isStale && other.value === "old") counts.staleAfterWrite++;
    } else if (counts.stale > 0) break;
    await Bun.sleep(PAUSE_MS);
  }
  primary.restart();
  await healed(engine);
  return counts;
}

interface ReadValue {
  readonly isOk: boolean;
  readonly isStale: boolean;
  readonly value: unknown;
}

async function read({ service }: TierNode, key: string): Promise<ReadValue> {
  const response = await fetch(`${service.url}/get?key=${key}`);
  const body: unknown = await response.json();
  const { stale, value }: { stale?: unknown; value?: unknown } = Object(body);
  return { isOk: response.ok, isStale: stale === true, value };
}

async function write({ service }: TierNode, key: string): Promise<void> {
  const body = JSON.stringify({ key, value: "new" });
  await fetch(`${service.url}/put`, { method: "POST", body });
}

async function keysOf(engine: EngineCluster, port: number): Promise<string[]> {
  const keys: string[] = [];
  for (let n = 0; keys.length < 2; n++) {
    const key = `gone${n}`;
    if ((await ownerOf(key, engine)).port === port) keys.push(key);
  }
  return keys;
}
