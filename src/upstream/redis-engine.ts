// The engine over the network: a connection to each primary that the Tracker has found. Imported only with
// --upstream.
//
//   table of trust     which primary owns a slot, and its address
//   MOVED, ASK         the server that the error names, until the Tracker has seen the change
//
// The client's own class for clusters is not used. It closes a connection with commands in flight when a
// replica takes over, and it waits without end for a frozen server when it looks for the new primary.

import type { Seed } from "../config/upstream.ts";
import type { UpstreamSettings } from "./client-options.ts";
import type { Engine, Target } from "./engine.ts";
import { ServerConnection } from "./server-connection.ts";
import { completeTracingChannels } from "./tracing-channels.ts";
import { NO_PRIMARY, type Trust } from "./trust.ts";

/** Interval of the check whether the Tracker has found the upstream. */
const LOOK_EVERY_MS = 20;
/** Interval of the check for connections that are not used any more. */
const TIDY_EVERY_MS = 1000;
/** A server that is no primary may still be named by redirects. */
const KEPT_IDLE_MS = 5000;

/** Resolves when the Tracker has found the upstream and this worker has tried to connect. Never rejects. */
export async function connectEngine(
  settings: UpstreamSettings,
  trust: Trust,
  isStopped: () => boolean,
): Promise<Engine | undefined> {
  completeTracingChannels();
  while (trust.mode === "unknown") {
    if (isStopped()) return undefined;
    await Bun.sleep(LOOK_EVERY_MS);
  }
  const engine = new RedisEngine(settings, trust);
  while (!engine.isOpen) {
    if (isStopped()) {
      engine.close();
      return undefined;
    }
    await Bun.sleep(LOOK_EVERY_MS);
  }
  return engine;
}

class RedisEngine implements Engine {
  readonly #settings: UpstreamSettings;
  readonly #trust: Trust;
  readonly #isCluster: boolean;
  readonly #connections = new Map<string, ServerConnection>();
  /** By the numbers of the primaries. */
  #primaries: (ServerConnection | undefined)[] = [];
  #version = -1;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(settings: UpstreamSettings, trust: Trust) {
    this.#settings = settings;
    this.#trust = trust;
    this.#isCluster = trust.mode === "cluster";
    this.#timer = setInterval(() => this.#tidy(), TIDY_EVERY_MS);
  }

  /** Whether all primaries were tried, and one of them answers. */
  get isOpen(): boolean {
    this.#sync();
    const primaries = this.#primaries.filter((one) => one !== undefined);
    return (
      primaries.some(({ isReady }) => isReady) && primaries.every(({ isSettled }) => isSettled)
    );
  }

  targetOf(slot: number): Target | undefined {
    this.#sync();
    const number = this.#trust.ownerOf(slot);
    return number === NO_PRIMARY ? undefined : this.#primaries[number];
  }

  targetAt(number: number): Target | undefined {
    this.#sync();
    return this.#primaries[number];
  }

  redirected(message: string, from: Target): Target | undefined {
    const [, kind, endpoint = ""] = /^(MOVED|ASK) \d+ (\S+)/.exec(message) ?? [];
    if (kind === undefined) return undefined;
    const { host, port } = serverOf(endpoint);
    // A server that does not know its own address leaves the host out.
    const connection = this.#open({ host: host === "" ? from.server.host : host, port });
    return kind === "ASK" ? connection.asking() : connection;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }

  /** Opens connections to the primaries of the table of trust, if it has changed. */
  #sync(): void {
    const { version } = this.#trust;
    if (version === this.#version) return;
    this.#version = version;
    this.#primaries = [];
    for (const number of this.#trust.primaries()) {
      const address = this.#trust.addressOf(number);
      if (address !== "") this.#primaries[number] = this.#open(serverOf(address));
    }
  }

  #open(server: Seed): ServerConnection {
    const address = `${server.host}:${server.port}`;
    let connection = this.#connections.get(address);
    if (connection === undefined) {
      connection = new ServerConnection(this.#settings, server, this.#isCluster);
      this.#connections.set(address, connection);
    }
    return connection;
  }

  /** Closes the connections to servers that are no primaries any more, when their commands are answered. */
  #tidy(): void {
    this.#sync();
    const used = new Set(this.#primaries);
    for (const [address, connection] of this.#connections) {
      if (used.has(connection) || !connection.isIdleFor(KEPT_IDLE_MS)) continue;
      this.#connections.delete(address);
      connection.close();
    }
  }
}

function serverOf(address: string): Seed {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}
