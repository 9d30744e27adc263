// The loads of bench http on two generators: oha, and the load tool of this project.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { max } from "simple-statistics";

import { pinned } from "./server.ts";

export const LOAD_CORE = 1;
export const CONNECTIONS = 64;
export const KEYS = 100_000;
export const VALUE_LENGTH = 100;

/** What one run gave. Latencies in milliseconds. */
export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

export type LoadKind = "static" | "GET" | "PUT" | "70/30 mix";

/** A generator's loads; each throws if an answer is wrong: a wrong answer is not a fast one. */
export interface Loads extends AsyncDisposable {
  readonly generator: string;
  run(kind: LoadKind): Promise<LoadResult>;
}

/** Puts every key once. Throws if the service refuses. */
export async function fill(url: string): Promise<void> {
  const keys = allKeys();
  for (let from = 0; from < KEYS; from += 10_000) {
    const entries = keys
      .slice(from, from + 10_000)
      .map((key) => bodyOf(key))
      .join(",");
    const answer = await fetch(`${url}/mput`, { method: "POST", body: `{"entries":[${entries}]}` });
    if (answer.status !== 200) throw new Error(`/mput answered ${answer.status}`);
  }
}

/** GETs of all keys, or of one path alone, at a fixed rate: latencies count from when a request was due. */
export async function ohaAtRate(
  url: string,
  paths: readonly string[],
  rate: number,
  seconds: number,
): Promise<LoadResult> {
  const folder = await mkdtemp(join(tmpdir(), "ringcache-bench-"));
  const urls = join(folder, "urls");
  await Bun.write(urls, paths.map((path) => `${url}${path}\n`).join(""));
  const timed = ["-q", `${rate}`, "-z", `${seconds}s`, "--latency-correction"];
  try {
    return await oha([...timed, "-c", `${CONNECTIONS}`, "--urls-from-file", urls], LOAD_CORE);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** All keys in an order that is not theirs; the step and KEYS have no common divisor. */
export function allKeys(): string[] {
  const key = (n: number) => `key:${String((n * 7919) % KEYS).padStart(5, "0")}`;
  return Array.from({ length: KEYS }, (_, n) => key(n));
}

export function bodyOf(key: string, valueBytes = VALUE_LENGTH): string {
  return JSON.stringify({ key, value: "v".repeat(valueBytes) });
}

/** oha (github.com/hatoo/oha): the keys of a filled service in a fixed order; `core` to pin it to. */
export async function ohaLoads(
  serviceUrl: string,
  staticUrl: string,
  requests: number,
  core: number | undefined = LOAD_CORE,
): Promise<Loads> {
  const folder = await mkdtemp(join(tmpdir(), "ringcache-bench-"));
  const lines = async (name: string, lineOf: (key: string) => string): Promise<string> => {
    const file = join(folder, name);
    await Bun.write(
      file,
      allKeys()
        .map((key) => `${lineOf(key)}\n`)
        .join(""),
    );
    return file;
  };
  const urls = await lines("urls", (key) => `${serviceUrl}/get?key=${key}`);
  const bodies = await lines("bodies", (key) => bodyOf(key));
  const gets = ["--urls-from-file", urls];
  const puts = ["-m", "POST", "-Z", bodies, `${serviceUrl}/put`];
  const all = ["-c", `${CONNECTIONS}`, "-n", `${requests}`];
  // Two generators for the same time, their connections shared 70 to 30.
  const part = (share: number) => ["-c", `${Math.round(CONNECTIONS * share)}`, "-z", "3s"];
  const commands: Readonly<Record<LoadKind, readonly (readonly string[])[]>> = {
    static: [[...all, `${staticUrl}/`]],
    GET: [[...all, ...gets]],
    PUT: [[...all, ...puts]],
    "70/30 mix": [
      [...part(0.7), ...gets],
      [...part(0.3), ...puts],
    ],
  };
  return {
    generator: "oha",
    async run(kind) {
      const results = await Promise.all(commands[kind].map((args) => oha(args, core)));
      const sum = (of: (result: LoadResult) => number) => {
        return results.reduce((total, result) => total + of(result), 0);
      };
      return {
        requests: sum((result) => result.requests),
        requestsPerSecond: sum((result) => result.requestsPerSecond),
        p50: max(results.map((result) => result.p50)),
        p99: max(results.map((result) => result.p99)),
        p999: max(results.map((result) => result.p999)),
      };
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

/** The load tool. It checks what it gets, so its static route is a POST answered {"status":"OK"}. */
export function loadtestLoads(serviceUrl: string, staticUrl: string, requests: number): Loads {
  const getPercent: Readonly<Record<LoadKind, number>> = {
    static: 0,
    GET: 99,
    PUT: 0,
    "70/30 mix": 70,
  };
  const program = new URL("../../src/main.ts", import.meta.url).pathname;
  return {
    generator: "bun run loadtest",
    async run(kind) {
      const { hostname, port } = new URL(kind === "static" ? staticUrl : serviceUrl);
      const report = (await jsonOf(
        [
          ...[process.execPath, program, "loadtest", "--json", "--host", hostname, "--port", port],
          ...["-n", `${requests}`, "-c", `${CONNECTIONS}`, "-g", `${getPercent[kind]}`],
        ],
        LOAD_CORE,
      )) as { requests: number; requests_per_second: number; latency_ms: LoadResult };
      const { p50, p99, p999 } = report.latency_ms;
      return {
        requests: report.requests,
        requestsPerSecond: report.requests_per_second,
        p50,
        p99,
        p999,
      };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

interface OhaReport {
  readonly summary: { readonly requestsPerSec: number };
  readonly latencyPercentiles: Readonly<Record<"p50" | "p99" | "p99.9", number>>;
  readonly statusCodeDistribution: Readonly<Record<string, number>>;
  readonly errorDistribution: Readonly<Record<string, number>>;
}

/** oha's name for requests that the end of a timed run cuts off: no error of the server's. */
const CUT_OFF = "aborted due to deadline";

export async function oha(args: readonly string[], core: number | undefined): Promise<LoadResult> {
  const command = ["oha", "--no-tui", "--output-format", "json", ...args];
  const report = (await jsonOf(command, core)) as OhaReport;
  const { "200": requests = 0, ...otherStatuses } = report.statusCodeDistribution;
  const { [CUT_OFF]: _cutOff, ...errors } = report.errorDistribution;
  const wrong = { ...otherStatuses, ...errors };
  if (requests === 0 || Object.keys(wrong).length > 0) {
    throw new Error(`answers other than 200: ${JSON.stringify(wrong)}`);
  }
  const { p50, p99, "p99.9": p999 } = report.latencyPercentiles;
  return {
    requests,
    requestsPerSecond: report.summary.requestsPerSec,
    p50: p50 * 1000,
    p99: p99 * 1000,
    p999: p999 * 1000,
  };
}

/** Runs a command and reads the JSON it prints. Throws if it fails. */
export async function jsonOf(
  command: readonly string[],
  core: number | undefined,
): Promise<unknown> {
  return JSON.parse(await outputOf(command, core)) as unknown;
}

/** Runs a command, pinned to `core` if there is one, and gives what it prints. Throws if it fails. */
export async function outputOf(
  command: readonly string[],
  core: number | undefined,
): Promise<string> {
  const child = Bun.spawn(pinned(core, command), { stdout: "pipe", stderr: "pipe" });
  const [text, complaint] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(`${command[0]} failed: ${complaint}${text}`);
  return text;
}
