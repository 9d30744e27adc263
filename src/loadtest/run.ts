// Drives a workload over its connections and measures it: closed loop (the next
// request goes when an answer comes) or open loop (at a fixed rate, measured
// from when a request was due, so that a stall counts for all that had to wait).

import { addressOf, Connection, ConnectionError } from "./connection.ts";
import type { LoadOptions } from "./options.ts";
import { StoreCounter } from "./tally.ts";
import type { Step, Workload } from "./workload.ts";

/** The run ends early after this number of refused reconnects for each connection. */
const REFUSALS = 10;

/** Nothing accepts connections at the service's address. */
export class NothingListens extends Error {}

export interface RunHooks {
  /** Called after each step. */
  readonly progress?: () => void;
  /** Ends the run at once; a request without an answer yet is not counted. */
  readonly signal?: AbortSignal;
}

/**
 * Runs all steps and answers what came of them, or what had come of them at the signal.
 * Throws NothingListens before the first one.
 */
export async function runLoad(
  options: LoadOptions,
  workload: Workload,
  hooks: RunHooks = {},
): Promise<StoreCounter> {
  const { host, port, token, tls } = options;
  const connections = Array.from(
    { length: options.connections },
    () => new Connection(host, port, token, tls),
  );
  // A service that is silent, or a low rate, must not hold up who ends the run.
  const ended = endOf(hooks.signal);
  try {
    await Promise.race([Promise.all(connections.map((connection) => connection.open())), ended]);
  } catch (error) {
    if (error instanceof ConnectionError) throw new NothingListens(addressOf(host, port));
    throw error;
  }
  const tally = new StoreCounter();
  // A service that has gone is not asked for all that is left.
  const isGone = () => {
    return (tally.errors.get("connection refused") ?? 0) > REFUSALS * connections.length;
  };
  const next = () => (hooks.signal?.aborted === true || isGone() ? undefined : workload.next());
  const perform = async (connection: Connection, step: Step, dueMs: number): Promise<void> => {
    await performStep(connection, step, dueMs, workload, tally);
    hooks.progress?.();
  };
  tally.start();
  const loop =
    options.rate > 0
      ? openLoop(connections, options.rate, next, perform)
      : closedLoop(connections, next, perform);
  await Promise.race([loop, ended]);
  tally.stop();
  for (const connection of connections) connection.close();
  return tally;
}

/** Resolves at the signal; without one, never. */
async function endOf(signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) return;
  const ended = Promise.withResolvers<void>();
  signal?.addEventListener("abort", () => ended.resolve(), { once: true });
  await ended.promise;
}

type Next = () => Step | undefined;
type Perform = (connection: Connection, step: Step, dueMs: number) => Promise<void>;

async function closedLoop(
  connections: readonly Connection[],
  next: Next,
  perform: Perform,
): Promise<void> {
  const drive = async (connection: Connection): Promise<void> => {
    for (let step = next(); step !== undefined; step = next()) {
      await perform(connection, step, performance.now());
    }
  };
  await Promise.all(connections.map(drive));
}

async function openLoop(
  connections: readonly Connection[],
  rate: number,
  next: Next,
  perform: Perform,
): Promise<void> {
  const idle = [...connections];
  let freed = Promise.withResolvers<void>();
  const startMs = performance.now();
  for (let n = 0, step = next(); step !== undefined; n++, step = next()) {
    const dueMs = startMs + (n * 1000) / rate;
    await until(dueMs);
    while (idle.length === 0) {
      freed = Promise.withResolvers<void>();
      await freed.promise;
    }
    const connection = idle.pop();
    if (connection === undefined) throw new Error("an idle connection was taken twice");
    void perform(connection, step, dueMs).then(() => {
      idle.push(connection);
      freed.resolve();
    });
  }
  while (idle.length < connections.length) {
    freed = Promise.withResolvers<void>();
    await freed.promise;
  }
}

/** Timers are good to a millisecond or two: the rest is waited for turn by turn. */
async function until(dueMs: number): Promise<void> {
  const waitMs = dueMs - performance.now();
  if (waitMs > 3) await Bun.sleep(waitMs - 3);
  while (performance.now() < dueMs) await new Promise((resume) => setImmediate(resume));
}

async function performStep(
  connection: Connection,
  step: Step,
  dueMs: number,
  workload: Workload,
  tally: StoreCounter,
): Promise<void> {
  try {
    if (step.kind === "put") return await put(connection, step.key, dueMs, workload, tally);
    const hit = await get(connection, step.key, dueMs, workload, tally);
    if (hit || step.kind === "get") return;
    await put(connection, step.key, performance.now(), workload, tally);
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    tally.error(`connection ${error.message}`);
  }
}

/** Answers false if the service said that there is no such key. */
async function get(
  connection: Connection,
  key: string,
  dueMs: number,
  workload: Workload,
  tally: StoreCounter,
): Promise<boolean> {
  // As of now: a put of another connection that overtakes this get does not make its miss the cache's.
  const first = !workload.wasStored(key);
  const { status, body } = await connection.send("GET", `/get?key=${encodeURIComponent(key)}`);
  tally.request("get", performance.now() - dueMs);
  const answer = objectOf(body);
  if (status === 404 && answer?.["message"] === "Key not found.") {
    tally.miss(first);
    return false;
  }
  if (status !== 200) tally.error(`status ${status}`);
  else if (!isFound(answer, key)) tally.error("bad answer");
  else if (answer["value"] !== workload.valueOf(key)) tally.error("wrong value");
  else tally.hit();
  return true;
}

async function put(
  connection: Connection,
  key: string,
  dueMs: number,
  workload: Workload,
  tally: StoreCounter,
): Promise<void> {
  const request = JSON.stringify({ key, value: workload.valueOf(key) });
  const { status, body } = await connection.send("POST", "/put", request);
  tally.request("put", performance.now() - dueMs);
  if (status !== 200) tally.error(`status ${status}`);
  else if (objectOf(body)?.["status"] !== "OK") tally.error("bad answer");
  else workload.stored(key);
}

type Body = Readonly<Record<string, unknown>>;

/** Whether an answer to a GET has the form of one, whatever the value. */
function isFound(answer: Body | undefined, key: string): answer is Body {
  return (
    answer?.["status"] === "OK" && answer["key"] === key && typeof answer["value"] === "string"
  );
}

function objectOf(body: string): Body | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    // Not JSON: the caller counts a bad answer.
    return undefined;
  }
}
