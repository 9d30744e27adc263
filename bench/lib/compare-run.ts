// The rounds of bench compare, and the tables of their medians.

import { median, quantile } from "simple-statistics";

import type { LoadResult } from "./loads.ts";
import type { Peer } from "./peers.ts";

/** One load on one server; `run` throws if an answer is wrong. */
export interface CompareLoad {
  readonly load: string;
  readonly peer: Peer;
  run(): Promise<LoadResult>;
}
export interface Run extends LoadResult {
  readonly load: string;
  readonly server: string;
  /** CPU time of the server per request, in microseconds. */
  readonly cpuMicros: number;
}

/**
 * Runs all loads in turn, `rounds` times beside those of `earlier`; every second round in reverse
 * order. The first round warms up what is compiled as it runs, and is not kept. `keep` gets all
 * runs after each round.
 */
export async function measureRounds(
  loads: readonly CompareLoad[],
  rounds: number,
  earlier: readonly Run[],
  keep: (runs: readonly Run[]) => Promise<void>,
): Promise<Run[]> {
  const kept = [...earlier];
  const begun = earlier.length / loads.length;
  for (let round = begun - 1; round < rounds; round++) {
    for (const { load, peer, run } of round % 2 === 0 ? loads : loads.toReversed()) {
      const before = peer.cpuSeconds();
      const result = await run();
      const cpuMicros = ((peer.cpuSeconds() - before) / result.requests) * 1e6;
      if (round >= begun) kept.push({ load, server: peer.label, cpuMicros, ...result });
    }
    if (round >= begun) await keep(kept);
  }
  return kept;
}

/** The CPU time of one server per request of one load, beside that of the base in the same round. */
export interface Cost {
  readonly load: string;
  readonly server: string;
  readonly micros: number;
  /** Median of the ratios of each round: what else the machine does weighs on both sides alike. */
  readonly ratio: number;
  /** Half of the distance between the quartiles of the ratios. */
  readonly spread: number;
}

/** One for each load and server, in the order of the runs. `base` is the label of the server that is 1. */
export function costsOf(runs: readonly Run[], base: string): Cost[] {
  const micros = Map.groupBy(runs, ({ load, server }) => `${load}\n${server}`);
  return [...micros.values()].map((some) => {
    const { load = "", server = "" } = some[0] ?? {};
    const bases = micros.get(`${load}\n${base}`) ?? [];
    const ratios = some.map(
      (run, round) => run.cpuMicros / (bases[round]?.cpuMicros ?? Number.NaN),
    );
    return {
      ...{ load, server, micros: median(some.map(({ cpuMicros }) => cpuMicros)) },
      ...{ ratio: median(ratios), spread: (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / 2 },
    };
  });
}

/** Rows of loads and columns of servers: microseconds of the base, ratios of the others. */
export function costTable(costs: readonly Cost[], base: string): string {
  const servers = inOrder(costs.map(({ server }) => server)).filter((server) => server !== base);
  const rows = inOrder(costs.map(({ load }) => load)).map((load) => {
    const of = (server: string) => costs.find((one) => one.load === load && one.server === server);
    const ratios = servers.map((server) => of(server)?.ratio.toFixed(2) ?? "–");
    return [load, `${of(base)?.micros.toFixed(2)} µs`, ...ratios];
  });
  const spreads = costs.filter(({ server }) => server !== base).map(({ spread }) => spread);
  const line = `Half of the rounds are within ± ${median(spreads).toFixed(2)} of the median ratio.`;
  return `${markdown([`CPU per request, ${base} = 1`, base, ...servers], rows)}\n\n${line}\n`;
}

/** A table in Markdown; all columns but the first are aligned to the right. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function inOrder(names: readonly string[]): string[] {
  return [...new Set(names)];
}
