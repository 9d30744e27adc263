// Reads and writes few keys through several nodes, and checks the contract of the near cache:
//
//   same node     a read that begins after a write through this node was acknowledged sees it or a later one
//   other nodes   the same for writes that were acknowledged more than D ago
//   at the end    every node has the value of the engine: no key is stuck
//
// A read that is behind counts as the node's fault only if the engine, asked directly, is ahead of it: a
// failover may lose acknowledged writes, and a write that has timed out may arrive behind later ones. The writer
// of a key waits while the engine is asked.

import { DirectClient } from "./ask.ts";
import { httpClient, redisClient, type VersionClient, versionOf, WrongValue } from "./clients.ts";
import type { EngineCluster } from "./engine.ts";
import { MAX_STALE_MS, type TierNode } from "./nodes.ts";

const KEYS = 50;
const WRITERS = 4;
/** Readers of each node and protocol. */
const READERS = 2;
const WRITER_PAUSE_MS = 4;
const ERROR_TEXTS_MAX = 5;
/** After an error, clients wait as a client with a back-off does. */
const ERROR_PAUSE_MS = 20;
/** A key that differs from the engine's for longer than this at the end is stuck. */
const SETTLE_MS = 5 * MAX_STALE_MS;

export interface CheckOptions {
  readonly nodes: readonly TierNode[];
  readonly engine: EngineCluster;
  /** The load ends when this resolves. */
  readonly during: () => Promise<unknown>;
  /** Whether the engine may lose acknowledged writes: a failover, a FLUSHALL, or a late write. */
  readonly mayLose: boolean;
}

export interface CheckReport {
  reads: number;
  writes: number;
  /** Reads and writes that the node answered with an error. */
  errors: number;
  /** Different texts of errors, the first few. */
  errorTexts: string[];
  staleAtWriter: number;
  /** Reads of other nodes that were behind for longer than D. */
  staleElsewhere: number;
  /** The longest time for which a read of another node was behind, in milliseconds. */
  worstMs: number;
  /** Reads that were behind while a write was in flight, so that the engine cannot decide. */
  undecided: number;
  wrongValues: number;
  stuck: string[];
}

/** What is known of a key. */
interface KeyState {
  readonly name: string;
  /** The latest version whose write has begun. */
  begun: number;
  /** The latest acknowledged version, by node. */
  readonly acknowledged: number[];
  /** Acknowledged versions with the time, oldest first. */
  recent: { readonly version: number; readonly atMs: number }[];
  /** Ends when the present holder of the key is done: its writer, or a check. */
  turn: Promise<void>;
}

export async function check(options: CheckOptions): Promise<CheckReport> {
  const run = new CheckRun(options);
  return await run.report();
}

class CheckRun {
  readonly #options: CheckOptions;
  readonly #keys: KeyState[];
  readonly #direct: DirectClient;
  readonly #clients: VersionClient[] = [];
  readonly #report: CheckReport = {
    ...{ reads: 0, writes: 0, errors: 0, staleAtWriter: 0, staleElsewhere: 0, worstMs: 0 },
    ...{ undecided: 0, wrongValues: 0, stuck: [], errorTexts: [] },
  };
  #isOver = false;

  constructor(options: CheckOptions) {
    this.#options = options;
    this.#direct = new DirectClient(options.engine.servers.map(({ port }) => port));
    this.#keys = Array.from({ length: KEYS }, (_, index) => ({
      name: `k${index}`,
      begun: 0,
      acknowledged: options.nodes.map(() => 0),
      recent: [],
      turn: Promise.resolve(),
    }));
  }

  async report(): Promise<CheckReport> {
    const { nodes, during } = this.#options;
    const loads: Promise<void>[] = [];
    for (let writer = 0; writer < WRITERS; writer++) loads.push(this.#write(writer));
    for (const [number, node] of nodes.entries()) {
      for (let reader = 0; reader < READERS; reader++) {
        loads.push(this.#read(number, this.#open(httpClient(node))));
        loads.push(this.#read(number, this.#open(redisClient(node))));
      }
    }
    try {
      await during();
    } finally {
      this.#isOver = true;
      await Promise.all(loads);
    }
    await this.#findStuck();
    for (const client of this.#clients) client.close();
    this.#direct[Symbol.dispose]();
    return this.#report;
  }

  #open(client: VersionClient): VersionClient {
    this.#clients.push(client);
    return client;
  }

  /** Writes the keys of one writer, each time through another node and protocol. */
  async #write(writer: number): Promise<void> {
    const { nodes } = this.#options;
    const clients = nodes.map((node) => [
      this.#open(httpClient(node)),
      this.#open(redisClient(node)),
    ]);
    const own = this.#keys.filter((_, index) => index % WRITERS === writer);
    while (!this.#isOver) {
      const key = own[below(own.length)];
      const number = below(nodes.length);
      const client = clients[number]?.[below(2)];
      if (key === undefined || client === undefined) throw new Error("there is no key or no node");
      await this.#inTurn(key, async () => {
        const version = ++key.begun;
        try {
          await client.write(key.name, version);
          this.#report.writes++;
          key.acknowledged[number] = version;
          key.recent.push({ version, atMs: performance.now() });
          if (key.recent.length > 500) key.recent.splice(0, 250);
        } catch (error) {
          await this.#failed(error);
        }
      });
      await Bun.sleep(WRITER_PAUSE_MS);
    }
  }

  async #read(number: number, client: VersionClient): Promise<void> {
    while (!this.#isOver) {
      const key = this.#keys[below(KEYS)];
      if (key === undefined) throw new Error("there is no key");
      const startMs = performance.now();
      const atWriter = key.acknowledged[number] ?? 0;
      const latest = key.recent.at(-1);
      const elsewhere = latestBefore(key, startMs - MAX_STALE_MS);
      try {
        const version = await client.read(key.name);
        this.#report.reads++;
        if (version >= atWriter && version >= (latest?.version ?? 0)) continue;
        const missed = key.recent.find((one) => one.version > version);
        const ageMs = startMs - (missed?.atMs ?? startMs);
        await this.#judge(key, {
          ...{ version, ageMs, atWriter, elsewhere },
          known: latest?.version ?? 0,
        });
      } catch (error) {
        await this.#failed(error);
      }
    }
  }

  async #failed(error: unknown): Promise<void> {
    const report = this.#report;
    if (error instanceof WrongValue) report.wrongValues++;
    else report.errors++;
    const text = error instanceof Error ? error.message : String(error);
    const isNew = !report.errorTexts.includes(text);
    if (isNew && report.errorTexts.length < ERROR_TEXTS_MAX) report.errorTexts.push(text);
    await Bun.sleep(ERROR_PAUSE_MS);
  }

  /** Counts a read that is behind, if the engine is ahead of it. */
  async #judge(
    key: KeyState,
    read: { version: number; known: number; ageMs: number; atWriter: number; elsewhere: number },
  ): Promise<void> {
    const { mayLose } = this.#options;
    const report = this.#report;
    if (mayLose) {
      const isDecided = await this.#inTurn(key, () => this.#isAhead(key, read));
      if (isDecided !== true) return;
    }
    if (read.version < read.atWriter) report.staleAtWriter++;
    if (read.version < read.elsewhere) report.staleElsewhere++;
    report.worstMs = Math.max(report.worstMs, read.ageMs);
  }

  async #isAhead(key: KeyState, read: { version: number; known: number }): Promise<boolean> {
    const found = await this.#askEngine(key);
    if (found === undefined) {
      this.#report.undecided++;
      return false;
    }
    if (found <= read.version) {
      // The engine has lost what it acknowledged, or a late write has replaced it.
      for (const node of key.acknowledged.keys()) key.acknowledged[node] = 0;
      key.recent = [];
      return false;
    }
    // A version that was not acknowledged when the read began may be of a write after it.
    if (found <= read.known) return true;
    this.#report.undecided++;
    return false;
  }

  async #askEngine(key: KeyState): Promise<number | undefined> {
    const answer = await this.#direct.send("GET", key.name).catch(() => undefined);
    return answer === undefined ? undefined : versionOf(key.name, answer);
  }

  /** Runs one holder of the key after another. */
  async #inTurn<T>(key: KeyState, work: () => Promise<T>): Promise<T> {
    const before = key.turn;
    const done = Promise.withResolvers<void>();
    key.turn = done.promise;
    await before;
    try {
      return await work();
    } finally {
      done.resolve();
    }
  }

  async #findStuck(): Promise<void> {
    const { nodes } = this.#options;
    await Bun.sleep(MAX_STALE_MS);
    for (const [number, node] of nodes.entries()) {
      const client = this.#open(httpClient(node));
      for (const key of this.#keys) {
        const endMs = performance.now() + SETTLE_MS;
        for (;;) {
          const inEngine = await this.#askEngine(key);
          const inNode = await client.read(key.name).catch(() => undefined);
          if (inNode !== undefined && inNode === inEngine) break;
          if (performance.now() > endMs) {
            const found = `${inNode ?? "an error"} and not ${inEngine ?? "an error"}`;
            this.#report.stuck.push(`${key.name} at node ${number}: ${found}`);
            break;
          }
          await Bun.sleep(ERROR_PAUSE_MS);
        }
        // One stuck key that waits its time is enough to fail.
        if (this.#report.stuck.length >= 3) return;
      }
    }
  }
}

/** Returns the latest version that was acknowledged before this time. */
function latestBefore({ recent }: KeyState, beforeMs: number): number {
  for (let index = recent.length - 1; index >= 0; index--) {
    const one = recent[index];
    if (one !== undefined && one.atMs < beforeMs) return one.version;
  }
  return 0;
}

function below(limit: number): number {
  return Math.floor(Math.random() * limit);
}
