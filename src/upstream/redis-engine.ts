// The engine over the network, by @redis/client. Imported only with --upstream.

import { createClient, createCluster, ErrorReply } from "@redis/client";

import { clientOptions, REPLY_OPTIONS, type UpstreamSettings } from "./client-options.ts";
import {
  type Engine,
  EngineError,
  type EngineReply,
  type Target,
  UnreachableError,
  type Word,
} from "./engine.ts";
import { readServerInfo } from "./topology.ts";
import type { Trust } from "./trust.ts";

/** Interval of the check whether the Tracker has found the upstream. */
const LOOK_EVERY_MS = 20;
/** Pause between two attempts to find the cluster. */
const RETRY_MS = 100;
/** The time after which a lost connection makes the client look for a new topology. */
const REFRESH_AFTER_MS = 200;

/** A client of one server, as this file uses it. */
interface NodeClient {
  sendCommand(args: readonly Word[], options?: object): Promise<unknown>;
}

/** Connects as soon as the Tracker has found the upstream; resolves with the engine. Never rejects. */
export async function connectEngine(
  settings: UpstreamSettings,
  trust: Trust,
  isStopped: () => boolean,
): Promise<Engine | undefined> {
  while (trust.mode === "unknown") {
    if (isStopped()) return undefined;
    await Bun.sleep(LOOK_EVERY_MS);
  }
  if (trust.mode === "server") return serverEngine(settings, trust);
  for (;;) {
    if (isStopped()) return undefined;
    const engine = await clusterEngine(settings).catch(() => undefined);
    if (engine !== undefined) return engine;
    await Bun.sleep(RETRY_MS);
  }
}

function serverEngine(settings: UpstreamSettings, trust: Trust): Engine {
  const client = createClient({
    ...clientOptions(settings, settings.address.seeds[trust.seed]),
    RESP: 2,
  });
  let id = "";
  let generation = 0;
  const lost = (): void => {
    generation++;
    id = "";
  };
  client.on("error", lost);
  client.on("reconnecting", lost);
  client.on("ready", () => {
    const current = ++generation;
    // Another server may answer at this address now; the Tracker may still be connected to the old one.
    client.sendCommand(["INFO", "server"], { timeout: 0 }).then(
      (text) => {
        if (generation === current) id = readServerInfo(String(text)).runId;
      },
      () => {},
    );
  });
  client.connect().catch(() => {});
  const target: Target = {
    get id() {
      return id;
    },
    send: (args) => send(client, args),
    transact: (commands) => transact(client, commands),
  };
  return {
    targetOf: () => target,
    targetNamed: () => target,
    sendRedirected: (_key, args) => target.send(args),
    close: () => client.destroy(),
  };
}

async function clusterEngine(settings: UpstreamSettings): Promise<Engine> {
  const cluster = createCluster({
    rootNodes: settings.address.seeds.map((seed) => clientOptions(settings, seed)),
    defaults: clientOptions(settings),
    RESP: 2,
    commandOptions: { timeout: 0 },
    topologyRefreshOnReconnectionAttemptStrategy: REFRESH_AFTER_MS,
  });
  // Each error also rejects the commands that it concerns.
  cluster.on("error", () => {});
  try {
    await cluster.connect();
  } catch (error) {
    cluster.destroy();
    throw error;
  }
  type Master = (typeof cluster.masters)[number];
  const targets = new WeakMap<Master, Target>();
  const targetAt = (master: Master | undefined): Target | undefined => {
    if (master === undefined) return undefined;
    let target = targets.get(master);
    if (target !== undefined) return target;
    const use = <T>(work: (client: NodeClient) => Promise<T>): Promise<T> => {
      const { client } = master;
      if (client !== undefined && master.connectPromise === undefined) return work(client);
      return cluster
        .nodeClient(master)
        .then(work, (error: unknown) => Promise.reject(failureOf(error)));
    };
    target = {
      id: master.id,
      send: (args) => use((client) => send(client, args)),
      transact: (commands) => use((client) => transact(client, commands)),
    };
    targets.set(master, target);
    return target;
  };
  return {
    targetOf: (slot) => targetAt(cluster.slots[slot]?.master),
    targetNamed: (id) => targetAt(cluster.masters.find((master) => master.id === id)),
    sendRedirected: (key, args) =>
      cluster
        .sendCommand(key, false, [...args], REPLY_OPTIONS)
        .then(replyOf, (error: unknown) => Promise.reject(failureOf(error))),
    close: () => cluster.destroy(),
  };
}

function send(client: NodeClient, args: readonly Word[]): Promise<EngineReply> {
  return client
    .sendCommand(args, REPLY_OPTIONS)
    .then(replyOf, (error: unknown) => Promise.reject(failureOf(error)));
}

/** The client sends in order what it is given in one turn, so no other command comes in between. */
async function transact(
  client: NodeClient,
  commands: readonly (readonly Word[])[],
): Promise<readonly EngineReply[]> {
  const sent = [["MULTI"], ...commands, ["EXEC"]].map((args) => send(client, args));
  const replies = await Promise.allSettled(sent);
  const last = replies[replies.length - 1];
  if (last?.status !== "fulfilled") throw last?.reason;
  if (!Array.isArray(last.value)) throw new EngineError("ERR the upstream did not run EXEC");
  return last.value as readonly EngineReply[];
}

function replyOf(reply: unknown): EngineReply {
  return reply as EngineReply;
}

function failureOf(error: unknown): Error {
  if (error instanceof ErrorReply) return new EngineError(error.message);
  const text = error instanceof Error ? error.message : String(error);
  return new UnreachableError(text, /timeout/i.test(text));
}
