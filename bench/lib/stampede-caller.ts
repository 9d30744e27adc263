// One process of the bench of stampedes. Reads a line of JSON with a round, calls the cache from many
// callers at once, and writes a line of JSON with what they have seen.

import { createInterface } from "node:readline";

import { connect } from "../../dist/client.js";

export interface Round {
  readonly url: string;
  /** URL of the Redis port: the callers use RC.GET and RC.SET, with a connection each. */
  readonly redisUrl?: string;
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
  const { redisUrl } = round;
  const clients = redisUrl === undefined ? [] : await connectAll(redisUrl, callers);
  const receivedMs: number[] = [];
  const startedMs = now();
  const call = async (_: unknown, caller: number): Promise<unknown> => {
    const client = clients[caller];
    const value = await (client !== undefined
      ? wrapOverRedis(client, key, lease, work)
      : withLeases
        ? cache.wrap(key, work, { lease })
        : plain());
    receivedMs.push(now());
    return value;
  };
  const values = await Promise.all(Array.from({ length: callers }, call));
  for (const client of clients) client.close();
  return { startedMs, calls, receivedMs, values: [...new Set(values)] };
}

async function connectAll(url: string, count: number): Promise<Bun.RedisClient[]> {
  const clients = Array.from({ length: count }, () => new Bun.RedisClient(url));
  await Promise.all(clients.map((client) => client.connect()));
  return clients;
}

/** As `wrap` of the client: returns the value, or computes it with a lease. */
async function wrapOverRedis(
  client: Bun.RedisClient,
  key: string,
  lease: number,
  work: () => Promise<string>,
): Promise<string> {
  for (;;) {
    const reply: unknown = await client.send("RC.GET", [key, "LEASE", `${lease}`, "WAIT", "5"]);
    const { value, lease: token } = reply as { value: string | null; lease: string | null };
    if (value !== null) return value;
    if (token === null) continue;
    const computed = await work();
    await client.send("RC.SET", [key, computed, "LEASE", token]);
    return computed;
  }
}

if (import.meta.main) {
  console.log("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await run(JSON.parse(line) as Round)));
  }
}
