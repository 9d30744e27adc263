// The loads of bench upstream: reads of few keys, so that one pass over them fills a near cache.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Line } from "../../test/stress/tier/ask.ts";
import { CONNECTIONS, LOAD_CORE, oha as runOha } from "./loads.ts";
import { KEY_DIGITS, redisBenchmark } from "./redis-load.ts";

export { LOAD_CORE };

const KEYS = 10_000;
const VALUE_BYTES = 100;

const KEY_NAMES = Array.from({ length: KEYS }, (_, n) => `key:${`${n}`.padStart(KEY_DIGITS, "0")}`);

/** Sets every key at a server of the Redis protocol. */
export async function fill(port: number): Promise<void> {
  using line = new Line(port, 60_000);
  for (let from = 0; from < KEYS; from += 1000) {
    const sets = KEY_NAMES.slice(from, from + 1000).map((key) => [
      "SET",
      key,
      "v".repeat(VALUE_BYTES),
    ]);
    await line.sendAll(sets);
  }
}

/** Gets every key once, so that a near cache has all of them. */
export async function readAll(port: number): Promise<void> {
  using line = new Line(port, 60_000);
  for (let from = 0; from < KEYS; from += 100) {
    await line.sendAll(KEY_NAMES.slice(from, from + 100).map((key) => ["GET", key]));
  }
}

/** GETs over HTTP, in the order of the keys; `suffix` follows each key. Throws on an answer that is not 200. */
export async function oha(url: string, suffix: string, requests: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "ringcache-bench-"));
  const urls = join(folder, "urls");
  await Bun.write(urls, KEY_NAMES.map((key) => `${url}/get?key=${key}${suffix}\n`).join(""));
  try {
    const all = ["-c", `${CONNECTIONS}`, "-n", `${requests}`, "--urls-from-file", urls];
    await runOha(all, LOAD_CORE);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** GETs over the Redis protocol, 16 in a pipeline. */
export async function loadKeys(port: number, requests: number): Promise<void> {
  const load = { port, pipeline: 16, requests, keys: KEYS, valueBytes: VALUE_BYTES };
  await redisBenchmark({ ...load, command: ["-t", "get"] }, LOAD_CORE);
}
