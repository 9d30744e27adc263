// The stats of the Redis port, for metrics and the dashboard.

import type { ProtocolStats } from "../metrics/protocol.ts";
import { Histogram } from "../shared-memory/histogram.ts";
import { COMMANDS_MAX, RespCounters } from "./counters.ts";
import type { RespMemory } from "./memory.ts";

export function respStats(counters: RespCounters, durations: Histogram): ProtocolStats {
  return {
    protocol: "resp",
    commands: counters.names,
    statuses(command) {
      const { done, failed, rejected } = counters.commandSinceStart(command);
      return { ok: done, error: failed, rejected };
    },
    calls(command, into) {
      const { done, failed, rejected } = counters.commandSinceStart(command);
      into.errors = failed + rejected;
      into.calls = done + into.errors;
    },
    durations,
    clients: () => counters.sum("connected"),
    traffic: () => counters.trafficSinceStart(),
  };
}

/**
 * Returns the stats for the supervisor of `threads` workers: it serves no clients, and it does not load
 * the names of the commands.
 */
export function unnamedRespStats(memory: RespMemory, threads: number): ProtocolStats {
  const names = new Array<string>(COMMANDS_MAX).fill("");
  // Its row is that of the sums before a reset, in which states are 0 anyway.
  const counters = new RespCounters(memory.counters, threads, names);
  return respStats(counters, new Histogram(memory.durations, threads, COMMANDS_MAX));
}
