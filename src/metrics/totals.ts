// One reading of the counters that live stats are made from, and the changes between two readings.
// Typed arrays: indexes are in range by construction.

import type { CacheStats } from "../cache/cache.ts";
import { type InterfaceBytes, interfaceBytes } from "../linux/interfaces.ts";
import type { CommandView, LiveStats, RejectionView, TrafficView } from "../live/stats.ts";
import type { RejectionCounters } from "../security/rejections.ts";
import type { ServiceState } from "../service/service.ts";
import { BUCKETS } from "../shared-memory/histogram.ts";
import type { MetricsContext } from "./metric.ts";
import type { CallCounts, ProtocolStats } from "./protocol.ts";

const COMMANDS_MAX = 12;

/** The sources of live stats. */
export interface SamplerContext extends Omit<MetricsContext, "service"> {
  readonly service: {
    readonly state: ServiceState;
    readonly rejections: RejectionCounters;
    readonly startedMs: number;
  };
}

/** Counters since the start. */
export interface Totals {
  readonly timeMs: number;
  readonly stats: CacheStats;
  readonly protocols: readonly ProtocolStats[];
  /** By protocol and command, in their order. */
  readonly calls: Float64Array;
  readonly errors: Float64Array;
  /** Durations of requests, by bucket. */
  readonly durations: Float64Array;
  /** By protocol and reason, in the order of `reasons`. */
  readonly rejections: Float64Array;
  readonly reasons: readonly Readonly<Record<string, string>>[];
  readonly respBytes: InterfaceBytes;
  readonly interfaceBytes: InterfaceBytes | undefined;
}

/** Reads all counters. O(commands × threads): 0.2 ms. */
export function readTotals({ cache, service, protocols: list }: SamplerContext): Totals {
  const protocols = [...list()];
  const commands = protocols.reduce((sum, protocol) => sum + protocol.commands.length, 0);
  const calls = new Float64Array(commands);
  const errors = new Float64Array(commands);
  const durations = new Float64Array(BUCKETS);
  const counts: CallCounts = { calls: 0, errors: 0 };
  const respBytes = { received: 0, sent: 0 };
  let at = 0;
  for (const protocol of protocols) {
    for (let command = 0; command < protocol.commands.length; command++, at++) {
      protocol.calls(command, counts);
      calls[at] = counts.calls;
      errors[at] = counts.errors;
    }
    for (const [bucket, count] of protocol.durations.all().entries()) durations[bucket]! += count;
    Object.assign(respBytes, protocol.traffic());
  }
  const rejections = service.rejections.all();
  return {
    ...{ timeMs: performance.now(), stats: cache.maintenance.stats(), protocols, calls, errors },
    ...{ durations, respBytes, interfaceBytes: interfaceBytes() },
    rejections: Float64Array.from(rejections, ([, count]) => count),
    reasons: rejections.map(([labels]) => labels),
  };
}

/** Returns a reading after a second without requests: only the cache and the network may have changed. */
export function readRestingTotals({ cache }: SamplerContext, last: Totals): Totals {
  const stats = cache.maintenance.stats();
  return { ...last, timeMs: performance.now(), stats, interfaceBytes: interfaceBytes() };
}

/** What has changed from one reading to a later one. */
export class Changes {
  readonly last: Totals;
  readonly now: Totals;
  readonly #seconds: number;

  constructor(last: Totals, now: Totals) {
    this.last = last;
    this.now = now;
    this.#seconds = Math.max(0.001, (now.timeMs - last.timeMs) / 1000);
  }

  /** Returns the change of a counter of the cache. */
  of(name: keyof CacheStats): number {
    return this.now.stats[name] - this.last.stats[name];
  }

  /** Returns a change as a rate; never negative. */
  perSecond(change: number): number {
    return Math.max(0, change) / this.#seconds;
  }
}

export function sumOf(numbers: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < numbers.length; index++) sum += numbers[index]!;
  return sum;
}

/** Returns the most frequent commands: those of the last second first, then those since the start. */
export function commandViews(changes: Changes): LiveStats["commands"] {
  const { last, now } = changes;
  const views: CommandView[] = [];
  let at = 0;
  for (const { protocol, commands } of now.protocols) {
    for (const command of commands) {
      const calls = now.calls[at]!;
      const errors = now.errors[at]!;
      // The Redis port opens after the first reading: it had no commands before.
      const callsPerSecond = changes.perSecond(calls - (last.calls[at] ?? calls));
      const errorsPerSecond = changes.perSecond(errors - (last.errors[at] ?? errors));
      at++;
      if (calls === 0) continue;
      views.push({ protocol, command, callsPerSecond, errorsPerSecond, calls, errors });
    }
  }
  return views
    .sort((a, b) => b.callsPerSecond - a.callsPerSecond || b.calls - a.calls)
    .slice(0, COMMANDS_MAX);
}

/** Returns the reasons that have occurred since the start, most frequent first. */
export function rejectionViews(changes: Changes): LiveStats["rejections"] {
  const { last, now } = changes;
  const views: RejectionView[] = [];
  for (const [at, { protocol, reason = "" }] of now.reasons.entries()) {
    const count = now.rejections[at]!;
    if (count === 0) continue;
    const perSecond = changes.perSecond(count - last.rejections[at]!);
    views.push({ protocol: protocol === "resp" ? "resp" : "http", reason, perSecond, count });
  }
  return views.sort((a, b) => b.count - a.count);
}

export function networkView(changes: Changes): LiveStats["network"] {
  const { last, now } = changes;
  const between = (from: InterfaceBytes, to: InterfaceBytes): TrafficView => ({
    receivedPerSecond: changes.perSecond(to.received - from.received),
    sentPerSecond: changes.perSecond(to.sent - from.sent),
  });
  const [from, to] = [last.interfaceBytes, now.interfaceBytes];
  return {
    resp: between(last.respBytes, now.respBytes),
    interfaces: from === undefined || to === undefined ? null : between(from, to),
  };
}
