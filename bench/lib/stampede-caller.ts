// One process of the bench of stampedes. Reads a line of JSON with a round, calls the cache from many
// callers at once, and writes a line of JSON with what they have seen.

import { createInterface } from "node:readline";

import { connect } from "../../dist/client.js";

export interface Round {
  readonly url: string;
  readonly key: string;
  readonly callers: number;
  readonly withLeases: boolean;
  /** Time that the function takes. */
  readonly workMs: number;
  /** Seconds of a lease. */
  readonly lease: number;
  /** The process of the caller that gets the lease ends in the middle of its function. */
  readonly dies: boolean;
}

/** Times are Unix times in milliseconds, with fractions: the processes run on one machine. */
export interface Seen {
  readonly startedMs: number;
  /** When each call of the function began, and ended. */
  readonly calls: readonly { readonly beganMs: number; readonly endedMs: number }[];
  /** When each caller had the value. */
  readonly receivedMs: readonly number[];
  readonly values: readonly unknown[];
}

const now = (): number => performance.timeOrigin + performance.now();

async function run(round: Round): Promise<Seen> {
  const { url, key, callers, withLeases, workMs, lease, dies } = round;
  const cache = connect(url, { timeout: 5 });
  const calls: { beganMs: number; endedMs: number }[] = [];
  const work = async (): Promise<string> => {
    const call = { beganMs: now(), endedMs: 0 };
    calls.push(call);
    // The caller of the bench waits for this line.
    if (dies) console.log(JSON.stringify({ holder: process.pid, beganMs: call.beganMs }));
    await Bun.sleep(workMs);
    call.endedMs = now();
    return key;
  };
  const plain = async (): Promise<unknown> => {
    const found = await cache.get(key);
    if (found !== undefined) return found;
    const value = await work();
    await cache.set(key, value);
    return value;
  };
  const receivedMs: number[] = [];
  const startedMs = now();
  const call = async (): Promise<unknown> => {
    const value = await (withLeases ? cache.wrap(key, work, { lease }) : plain());
    receivedMs.push(now());
    return value;
  };
  const values = await Promise.all(Array.from({ length: callers }, call));
  return { startedMs, calls, receivedMs, values: [...new Set(values)] };
}

if (import.meta.main) {
  console.log("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await run(JSON.parse(line) as Round)));
  }
}
