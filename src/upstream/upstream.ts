// The upstream as the protocols of a worker use it: near reads, loads that fill, writes, and commands for
// all primaries.
//
//   read    near value, or load: GET and PTTL of the primary that owns the slot; fill if nothing has changed
//   write   the upstream first; whatever its answer, the near value is dropped; then the client's answer
//
// This file loads no client: `start` imports it.

import { type ByteBuffer, type Bytes, type Cache } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import { nearPrefixes, readUpstream } from "../config/upstream.ts";
import type { UpstreamSecrets } from "../security/credentials.ts";
import {
  type Engine,
  EngineError,
  type EngineReply,
  isRedirect,
  type Target,
  UnreachableError,
  type Word,
} from "./engine.ts";
import type { UpstreamMemory } from "./memory.ts";
import { NearCache } from "./near.ts";
import { slotOf, SLOTS } from "./slots.ts";
import { type CommandKind, UpstreamStats } from "./stats.ts";
import { type LoadToken, NO_PRIMARY, Trust } from "./trust.ts";

const NOT_CONNECTED = "the upstream is not connected yet; its servers are those of --upstream";
const NO_OWNER = "no primary serves the slot of the key";
/** A redirect is followed this many times: slots may move while a command is on its way. */
const REDIRECTS_MAX = 8;
/** Pause before a command is repeated whose keys are on two servers. */
const TRY_AGAIN_MS = 20;

/** A load that other requests of this worker may join. */
interface Flight {
  readonly token: LoadToken;
  readonly value: Promise<Buffer | null>;
}

/** A primary with the number that SCAN's cursor carries. */
export interface NumberedTarget {
  readonly number: number;
  readonly target: Target;
}

export interface UpstreamParts {
  readonly config: Config;
  readonly cache: Cache;
  readonly thread: number;
  readonly memory: UpstreamMemory;
}

export class Upstream {
  readonly trust: Trust;
  readonly stats: UpstreamStats;
  readonly #cache: Cache;
  readonly #config: Config;
  readonly #near: NearCache;
  /** By the key, one character a byte. */
  readonly #flights = new Map<string, Flight>();
  /** By worker, in shared memory: 1 once it is connected. */
  readonly #connected: Uint8Array;
  readonly #thread: number;
  #engine: Engine | undefined;
  #isStopped = false;

  constructor({ config, cache, thread, memory }: UpstreamParts) {
    this.#config = config;
    this.#cache = cache;
    this.#thread = thread;
    this.#connected = new Uint8Array(memory.connected);
    this.#connected[thread] = 0;
    this.trust = new Trust(memory.trust);
    this.stats = new UpstreamStats(memory.stats, thread);
    const prefixes = nearPrefixes(config.nearPrefix);
    this.#near = new NearCache(cache, this.trust, this.stats, prefixes, config.nearTtl * 1000);
  }

  /** Loads the client and connects, in the background. Until then, commands reject with UnreachableError. */
  async start(secrets: UpstreamSecrets): Promise<void> {
    const { connectEngine } = await import("./redis-engine.ts");
    const address = readUpstream(this.#config.upstream);
    const settings = { config: this.#config, address, secrets };
    const engine = await connectEngine(settings, this.trust, () => this.#isStopped);
    if (this.#isStopped) engine?.close();
    else this.#engine = engine;
    if (engine !== undefined) this.#connected[this.#thread] = 1;
  }

  stop(): void {
    this.#isStopped = true;
    this.#engine?.close();
    this.#engine = undefined;
  }

  /** Uses this engine. For tests. */
  useEngine(engine: Engine): void {
    this.#engine = engine;
  }

  /** Whether the Tracker has found the upstream, and all workers are connected. */
  get isConnected(): boolean {
    return this.#connected.every((isConnected) => isConnected === 1);
  }

  /** Whether a primary of some slots is missing. */
  get isDegraded(): boolean {
    return this.trust.coveredSlots < SLOTS;
  }

  get isCluster(): boolean {
    return this.trust.mode === "cluster";
  }

  /** As NearCache.read. */
  read(key: Bytes, nowMs: number, into: ByteBuffer): number {
    return this.#near.read(key, nowMs, into);
  }

  /** As NearCache.invalidate. */
  invalidate(key: Bytes): void {
    this.#near.invalidate(key);
  }

  /**
   * Asks the upstream for the value, null without one, and fills the near cache if it may. With `joins`, a
   * load of the same key that is in flight serves this one too, unless the key has changed since.
   */
  load(key: Bytes, joins: boolean): Promise<Buffer | null> {
    const slot = this.#slotOf(key);
    const target = this.#engine?.targetOf(slot);
    if (target === undefined) return Promise.reject(this.#unreachable());
    const copy = copyOf(key);
    const token = this.#tokenFor(key, slot, target);
    if (token === undefined) return this.#get(copy, target);
    const name = copy.toString("latin1");
    const flight = this.#flights.get(name);
    if (joins && flight !== undefined && isSame(flight.token, token)) return flight.value;
    const value = this.#getAndFill(copy, target, token);
    this.#flights.set(name, { token, value });
    const end = (): void => {
      if (this.#flights.get(name)?.token === token) this.#flights.delete(name);
    };
    value.then(end, end);
    return value;
  }

  /** Sends a command by its key. A write drops the near values of `changed`, whatever the answer is. */
  async send(
    kind: CommandKind,
    key: Bytes,
    args: readonly Word[],
    changed: readonly Bytes[] = [],
  ): Promise<EngineReply> {
    const target = this.#engine?.targetOf(this.#slotOf(key));
    if (target === undefined) throw this.#unreachable();
    try {
      return await this.#timed(kind, target, (server) => server.send(args));
    } finally {
      for (const one of changed) this.#near.invalidate(one);
    }
  }

  /** Sends commands of one slot as one transaction. Rejects with EngineError if it was discarded. */
  async transact(
    key: Bytes,
    commands: readonly (readonly Word[])[],
    changed: readonly Bytes[],
  ): Promise<readonly EngineReply[]> {
    const target = this.#engine?.targetOf(this.#slotOf(key));
    if (target === undefined) throw this.#unreachable();
    try {
      return await this.#timed("write", target, (server) => server.transact(commands));
    } finally {
      for (const one of changed) this.#near.invalidate(one);
    }
  }

  /** Sends a command to one primary. */
  sendTo(target: Target, args: readonly Word[]): Promise<EngineReply> {
    return this.#timed("keyspace", target, (server) => server.send(args));
  }

  /** Returns the primaries that own slots, by number. O(slots). */
  targets(): readonly NumberedTarget[] {
    const engine = this.#engine;
    if (engine === undefined) throw this.#unreachable();
    const numbers = new Set<number>();
    for (let slot = 0; slot < SLOTS; slot++) numbers.add(this.trust.ownerOf(slot));
    if (numbers.has(NO_PRIMARY)) throw new UnreachableError("no primary serves some slots", false);
    return [...numbers]
      .toSorted((a, b) => a - b)
      .map((number) => {
        const target = engine.targetAt(number);
        if (target === undefined) throw this.#unreachable();
        return { number, target };
      });
  }

  /** Sends a command to each primary that owns slots. */
  async sendToAll(args: readonly Word[]): Promise<readonly EngineReply[]> {
    return await Promise.all(this.targets().map(({ target }) => this.sendTo(target, args)));
  }

  /** Deletes all entries of all primaries. */
  async flush(args: readonly Word[] = ["FLUSHALL"]): Promise<void> {
    try {
      await this.sendToAll(args);
    } finally {
      this.trust.raiseAllEpochs();
      this.stats.add("flushes.flushall");
    }
  }

  /** Whether all keys are in one slot, so that one command may have them all. O(bytes). */
  isOneSlot(keys: readonly Bytes[]): boolean {
    const [first] = keys;
    if (first === undefined || !this.isCluster) return true;
    const slot = slotOf(first);
    return keys.every((key) => slotOf(key) === slot);
  }

  /** Returns the keys by their slots. */
  bySlot(keys: readonly Bytes[]): Bytes[][] {
    if (!this.isCluster) return keys.length === 0 ? [] : [[...keys]];
    return [...Map.groupBy(keys, slotOf).values()];
  }

  #slotOf(key: Bytes): number {
    return this.isCluster ? slotOf(key) : 0;
  }

  /** Returns the right to fill, or undefined: the primary is not the tracked one, or is not trusted. */
  #tokenFor(key: Bytes, slot: number, target: Target): LoadToken | undefined {
    const { trust } = this;
    if (!this.#near.mayKeep(key)) return undefined;
    const primary = trust.ownerOf(slot);
    if (primary === NO_PRIMARY || target.id === "" || trust.idOf(primary) !== target.id)
      return undefined;
    const token = trust.tokenOf(key, primary);
    if (trust.isTrusted(primary, this.#cache.clock.now())) return token;
    this.stats.add("dropped.untrusted");
    return undefined;
  }

  async #get(key: Buffer, target: Target): Promise<Buffer | null> {
    return valueOf(await this.#timed("load", target, (server) => server.send(["GET", key])));
  }

  async #getAndFill(key: Buffer, target: Target, token: LoadToken): Promise<Buffer | null> {
    const sentMs = this.#cache.clock.now();
    let answerer = target;
    const [reply, pttl] = await this.#timed("load", target, (server) => {
      answerer = server;
      return Promise.all([
        server.send(["GET", key]),
        // Not needed of another server, whose value is not kept.
        server === target ? server.send(["PTTL", key]) : "-2",
      ]);
    });
    const value = valueOf(reply);
    if (answerer !== target) this.stats.add("dropped.redirected");
    else if (value !== null)
      this.#near.fill(
        { bytes: key, start: 0, end: key.length },
        value,
        Number(pttl),
        token,
        sentMs,
      );
    return value;
  }

  /** Counts what `work` sends, and repeats it at the server that a redirect names. */
  async #timed<T>(
    kind: CommandKind,
    first: Target,
    work: (target: Target) => Promise<T>,
  ): Promise<T> {
    let target = first;
    for (let redirects = 0; ; redirects++) {
      const startMs = performance.now();
      this.stats.began();
      try {
        const result = await work(target);
        this.stats.ended(kind, "ok", startMs);
        return result;
      } catch (error) {
        if (!isRedirect(error)) {
          this.stats.ended(kind, outcomeOf(error), startMs);
          throw error;
        }
        this.stats.ended(kind, "redirect", startMs);
        if (redirects === REDIRECTS_MAX)
          throw new UnreachableError(`still redirected: ${error.message}`, false);
        const next = this.#engine?.redirected(error.message, target);
        // TRYAGAIN: the keys are on two servers.
        if (next === undefined) await Bun.sleep(TRY_AGAIN_MS);
        else target = next;
      }
    }
  }

  #unreachable(): UnreachableError {
    return new UnreachableError(this.#engine === undefined ? NOT_CONNECTED : NO_OWNER, false);
  }
}

function copyOf({ bytes, start, end }: Bytes): Buffer {
  return Buffer.from(bytes.subarray(start, end));
}

function isSame(a: LoadToken, b: LoadToken): boolean {
  return a.primary === b.primary && a.epoch === b.epoch && a.version === b.version;
}

function valueOf(reply: EngineReply): Buffer | null {
  if (reply === null || Buffer.isBuffer(reply)) return reply;
  throw new EngineError(`ERR the upstream answered GET with ${typeof reply}`);
}

function outcomeOf(error: unknown): "error" | "timeout" {
  return error instanceof UnreachableError && error.isTimeout ? "timeout" : "error";
}
