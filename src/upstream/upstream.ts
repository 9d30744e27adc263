// The upstream as the protocols of a worker use it: near reads, loads that fill, writes, and commands for
// all primaries.
//
//   read    near value, or load: GET and PTTL of the primary that owns the slot; fill if nothing has changed
//   write   the upstream first; whatever its answer, the near value is dropped; then the client's answer
//
// This file loads no client: `start` imports it.

import { ByteBuffer, type Bytes, type Cache, MISS } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import { nearPrefixes, readUpstream } from "../config/upstream.ts";
import type { UpstreamSecrets } from "../security/credentials.ts";
import {
  type Engine,
  EngineError,
  type EngineReply,
  isRedirect,
  ofWrite,
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

/** Commands that go to one server, and are sent again to the server that a redirect names. */
interface Sending<T, R> {
  readonly kind: CommandKind;
  readonly send: (server: Target) => Promise<T>;
  /** Called once with the outcome, before `finish` or the error. */
  readonly ended?: (() => void) | undefined;
  /** Returns what the caller gets. */
  readonly finish: (result: T, answerer: Target) => R;
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
  /** The key of the value that is kept now. */
  readonly #key = new ByteBuffer();
  /** By the key, one character a byte. */
  readonly #flights = new Map<string, Flight>();
  /** By worker, in shared memory: 1 once it or its predecessor was connected. */
  readonly #connected: Uint8Array;
  readonly #thread: number;
  #engine: Engine | undefined;
  #isStopped = false;

  constructor({ config, cache, thread, memory }: UpstreamParts) {
    this.#config = config;
    this.#cache = cache;
    this.#thread = thread;
    this.#connected = new Uint8Array(memory.connected);
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

  /** Whether the Tracker has found the upstream, and all workers have been connected. */
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

  /** As NearCache.readStale, within --stale-if-error. */
  readStale(key: Bytes, into: ByteBuffer): number {
    const staleMs = this.#config.staleIfError * 1000;
    if (staleMs === 0) return MISS;
    return this.#near.readStale(key, this.#cache.clock.now(), into, staleMs);
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
    const name = key.byteString ?? key.bytes.toString("latin1", key.start, key.end);
    const token = this.#tokenFor(key, slot, target);
    if (token === undefined) {
      const get = ["GET", wordOf(name)];
      const send = (server: Target): Promise<EngineReply> => server.send(get);
      return this.#timed({ kind: "load", send, finish: valueOf }, target);
    }
    const flight = this.#flights.get(name);
    if (joins && flight !== undefined && isSame(flight.token, token)) return flight.value;
    const value = this.#getAndFill(name, target, token);
    this.#flights.set(name, { token, value });
    return value;
  }

  /** Sends a command by its key. A write drops the near values of `changed`, whatever the answer is. */
  send(
    kind: CommandKind,
    key: Bytes,
    args: readonly Word[],
    changed: readonly Bytes[] = [],
  ): Promise<EngineReply> {
    const target = this.#engine?.targetOf(this.#slotOf(key));
    if (target === undefined) return Promise.reject(this.#unreachable());
    const send = (server: Target): Promise<EngineReply> => server.send(args);
    return this.#timed({ kind, send, ended: this.#invalidationOf(changed), finish: same }, target);
  }

  /** Sends commands of one slot as one transaction. Rejects with EngineError if it was discarded. */
  transact(
    key: Bytes,
    commands: readonly (readonly Word[])[],
    changed: readonly Bytes[],
  ): Promise<readonly EngineReply[]> {
    const target = this.#engine?.targetOf(this.#slotOf(key));
    if (target === undefined) return Promise.reject(this.#unreachable());
    const send = (server: Target): Promise<readonly EngineReply[]> => server.transact(commands);
    const ended = this.#invalidationOf(changed);
    return this.#timed({ kind: "write", send, ended, finish: same }, target);
  }

  /** Sends a command to one primary. */
  sendTo(target: Target, args: readonly Word[]): Promise<EngineReply> {
    const send = (server: Target): Promise<EngineReply> => server.send(args);
    return this.#timed({ kind: "keyspace", send, finish: same }, target);
  }

  /** Returns the primaries that own slots, by number. O(slots). */
  targets(): readonly NumberedTarget[] {
    const engine = this.#engine;
    if (engine === undefined) throw this.#unreachable();
    const numbers = new Set<number>();
    for (let slot = 0; slot < SLOTS; slot++) numbers.add(this.trust.ownerOf(slot));
    if (numbers.has(NO_PRIMARY))
      throw new UnreachableError("no primary serves some slots", "not run");
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
    } catch (error) {
      throw ofWrite(error);
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

  #invalidationOf(changed: readonly Bytes[]): (() => void) | undefined {
    if (changed.length === 0) return undefined;
    return () => {
      for (const one of changed) this.#near.invalidate(one);
    };
  }

  #getAndFill(name: string, target: Target, token: LoadToken): Promise<Buffer | null> {
    const sentMs = this.#cache.clock.now();
    const word = wordOf(name);
    return this.#timed(
      {
        kind: "load",
        send: (server) =>
          Promise.all([
            server.send(["GET", word]),
            // Not needed of another server, whose value is not kept.
            server === target ? server.send(["PTTL", word]) : "-2",
          ]),
        ended: () => {
          if (this.#flights.get(name)?.token === token) this.#flights.delete(name);
        },
        finish: ([reply, pttl], answerer) => {
          const value = valueOf(reply);
          if (answerer !== target) this.stats.add("dropped.redirected");
          else if (value !== null) {
            const key = this.#key;
            key.clear();
            key.appendByteString(name);
            this.#near.fill(key, value, Number(pttl), token, sentMs);
          }
          return value;
        },
      },
      target,
    );
  }

  /** Counts what is sent. The callbacks save the promises that async functions would make. */
  #timed<T, R>(sending: Sending<T, R>, target: Target, redirects = 0): Promise<R> {
    const startMs = performance.now();
    this.stats.began();
    return sending.send(target).then(
      (result) => {
        this.stats.ended(sending.kind, "ok", startMs);
        sending.ended?.();
        return sending.finish(result, target);
      },
      (error: unknown) => {
        if (isRedirect(error) && redirects < REDIRECTS_MAX) {
          this.stats.ended(sending.kind, "redirect", startMs);
          return this.#follow(error, sending, target, redirects);
        }
        this.stats.ended(sending.kind, isRedirect(error) ? "redirect" : outcomeOf(error), startMs);
        sending.ended?.();
        if (isRedirect(error))
          throw new UnreachableError(`still redirected: ${error.message}`, "not run");
        throw sending.kind === "write" ? ofWrite(error) : error;
      },
    );
  }

  /** Sends again to the server that a redirect names. */
  async #follow<T, R>(
    { message }: EngineError,
    sending: Sending<T, R>,
    target: Target,
    redirects: number,
  ): Promise<R> {
    const next = this.#engine?.redirected(message, target);
    // TRYAGAIN: the keys are on two servers.
    if (next === undefined) await Bun.sleep(TRY_AGAIN_MS);
    return await this.#timed(sending, next ?? target, redirects + 1);
  }

  #unreachable(): UnreachableError {
    return new UnreachableError(this.#engine === undefined ? NOT_CONNECTED : NO_OWNER, "not run");
  }
}

function same<T>(result: T): T {
  return result;
}

const BEYOND_ASCII = /[^\0-\x7f]/;

/** Returns a key as an argument. The client writes a string in one piece with its command, a Buffer in three. */
function wordOf(name: string): Word {
  return BEYOND_ASCII.test(name) ? Buffer.from(name, "latin1") : name;
}

function isSame(a: LoadToken, b: LoadToken): boolean {
  return a.primary === b.primary && a.epoch === b.epoch && a.version === b.version;
}

function valueOf(reply: EngineReply): Buffer | null {
  if (reply === null || Buffer.isBuffer(reply)) return reply;
  throw new EngineError(`ERR the upstream answered GET with ${typeof reply}`);
}

function outcomeOf(error: unknown): "error" | "timeout" {
  return error instanceof UnreachableError && error.reason === "timeout" ? "timeout" : "error";
}
