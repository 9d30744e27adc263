// The loads of bench compare: by redis-benchmark, by a client of this project for memcached, and
// by oha over HTTP. Each checks what it receives.

import { join } from "node:path";

import { RedisClient } from "bun";

import type { CompareLoad } from "./compare-run.ts";
import {
  allKeys,
  bodyOf,
  CONNECTIONS,
  jsonOf,
  KEYS,
  LOAD_CORE,
  type LoadResult,
  oha,
  VALUE_LENGTH,
} from "./loads.ts";
import type { Peer, PeerName } from "./peers.ts";
import { KEY_DIGITS, redisBenchmark, RESP_CONNECTIONS } from "./redis-load.ts";
import type { WireLoad } from "./wire-load.ts";

/** What the loads of one section have in common. */
export interface LoadOptions {
  /** Requests of a run of single requests; pipelines send five times that. */
  readonly requests: number;
  readonly keys: number;
  readonly valueBytes: number;
  readonly isTls?: boolean;
  /** Undefined: the load runs on any core. */
  readonly core: number | undefined;
}
export const PLAIN = { keys: KEYS, valueBytes: VALUE_LENGTH, core: LOAD_CORE } as const;

export interface RespLoad {
  readonly name: "GET" | "SET" | "INCR" | "MGET of 10" | "MSET of 10";
  readonly pipeline: number;
}
const KEYS_OF_MANY = 10;
const PIPELINE_TIMES = 5;
const MSET_KEYS = 1000;
const FILL_PACE = { depth: 100, connections: 4 } as const;
/** Have `keyspace_misses` in INFO. */
const COUNTS_MISSES: readonly PeerName[] = ["ringcache", "valkey-server", "redis-server"];
const NO_MSET: readonly PeerName[] = ["pogocache"];

function commandOf(name: RespLoad["name"], valueBytes: number): readonly string[] {
  const key = "key:__rand_int__";
  const value = "v".repeat(valueBytes);
  return {
    GET: ["GET", key],
    SET: ["SET", key, value],
    INCR: ["INCR", "counter:__rand_int__"],
    "MGET of 10": ["MGET", ...Array<string>(KEYS_OF_MANY).fill(key)],
    "MSET of 10": ["MSET", ...Array.from({ length: KEYS_OF_MANY }, () => [key, value]).flat()],
  }[name];
}

export function respLoads(
  peers: readonly Peer[],
  loads: readonly RespLoad[],
  options: LoadOptions,
): CompareLoad[] {
  const { keys, valueBytes, isTls = false, core } = options;
  return loads.flatMap(({ name, pipeline }) => {
    const requests = options.requests * (pipeline === 1 ? 1 : PIPELINE_TIMES);
    const load = {
      pipeline,
      requests,
      keys,
      valueBytes,
      isTls,
      command: commandOf(name, valueBytes),
    };
    return peers
      .filter((peer) => !(name === "MSET of 10" && NO_MSET.includes(peer.name)))
      .map((peer) => ({
        load: `${name}, -P ${pipeline}`,
        peer,
        run: () => redisBenchmark({ ...load, port: peer.port }, core),
      }));
  });
}

/** Puts each key that redis-benchmark may ask for. With `ttlSeconds` each entry has that lifetime. */
export async function fillKeys(
  peer: Peer,
  { keys, valueBytes, isTls = false }: Pick<LoadOptions, "keys" | "valueBytes" | "isTls">,
  ttlSeconds?: number,
): Promise<void> {
  if (peer.name === "floor") return;
  if (isTls) {
    await fillOverTls(peer, keys, valueBytes);
    return;
  }
  // A batch of large values would be more than a socket takes.
  const depth = Math.max(1, Math.min(FILL_PACE.depth, Math.floor(1e6 / valueBytes)));
  const lifetime = ttlSeconds === undefined ? {} : { ttlSeconds };
  await wireLoad(peer, {
    ...{ operation: "set", prefix: "key:", digits: KEY_DIGITS, inOrder: true, keys, valueBytes },
    ...{ ...FILL_PACE, depth, requests: keys, core: LOAD_CORE, ...lifetime },
  });
}

async function fillOverTls(peer: Peer, keys: number, valueBytes: number): Promise<void> {
  const client = clientOf(peer, true);
  const value = "v".repeat(valueBytes);
  for (let from = 0; from < keys; from += MSET_KEYS) {
    const numbers = Array.from({ length: Math.min(MSET_KEYS, keys - from) }, (_, n) => from + n);
    const names = numbers.map((number) => `key:${String(number).padStart(KEY_DIGITS, "0")}`);
    await client.send(
      "MSET",
      names.flatMap((name) => [name, value]),
    );
  }
  client.close();
}

function clientOf({ port }: Peer, isTls: boolean): RedisClient {
  const url = `${isTls ? "rediss" : "redis"}://127.0.0.1:${port}`;
  return new RedisClient(url, isTls ? { tls: { rejectUnauthorized: false } } : {});
}

/** Throws if redis-benchmark, which takes a miss for an answer, had one. */
export async function checkMisses(peers: readonly Peer[], isTls: boolean): Promise<void> {
  for (const peer of peers) {
    const { name, label } = peer;
    if (!COUNTS_MISSES.includes(name)) continue;
    const client = clientOf(peer, isTls);
    const stats = String(await client.send("INFO", ["stats"]));
    client.close();
    const misses = /^keyspace_misses:(\d+)/m.exec(stats)?.[1];
    if (misses !== "0") throw new Error(`${label}: ${misses} misses`);
  }
}

type OwnLoad = Omit<WireLoad, "protocol" | "port"> & { readonly core: number | undefined };

/** The client of this project, for the Redis protocol and for memcached's. */
export function wireLoad(peer: Peer, { core, ...load }: OwnLoad): Promise<LoadResult> {
  const protocol = peer.name === "memcached" ? "memcached" : "resp";
  const whole: WireLoad = { ...load, protocol, port: peer.port };
  const tool = new URL("wire-load.ts", import.meta.url).pathname;
  return jsonOf([process.execPath, tool, JSON.stringify(whole)], core) as Promise<LoadResult>;
}

/**
 * memcached sends the answers to pipelined gets one by one, and has a get of many keys for clients
 * that want them together: so there is a load of those too.
 */
const OWN = [
  { load: "GET, one at a time", operation: "get", depth: 1 },
  { load: "SET, one at a time", operation: "set", depth: 1 },
  { load: "GET, 16 in a pipeline", operation: "get", depth: 16 },
  { load: "SET, 16 in a pipeline", operation: "set", depth: 16 },
  { load: "each key of a GET of 16", operation: "mget", depth: 16 },
] as const;

export function ownLoads(
  peers: readonly Peer[],
  { requests, ...options }: LoadOptions,
): CompareLoad[] {
  const { keys, valueBytes, core } = options;
  return OWN.flatMap(({ load, operation, depth }) =>
    peers.map((peer) => ({
      load,
      peer,
      run: () =>
        wireLoad(peer, {
          ...{ prefix: "key:", digits: KEY_DIGITS, keys, valueBytes, operation, depth, core },
          ...{ inOrder: false, connections: RESP_CONNECTIONS },
          requests: requests * (depth === 1 ? 1 : PIPELINE_TIMES),
        }),
    })),
  );
}

/** GETs and PUTs by oha. pogocache has routes of its own; nginx responds to a GET with a constant. */
export async function httpLoads(
  peers: readonly Peer[],
  folder: string,
  { requests, valueBytes, core }: LoadOptions,
): Promise<CompareLoad[]> {
  const all = ["-c", `${CONNECTIONS}`, "-n", `${requests}`];
  const bodies = join(folder, "bodies");
  await Bun.write(
    bodies,
    linesOf((key) => bodyOf(key, valueBytes)),
  );
  const urlsOf = new Map<Peer, string>();
  for (const peer of peers) {
    const path = peer.name === "pogocache" ? "/" : "/get?key=";
    const file = join(folder, `urls-${peer.port}`);
    await Bun.write(
      file,
      linesOf((key) => `${peer.url}${path}${key}`),
    );
    urlsOf.set(peer, file);
  }
  const putOf = (peer: Peer) =>
    peer.name === "pogocache"
      ? ["-m", "PUT", "-d", "v".repeat(valueBytes), "--urls-from-file", urlsOf.get(peer) ?? ""]
      : ["-m", "POST", "-Z", bodies, `${peer.url}/put`];
  const gets = peers.map((peer) => ({
    ...{ load: "HTTP GET", peer },
    run: () => oha([...all, "--urls-from-file", urlsOf.get(peer) ?? ""], core),
  }));
  const puts = peers
    .filter(({ name }) => name !== "nginx")
    .map((peer) => ({ load: "HTTP PUT", peer, run: () => oha([...all, ...putOf(peer)], core) }));
  return [...gets, ...puts];
}

/** Puts each key that oha asks for. */
export async function fillHttp(peer: Peer, valueBytes: number): Promise<void> {
  if (peer.name === "nginx") return;
  if (peer.name === "pogocache") {
    await wireLoad(peer, {
      ...{ operation: "set", prefix: "key:", digits: 5, inOrder: true, keys: KEYS, valueBytes },
      ...{ ...FILL_PACE, requests: KEYS, core: LOAD_CORE },
    });
    return;
  }
  const keys = allKeys().values();
  const putAll = async () => {
    for (const key of keys) {
      const body = bodyOf(key, valueBytes);
      const response = await fetch(`${peer.url}/put`, { method: "POST", body });
      if (!response.ok) throw new Error(`${peer.label}: /put responded ${response.status}`);
      await response.text();
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, putAll));
}

function linesOf(lineOf: (key: string) => string): string {
  return allKeys()
    .map((key) => `${lineOf(key)}\n`)
    .join("");
}
