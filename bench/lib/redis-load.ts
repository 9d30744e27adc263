// redis-benchmark as a load on whatever speaks the Redis protocol.

import { outputOf, type LoadResult } from "./loads.ts";

export const RESP_CONNECTIONS = 50;
/** redis-benchmark's keys: "key:" or "counter:" and twelve digits, at random below `keys`. */
export const KEY_DIGITS = 12;

export interface RedisLoad {
  readonly port: number;
  readonly pipeline: number;
  readonly requests: number;
  readonly keys: number;
  readonly valueBytes: number;
  /** `["-t", "set"]`, or a command with `__rand_int__` in it. */
  readonly command: readonly string[];
  readonly isTls?: boolean;
}

/**
 * One run. Not as CSV, which has no percentile above the 99th. Throws on an answer that is an
 * error, as redis-benchmark does; a miss is none, so the caller looks at the server's tally of those.
 */
export async function redisBenchmark(
  load: RedisLoad,
  core: number | undefined,
): Promise<LoadResult> {
  const report = await outputOf(
    [
      ...["redis-benchmark", "-h", "127.0.0.1", "-p", `${load.port}`],
      ...["-c", `${RESP_CONNECTIONS}`, "-n", `${load.requests}`, "-P", `${load.pipeline}`],
      ...["-r", `${load.keys}`, "-d", `${load.valueBytes}`, "--precision", "3"],
      ...(load.isTls === true ? ["--tls", "--insecure"] : []),
      ...load.command,
    ],
    core,
  );
  const rate = /throughput summary: ([\d.]+) requests per second/.exec(report)?.[1];
  // avg, min, p50, p95, p99, max
  const latencies = /\bmax\n\s+([\d. ]+)\n/.exec(report)?.[1]?.trim().split(/ +/) ?? [];
  const steps = report.matchAll(/^([\d.]+)% <= ([\d.]+) milliseconds/gm);
  const p999 = [...steps].find(([, percent]) => Number(percent) >= 99.9)?.[2];
  const result = {
    requests: load.requests,
    requestsPerSecond: Number(rate),
    p50: Number(latencies[2]),
    p99: Number(latencies[4]),
    p999: Number(p999),
  };
  if (Object.values(result).some(Number.isNaN)) throw new Error(`redis-benchmark said ${report}`);
  return result;
}
