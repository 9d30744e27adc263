// What /metrics and the live stats say of the upstream. Imported only with --upstream.

import type { Cache } from "../cache/cache.ts";
import type { UpstreamView } from "../live/stats.ts";
import { SLOTS } from "../upstream/slots.ts";
import {
  COMMAND_KINDS,
  DROP_REASONS,
  FLUSH_REASONS,
  OUTCOMES,
  type UpstreamStats,
} from "../upstream/stats.ts";
import type { Trust } from "../upstream/trust.ts";
import type { Labels, Metric, UpstreamSampler, UpstreamSource } from "./metric.ts";

interface Parts {
  readonly stats: UpstreamStats;
  readonly trust: Trust;
  readonly cache: Cache;
}

type Values = readonly (readonly [labels: Labels, value: number])[];
type Counted = Parameters<UpstreamStats["sum"]>[0];

const DURATION = {
  name: "upstream_duration_seconds",
  help: "Time from sending a command to the upstream to its answer.",
  labels: ["command"],
};

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

/** Returns the sources of one worker. */
export function upstreamSource(parts: Parts): UpstreamSource {
  const { stats } = parts;
  return {
    metrics: [...countersOf(stats), ...gaugesOf(parts)],
    durations: {
      ...DURATION,
      read: () =>
        COMMAND_KINDS.map((command, number) => [{ command }, stats.durations.of(number)] as const),
    },
    createSampler: () => new Sampler(parts),
  };
}

function countersOf(stats: UpstreamStats): Metric[] {
  return [
    ...SUMS.map(([name, source, help]): Metric => ({
      ...{ name, help, kind: name.endsWith("_total") ? "counter" : "gauge" },
      read: () => stats.sum(source),
    })),
    labelled("near_fills_dropped_total", "Loaded values that were not kept, by reason.", {
      labels: ["reason"],
      read: () => DROP_REASONS.map((reason) => [{ reason }, stats.sum(`dropped.${reason}`)]),
    }),
    labelled("near_flushes_total", "Times that near values were dropped at once, by reason.", {
      labels: ["reason"],
      read: () => FLUSH_REASONS.map((reason) => [{ reason }, stats.sum(`flushes.${reason}`)]),
    }),
    labelled("upstream_commands_total", "Commands that the upstream answered, by outcome.", {
      labels: ["command", "outcome"],
      read: () =>
        COMMAND_KINDS.flatMap((command) =>
          OUTCOMES.map((outcome): [Labels, number] => {
            return [{ command, outcome }, stats.commands(command, outcome)];
          }),
        ),
    }),
  ];
}

function gaugesOf({ trust, cache }: Parts): Metric[] {
  return [
    labelled("upstream_trusted", "1 while near values of this primary are served.", {
      labels: ["primary"],
      read: () =>
        trust.primaries().map((number) => {
          const isTrusted = trust.isTrusted(number, cache.clock.now());
          return [{ primary: trust.addressOf(number) }, isTrusted ? 1 : 0];
        }),
    }),
    labelled(
      "upstream_beat_age_seconds",
      "Time since the last answered beat of this primary was sent.",
      {
        labels: ["primary"],
        read: () =>
          trust.primaries().flatMap((number) => {
            const ageMs = trust.beatAgeMs(number, cache.clock.now());
            if (ageMs === undefined) return [];
            return [[{ primary: trust.addressOf(number) }, ageMs / 1000] as const];
          }),
      },
    ),
    {
      ...{ name: "upstream_slots_covered", kind: "gauge" },
      help: "Slots whose primary is connected, of 16,384.",
      read: () => trust.coveredSlots,
    },
  ];
}

function labelled(
  name: string,
  help: string,
  { labels, read }: { readonly labels: readonly string[]; readonly read: () => Values },
): Metric {
  return { name, help, kind: name.endsWith("_total") ? "counter" : "gauge", labels, read };
}

const RATES = ["hits", "misses", "fills", "invalidations"] as const;

/** Counters since the start. */
type Totals = Readonly<Record<(typeof RATES)[number] | "timeMs" | "drops" | "errors", number>>;

class Sampler implements UpstreamSampler {
  readonly #parts: Parts;
  /** The totals at the last mark and at the mark before it. */
  #previous: Totals;
  #last: Totals;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#last = this.#previous = this.#totals();
  }

  mark(): void {
    this.#previous = this.#last;
    this.#last = this.#totals();
  }

  view(): UpstreamView {
    const { stats, trust, cache } = this.#parts;
    const nowMs = cache.clock.now();
    const last = this.#previous;
    const now = this.#totals();
    const seconds = Math.max(0.001, (now.timeMs - last.timeMs) / 1000);
    const perSecond = (name: keyof Totals) => Math.max(0, now[name] - last[name]) / seconds;
    const hits = now.hits - last.hits;
    const reads = hits + now.misses - last.misses;
    const slots = new Uint32Array(256);
    for (let slot = 0; slot < SLOTS; slot++) slots[trust.ownerOf(slot)]!++;
    return {
      mode: trust.mode,
      slotsCovered: trust.coveredSlots,
      primaries: trust.primaries().map((number) => ({
        address: trust.addressOf(number),
        isTrusted: trust.isTrusted(number, nowMs),
        beatAgeMs: trust.beatAgeMs(number, nowMs) ?? null,
        slots: slots[number]!,
      })),
      nearHitsPerSecond: perSecond("hits"),
      nearMissesPerSecond: perSecond("misses"),
      nearHitRatio: reads <= 0 ? null : hits / reads,
      fillsPerSecond: perSecond("fills"),
      dropsPerSecond: perSecond("drops"),
      invalidationsPerSecond: perSecond("invalidations"),
      flushes: FLUSH_REASONS.reduce((sum, reason) => sum + stats.sum(`flushes.${reason}`), 0),
      inFlight: stats.sum("inFlight"),
      errorsPerSecond: perSecond("errors"),
    };
  }

  #totals(): Totals {
    const { stats } = this.#parts;
    const [hits = 0, misses = 0, fills = 0, invalidations = 0] = RATES.map((name) => {
      return stats.sum(name);
    });
    let errors = 0;
    for (const kind of COMMAND_KINDS)
      errors += stats.commands(kind, "error") + stats.commands(kind, "timeout");
    const drops = DROP_REASONS.reduce((sum, reason) => sum + stats.sum(`dropped.${reason}`), 0);
    return { timeMs: performance.now(), hits, misses, fills, invalidations, drops, errors };
  }
}
