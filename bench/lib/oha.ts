// Load by oha (github.com/hatoo/oha), pinned to a core, its JSON report read.

import { pinned } from "./server.ts";

/** What one run of a load tool gave. Latencies in milliseconds. */
export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

interface OhaReport {
  readonly summary: { readonly requestsPerSec: number };
  readonly latencyPercentiles: Readonly<Record<"p50" | "p99" | "p99.9", number>>;
  readonly statusCodeDistribution: Readonly<Record<string, number>>;
  readonly errorDistribution: Readonly<Record<string, number>>;
}

/** Cut off at the end of a timed run: no error of the server's. */
const DEADLINE = "aborted due to deadline";

/**
 * Runs oha on `core` with these arguments. Throws on any status but 200 and on any error:
 * a wrong answer is not a fast one.
 */
export async function oha(core: number, args: readonly string[]): Promise<LoadResult> {
  const command = ["oha", "--no-tui", "--output-format", "json", ...args];
  const child = Bun.spawn(pinned(core, command), { stdout: "pipe", stderr: "pipe" });
  const [text, complaint] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(`oha failed: ${complaint}`);
  const report = JSON.parse(text) as OhaReport;
  const { "200": requests = 0, ...otherStatuses } = report.statusCodeDistribution;
  const { [DEADLINE]: _cutOff, ...errors } = report.errorDistribution;
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
