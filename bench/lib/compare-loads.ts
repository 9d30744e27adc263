// The loads of bench compare: which of them each server can take, and by which tool.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { RedisClient } from "bun";

import {
  allKeys,
  CONNECTIONS,
  fill,
  jsonOf,
  KEYS,
  LOAD_CORE,
  type LoadResult,
  loadtestLoads,
  oha,
  ohaLoads,
  VALUE_LENGTH,
} from "./loads.ts";
import type { Peer, PeerName } from "./peers.ts";
import { KEY_DIGITS, redisBenchmark, RESP_CONNECTIONS } from "./redis-load.ts";
import type { WireLoad } from "./wire-load.ts";

/** One load on one server; `run` throws if an answer is wrong. */
export interface PeerLoad {
  readonly load: string;
  readonly tool: string;
  readonly peer: Peer;
  run(): Promise<LoadResult>;
}
export interface PeerLoads extends AsyncDisposable {
  /** Those of one name and tool stand together, and can be held against each other. */
  readonly all: readonly PeerLoad[];
}

const PIPELINES = [
  { depth: 1, times: 1 },
  { depth: 16, times: 5 },
] as const;
/**
 * memcached sends the answers to pipelined gets one by one, and has a get of many keys for those
 * who want them together: so there is a load of those too.
 */
const OWN = [
  { name: "get", operation: "get", depth: 1, times: 1 },
  { name: "set", operation: "set", depth: 1, times: 1 },
  { name: "get, pipeline 16", operation: "get", depth: 16, times: 5 },
  { name: "set, pipeline 16", operation: "set", depth: 16, times: 5 },
  { name: "get of 16 keys, each", operation: "mget", depth: 16, times: 5 },
] as const;
const SPEAKS_RESP: readonly PeerName[] = ["ringcache", "redis-server", "pogocache"];
/** Keys of the client of this project, whose values redis-benchmark shall not overwrite. */
const OWN_PREFIX = "own:";
const FILL = { operation: "set", inOrder: true, valueBytes: VALUE_LENGTH } as const;
const FILL_PACE = { depth: 100, connections: 4 } as const;
/** Keys of the entries that memory is measured with have nothing but digits. */
const MEMORY_KEY = { prefix: "", digits: 12 } as const;
const SETTLE_MS = 1000;

/** Puts every key that a load may ask for. */
export async function fillPeers(peers: readonly Peer[]): Promise<void> {
  for (const peer of peers) {
    if (peer.name === "nginx") continue;
    const keys = { ...FILL, ...FILL_PACE, digits: KEY_DIGITS, keys: KEYS, requests: KEYS };
    await wireLoad(peer, { ...keys, prefix: OWN_PREFIX });
    if (SPEAKS_RESP.includes(peer.name)) await wireLoad(peer, { ...keys, prefix: "key:" });
    if (peer.name === "ringcache") await fill(peer.url);
    if (peer.name === "pogocache") await wireLoad(peer, { ...keys, prefix: "key:", digits: 5 });
  }
}

/** That redis-benchmark, which takes a miss for an answer, had none. */
export async function checkMisses(peers: readonly Peer[]): Promise<void> {
  for (const { name, port } of peers) {
    if (name !== "ringcache" && name !== "redis-server") continue;
    const client = new RedisClient(`redis://127.0.0.1:${port}`);
    const stats = String(await client.send("INFO", ["stats"]));
    client.close();
    const misses = /^keyspace_misses:(\d+)/m.exec(stats)?.[1];
    if (misses !== "0") throw new Error(`${name}: ${misses} misses`);
  }
}

export async function peerLoads(peers: readonly Peer[], requests: number): Promise<PeerLoads> {
  const http = await httpLoads(peers, requests);
  const all = [...http.all, ...redisBenchmarkLoads(peers, requests), ...ownLoads(peers, requests)];
  return { all, [Symbol.asyncDispose]: () => http[Symbol.asyncDispose]() };
}

/** Resident bytes that `entries` take, for each. Throws if one that was put is gone. */
export async function bytesPerEntry(peer: Peer, entries: number): Promise<number> {
  const before = peer.rssBytes();
  const keys = { ...FILL, ...MEMORY_KEY, keys: entries };
  await wireLoad(peer, { ...keys, ...FILL_PACE, requests: entries });
  await Bun.sleep(SETTLE_MS);
  const after = peer.rssBytes();
  const sample = { ...FILL_PACE, requests: entries / 10, inOrder: false };
  await wireLoad(peer, { ...keys, ...sample, operation: "get" });
  return (after - before) / entries;
}

function wireLoad(peer: Peer, load: Omit<WireLoad, "protocol" | "port">): Promise<LoadResult> {
  const protocol = peer.name === "memcached" ? "memcached" : "resp";
  const whole: WireLoad = { ...load, protocol, port: peer.port };
  const tool = new URL("wire-load.ts", import.meta.url).pathname;
  return jsonOf([process.execPath, tool, JSON.stringify(whole)], LOAD_CORE) as Promise<LoadResult>;
}

function ownLoads(peers: readonly Peer[], requests: number): PeerLoad[] {
  const keys = { prefix: OWN_PREFIX, digits: KEY_DIGITS, keys: KEYS, valueBytes: VALUE_LENGTH };
  return OWN.flatMap(({ name, operation, depth, times }) =>
    peers
      .filter((peer) => peer.name !== "nginx")
      .map((peer) => ({
        load: name,
        tool: "own client",
        peer,
        run: () =>
          wireLoad(peer, {
            ...{ ...keys, operation, depth, requests: requests * times },
            ...{ inOrder: false, connections: RESP_CONNECTIONS },
          }),
      })),
  );
}

function redisBenchmarkLoads(peers: readonly Peer[], requests: number): PeerLoad[] {
  if (Bun.which("redis-benchmark") === null) {
    console.log("redis-benchmark is not on PATH: its loads are skipped");
    return [];
  }
  return PIPELINES.flatMap(({ depth, times }) =>
    ["GET", "SET"].flatMap((name) =>
      peers
        .filter((peer) => SPEAKS_RESP.includes(peer.name))
        .map((peer) => ({
          load: `RESP ${name}, -P ${depth}`,
          tool: "redis-benchmark",
          peer,
          run: () =>
            redisBenchmark(
              {
                ...{ port: peer.port, pipeline: depth, command: ["-t", name.toLowerCase()] },
                ...{ requests: requests * times, keys: KEYS, valueBytes: VALUE_LENGTH },
              },
              LOAD_CORE,
            ),
        })),
    ),
  );
}

async function httpLoads(peers: readonly Peer[], requests: number): Promise<PeerLoads> {
  const peerOf = (name: PeerName) => peers.find((peer) => peer.name === name);
  const [ours, nginx, pogocache] = (["ringcache", "nginx", "pogocache"] as const).map(peerOf);
  if (ours === undefined) return { all: [], [Symbol.asyncDispose]: () => Promise.resolve() };
  const hasOha = Bun.which("oha") !== null;
  if (!hasOha) {
    console.log("oha is not on PATH (cargo install --locked oha): the load tool takes its place");
  }
  const loads = await (hasOha ? ohaLoads : loadtestLoads)(
    ours.url,
    nginx?.url ?? ours.url,
    requests,
  );
  const tool = loads.generator;
  const all: PeerLoad[] = [];
  const folder = await mkdtemp(join(tmpdir(), "ringcache-bench-"));
  const add = (load: string, peer: Peer | undefined, run: () => Promise<LoadResult>) => {
    if (peer !== undefined) all.push({ load, tool, peer, run });
  };
  // The load tool speaks this service's API only.
  const pogo = hasOha && pogocache !== undefined ? pogocache : undefined;
  const urls = join(folder, "urls");
  const lines = allKeys().map((key) => `${pogo?.url}/${key}\n`);
  await Bun.write(urls, lines.join(""));
  const pogoLoad = (...method: readonly string[]) => {
    const load = ["-c", `${CONNECTIONS}`, "-n", `${requests}`, "--urls-from-file", urls];
    return () => oha([...method, ...load], LOAD_CORE);
  };
  add("HTTP GET", ours, () => loads.run("GET"));
  add("HTTP GET", nginx, () => loads.run("static"));
  add("HTTP GET", pogo, pogoLoad());
  add("HTTP PUT", ours, () => loads.run("PUT"));
  add("HTTP PUT", pogo, pogoLoad("-m", "PUT", "-d", "v".repeat(VALUE_LENGTH)));
  return {
    all,
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true });
      await loads[Symbol.asyncDispose]();
    },
  };
}
