// The Tracker's connections, by @redis/client. Imported only with --upstream.

import { BasicClientSideCache, createClient } from "@redis/client";

import type { Seed } from "../config/upstream.ts";
import { clientOptions, type UpstreamSettings } from "./client-options.ts";
import { readPreferredHosts, readServerInfo } from "./topology.ts";
import type { Found, Link, LinkEvents } from "./tracker.ts";

/**
 * Takes the place of the client's own cache: its hooks tell when tracking begins and ends, and which keys
 * change. The client sends `trackingOn` in its handshake, so no connection is ever open without tracking.
 */
class TrackingHooks extends BasicClientSideCache {
  readonly #prefixes: readonly string[];
  readonly #events: Pick<LinkEvents, "invalidated" | "down">;

  constructor(prefixes: readonly string[], events: Pick<LinkEvents, "invalidated" | "down">) {
    super();
    this.#prefixes = prefixes;
    this.#events = events;
  }

  override trackingOn(): string[] {
    const prefixes = this.#prefixes.flatMap((prefix) => ["PREFIX", prefix]);
    return ["CLIENT", "TRACKING", "ON", "BCAST", ...prefixes];
  }

  override invalidate(key: string | Buffer | null): void {
    this.#events.invalidated(typeof key === "string" ? Buffer.from(key) : key);
  }

  override clear(): void {
    this.#events.invalidated(null);
  }

  override onError(): void {
    this.#events.down("error");
  }

  override onClose(): void {
    this.#events.down("closed");
  }
}

/** Opens a connection with tracking, which connects again by itself until it is closed. */
export function openLink(
  settings: UpstreamSettings,
  prefixes: readonly string[],
  server: Seed,
  events: LinkEvents,
): Link {
  let lastError = "";
  const client = createClient({
    ...clientOptions(settings, server),
    RESP: 3,
    clientSideCache: new TrackingHooks(prefixes, {
      invalidated: events.invalidated,
      down: () => events.down(lastError),
    }),
  });
  const ask = async (...args: string[]): Promise<string> =>
    String(await client.sendCommand(args, { timeout: 0 }));
  client.on("error", (error: Error) => {
    lastError = error.message;
    events.down(lastError);
  });
  client.on("reconnecting", () => events.down(lastError));
  client.on("ready", () => {
    ask("INFO", "server").then(
      (text) => events.up(readServerInfo(text).runId),
      (error: unknown) => events.down(String(error)),
    );
  });
  // The strategy never gives up, so this ends with `close` only.
  client.connect().catch((error: Error) => events.down(error.message));
  return {
    ask,
    hosts: async () => readPreferredHosts(await client.sendCommand(["CLUSTER", "SLOTS"])),
    close: () => client.destroy(),
  };
}

/** Asks a server once what it is; rejects if it cannot be reached in time. */
export async function probe(settings: UpstreamSettings, server: Seed): Promise<Found> {
  const options = clientOptions(settings, server);
  const socket = { ...options.socket, reconnectStrategy: false as const };
  const client = createClient({ ...options, socket });
  // Each failure also rejects the command that is waiting.
  client.on("error", () => {});
  try {
    await client.connect();
    const { isCluster } = readServerInfo(String(await client.sendCommand(["INFO", "server"])));
    if (!isCluster) return { isCluster, nodes: "", hosts: new Map() };
    const nodes = String(await client.sendCommand(["CLUSTER", "NODES"]));
    const hosts = readPreferredHosts(await client.sendCommand(["CLUSTER", "SLOTS"]));
    return { isCluster, nodes, hosts };
  } finally {
    client.destroy();
  }
}
