// A service with snapshots that is killed at random moments while it is written to:
// what the next start has must be a state that there was, with everything that was
// acknowledged before the last finished snapshot began.
//
// One connection writes, in the order of a sequence, and each number of the sequence says
// its key. So what a shard held at any moment is known: for each of its keys the last
// write up to one number, the same for all keys of the shard.

import { RedisClient } from "bun";

import { xxh32 } from "../../../src/cache/hash.ts";
import { HashRing } from "../../../src/cache/ring.ts";
import { readSnapshot } from "../../../src/snapshot/reader.ts";
import type { Random } from "../../lib/random.ts";
import { freePort, startService } from "../../lib/service.ts";
import { temporaryFolder } from "../../unit/snapshot/saved.ts";

const SHARDS = 16;
const VIRTUAL_NODES = 64;
const KEYS = 3000;
const PIPELINE = 64;
/** The service's time of day may be ahead of the system's by so much (SMALLEST_STEP in src/cache/clock.ts). */
const CLOCK_STEP_MS = 50;
const PADDING = "x".repeat(80);
/** Longest time from a start to its kill. */
const LONGEST_RUN_MS = 2500;

export interface CrashReport {
  readonly kills: number;
  readonly writes: number;
  /** Starts that found a snapshot which was taken in the life before. */
  readonly newSnapshots: number;
  /** Writes acknowledged, and lost with the process as they may be. */
  readonly lostWrites: number;
}

/** Throws at the first start whose state is not one that there was. */
export async function crash(
  kills: number,
  { below }: Random,
  progress: (done: number) => void,
): Promise<CrashReport> {
  await using folder = await temporaryFolder();
  const ring = new HashRing(SHARDS, VIRTUAL_NODES);
  const shardOf = Array.from({ length: KEYS }, (_, key) => {
    const bytes = Buffer.from(nameOf(key));
    return ring.shardOf(xxh32(bytes, 0, bytes.length));
  });
  /** What each key may hold, in the order of the writes: first what the start found, or 0. */
  let written: number[][] = Array.from({ length: KEYS }, () => [0]);
  /** When each number of the sequence was acknowledged. */
  const acknowledgedMs = new Map<number, number>();
  const counts = { writes: 0, newSnapshots: 0, lostWrites: 0 };
  let sequence = 0;
  let savedMs = 0;

  for (let kill = 0; kill <= kills; kill++) {
    const port = freePort();
    await using service = await startService([
      ...["--data-dir", folder.path, "--snapshot-interval", "1", "--resp-port", String(port)],
      ...["--shards", String(SHARDS), "--virtual-nodes", String(VIRTUAL_NODES), "--strict-load"],
      ...["--memory", "64mb", "--max-value-bytes", "1kb", "--workers", "2"],
    ]);
    const client = new RedisClient(`redis://127.0.0.1:${port}`, { autoReconnect: false });
    const found = await stateOf(client);
    const before = await headerMs(folder.file);
    if (before !== savedMs) counts.newSnapshots++;
    savedMs = before;
    check(found, written, shardOf, acknowledgedMs, savedMs - CLOCK_STEP_MS);
    const last = Math.max(...found);
    counts.lostWrites += [...acknowledgedMs.keys()].filter((number) => number > last).length;
    written = found.map((number) => [number]);
    acknowledgedMs.clear();
    progress(kill);
    if (kill === kills) break;

    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      service.kill("SIGKILL");
    }, below(LONGEST_RUN_MS));
    while (!isOver) {
      const batch = Array.from({ length: PIPELINE }, () => {
        const number = ++sequence;
        const key = keyOf(number);
        written[key]?.push(number);
        return client.set(nameOf(key), valueOf(number)).then(
          () => void acknowledgedMs.set(number, Date.now()),
          // Not acknowledged: it may be there or not.
          () => {},
        );
      });
      await Promise.all(batch);
    }
    counts.writes += acknowledgedMs.size;
    clearTimeout(timer);
    client.close();
    await service.exit;
  }
  return { kills, ...counts };
}

/**
 * Throws unless `found`, by key, is of one moment in each shard, and has all that was acknowledged
 * before `savedMs`. `written`: what each key may hold, oldest first.
 */
export function check(
  found: readonly number[],
  written: readonly (readonly number[])[],
  shardOf: readonly number[],
  acknowledgedMs: ReadonlyMap<number, number>,
  savedMs: number,
): void {
  const latest = new Map<number, number>();
  for (const [key, number] of found.entries()) {
    const shard = shardOf[key] ?? 0;
    latest.set(shard, Math.max(latest.get(shard) ?? 0, number));
  }
  for (const [key, number] of found.entries()) {
    const upTo = latest.get(shardOf[key] ?? 0) ?? 0;
    const history = written[key] ?? [];
    const expected = history.findLast((one) => one <= upTo) ?? 0;
    if (number !== expected) {
      throw new Error(
        `${nameOf(key)} has ${number}, its shard is of ${upTo}: it must have ${expected}`,
      );
    }
    const promised =
      history.findLast((one) => (acknowledgedMs.get(one) ?? Infinity) < savedMs) ?? 0;
    if (number < promised) {
      throw new Error(`${nameOf(key)} has ${number} and not ${promised}, which was acknowledged`);
    }
  }
}

/** The number that each key holds; 0 for none. Throws for a value that nobody has put. */
async function stateOf(client: RedisClient): Promise<number[]> {
  const keys = Array.from({ length: KEYS }, (_, key) => nameOf(key));
  const values = await Promise.all(keys.map((key) => client.get(key)));
  return values.map((value, key) => {
    if (value === null) return 0;
    const number = Number(value.split(" ")[0]);
    if (value !== valueOf(number) || keyOf(number) !== key) {
      throw new Error(`${nameOf(key)} has ${value}, which nobody has put`);
    }
    return number;
  });
}

async function headerMs(file: string): Promise<number> {
  if (!(await Bun.file(file).exists())) return 0;
  const { header, damages } = await readSnapshot(file, () => {});
  if (damages.length > 0) throw new Error(`the snapshot is damaged: ${damages.join("; ")}`);
  return header?.savedMs ?? 0;
}

function keyOf(number: number): number {
  return (Math.imul(number, 0x9e3779b1) >>> 0) % KEYS;
}

function nameOf(key: number): string {
  return `key${key}`;
}

function valueOf(number: number): string {
  const body = `${number} ${PADDING.slice(0, number % PADDING.length)}`;
  return `${body} ${Bun.hash.xxHash32(body)}`;
}
