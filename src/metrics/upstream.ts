// The metrics of the upstream. Without --upstream they have no values.

import {
  COMMAND_KINDS,
  DROP_REASONS,
  FLUSH_REASONS,
  OUTCOMES,
  type UpstreamStats,
} from "../upstream/stats.ts";
import type { Labels, Metric, Scrape, UpstreamSource } from "./metric.ts";

type Values = readonly (readonly [labels: Labels, value: number])[];

type Counted = Parameters<UpstreamStats["sum"]>[0];

const SUMS: readonly (readonly [name: string, source: Counted, help: string])[] = [
  ["near_hits_total", "hits", "Reads that the near cache answered."],
  ["near_misses_total", "misses", "Reads that went to the upstream."],
  ["near_fills_total", "fills", "Values that were loaded into the near cache."],
  ["near_untrusted_total", "untrusted", "Near values that were not served for want of trust."],
  ["near_invalidations_total", "invalidations", "Changes of keys that the upstream reported."],
  [
    "upstream_topology_changes_total",
    "topologyChanges",
    "Changes of the upstream's primaries or slots.",
  ],
  ["upstream_in_flight", "inFlight", "Commands that the upstream has not answered yet."],
];

export const UPSTREAM_METRICS: readonly Metric[] = [
  ...SUMS.map(([name, source, help]): Metric => ({
    ...{ name, help, kind: name.endsWith("_total") ? "counter" : "gauge" },
    read: ({ upstream }) => upstream?.stats.sum(source) ?? [],
  })),
  labelled(
    "near_fills_dropped_total",
    "Loaded values that were not kept, by reason.",
    ["reason"],
    ({ stats }) => DROP_REASONS.map((reason) => [{ reason }, stats.sum(`dropped.${reason}`)]),
  ),
  labelled(
    "near_flushes_total",
    "Times that the near values of a primary were dropped, by reason.",
    ["reason"],
    ({ stats }) => FLUSH_REASONS.map((reason) => [{ reason }, stats.sum(`flushes.${reason}`)]),
  ),
  labelled(
    "upstream_commands_total",
    "Commands that the upstream answered, by outcome.",
    ["command", "outcome"],
    ({ stats }) =>
      COMMAND_KINDS.flatMap((command) =>
        OUTCOMES.map(
          (outcome) => [{ command, outcome }, stats.commands(command, outcome)] as const,
        ),
      ),
  ),
  labelled(
    "upstream_trusted",
    "1 while near values of this primary are served.",
    ["primary"],
    ({ trust }, { cache }) =>
      trust.primaries().map((number) => {
        const isTrusted = trust.isTrusted(number, cache.clock.now());
        return [{ primary: trust.addressOf(number) }, isTrusted ? 1 : 0];
      }),
  ),
  labelled(
    "upstream_beat_age_seconds",
    "Time since the last answered beat of this primary was sent.",
    ["primary"],
    ({ trust }, { cache }) =>
      trust.primaries().flatMap((number) => {
        const sentMs = trust.lastBeatMs(number);
        if (sentMs === 0) return [];
        const age = Math.max(0, cache.clock.now() - sentMs) / 1000;
        return [[{ primary: trust.addressOf(number) }, age] as const];
      }),
  ),
  {
    ...{ name: "upstream_slots_covered", kind: "gauge" },
    help: "Slots whose primary is connected, of 16,384.",
    read: ({ upstream }) => upstream?.trust.coveredSlots ?? [],
  },
];

function labelled(
  name: string,
  help: string,
  labels: readonly string[],
  read: (source: UpstreamSource, scrape: Scrape) => Values,
): Metric {
  const kind = name.endsWith("_total") ? "counter" : "gauge";
  return {
    ...{ name, help, kind, labels },
    read: (scrape) => (scrape.upstream === undefined ? [] : read(scrape.upstream, scrape)),
  };
}
