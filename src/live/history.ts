// The history of the live stats: one sample per second. The service records it, and sends it first to
// each dashboard and `bun run top`, so that their charts are full from the start.

import type { LiveStats } from "./stats.ts";

/** Seconds of history, and also the greatest number of samples. */
export const HISTORY_SECONDS = 300;
/** The name of the event that has the history. */
export const HISTORY_EVENT = "history";

/** The stats of which the history keeps numbers. */
export type Rates = Pick<
  LiveStats,
  | ("timeMs" | "requestsPerSecond" | "hitRatio" | "latencyMs" | "memory" | "entries")
  | ("residentBytes" | "errorsPerSecond" | "rejectionsPerSecond" | "network" | "clients")
  | ("evictionsPerSecond" | "expirationsPerSecond" | "caching" | "upstream" | "workerRestarts")
>;

/** The number of each field; null is no value. */
const FIELDS = {
  requests: (now) => now.requestsPerSecond,
  hitRatio: (now) => now.hitRatio,
  p50: (now) => now.latencyMs?.p50 ?? null,
  p99: (now) => now.latencyMs?.p99 ?? null,
  p999: (now) => now.latencyMs?.p999 ?? null,
  liveBytes: ({ memory }) => memory.liveBytes,
  deadBytes: ({ memory }) => memory.deadBytes,
  expiredBytes: ({ memory }) => memory.expiredBytes,
  usedBytes: ({ memory }) => memory.usedBytes,
  maxBytes: ({ memory }) => memory.maxBytes,
  evictions: (now) => now.evictionsPerSecond,
  expirations: (now) => now.expirationsPerSecond,
  errors: (now) => now.errorsPerSecond,
  rejections: (now) => now.rejectionsPerSecond,
  respReceived: ({ network }) => network.resp.receivedPerSecond,
  respSent: ({ network }) => network.resp.sentPerSecond,
  received: ({ network }) => network.interfaces?.receivedPerSecond ?? null,
  sent: ({ network }) => network.interfaces?.sentPerSecond ?? null,
  httpClients: ({ clients }) => clients.http,
  respClients: ({ clients }) => clients.resp,
  leases: ({ caching }) => caching.leasesPerSecond,
  waits: ({ caching }) => caching.waitsPerSecond,
  stale: ({ caching }) => caching.stalePerSecond,
  nearHitRatio: ({ upstream }) => upstream?.nearHitRatio ?? null,
  nearHits: ({ upstream }) => upstream?.nearHitsPerSecond ?? null,
  nearMisses: ({ upstream }) => upstream?.nearMissesPerSecond ?? null,
  fills: ({ upstream }) => upstream?.fillsPerSecond ?? null,
  drops: ({ upstream }) => upstream?.dropsPerSecond ?? null,
  invalidations: ({ upstream }) => upstream?.invalidationsPerSecond ?? null,
  upstreamErrors: ({ upstream }) => upstream?.errorsPerSecond ?? null,
  workerRestarts: (now) => now.workerRestarts,
} satisfies Record<string, (now: Rates) => number | null>;

export type Field = keyof typeof FIELDS;
export const FIELD_NAMES = Object.keys(FIELDS) as Field[];

/** One second of the history. */
export interface Sample {
  /** Unix time in milliseconds. */
  readonly timeMs: number;
  readonly values: Readonly<Partial<Record<Field, number | null>>>;
}

/** The data of the event: the names of the fields, and one row per sample, which starts with its time. */
export interface HistoryTable {
  readonly fields: readonly string[];
  readonly rows: readonly (readonly (number | null)[])[];
}

export function sampleOf(rates: Rates): Sample {
  const values = Object.fromEntries(FIELD_NAMES.map((name) => [name, FIELDS[name](rates)]));
  return { timeMs: rates.timeMs, values };
}

/** Returns the samples of an event, oldest first. A field that this version does not know is skipped. */
export function samplesOf({ fields, rows }: HistoryTable): Sample[] {
  const known = fields.flatMap((name, index) => {
    const field = FIELD_NAMES.find((other) => other === name);
    return field === undefined ? [] : [[field, index + 1] as const];
  });
  return rows.map((row) => {
    const values = Object.fromEntries(known.map(([name, at]) => [name, row[at] ?? null]));
    return { timeMs: row[0] ?? 0, values };
  });
}
