// The counters of the upstream, in shared memory: each worker has a row, and the supervisor's thread the
// last one.

import { allocateCounterTable, CounterTable } from "../shared-memory/counters.ts";
import { allocateHistogram, Histogram } from "../shared-memory/histogram.ts";

const NAMES = [
  ...["hits", "misses", "fills", "untrusted", "invalidations", "topologyChanges", "inFlight"],
  ...["dropped.invalidated", "dropped.flushed", "dropped.untrusted", "dropped.redirected"],
  ...["flushes.connection", "flushes.topology", "flushes.flushall", "flushes.busy"],
] as const;
type Name = (typeof NAMES)[number];

/** Kinds of commands by which the counters of the upstream differ. */
export const COMMAND_KINDS = ["load", "read", "write", "keyspace"] as const;
export type CommandKind = (typeof COMMAND_KINDS)[number];

export const OUTCOMES = ["ok", "error", "timeout", "redirect"] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const DROP_REASONS = ["invalidated", "flushed", "untrusted", "redirected"] as const;
export const FLUSH_REASONS = ["connection", "topology", "flushall", "busy"] as const;
export type FlushReason = (typeof FLUSH_REASONS)[number];

const NUMBERS = Object.fromEntries(NAMES.map((name, index) => [name, index])) as Record<
  Name,
  number
>;
const WIDTH = NAMES.length + COMMAND_KINDS.length * OUTCOMES.length;

export interface UpstreamStatsMemory {
  readonly counters: SharedArrayBuffer;
  readonly durations: SharedArrayBuffer;
}

export function allocateUpstreamStats(threads: number): UpstreamStatsMemory {
  return {
    counters: allocateCounterTable(threads, WIDTH),
    durations: allocateHistogram(threads, COMMAND_KINDS.length),
  };
}

/** One thread's counters, and the sums over all threads. */
export class UpstreamStats {
  readonly #counters: CounterTable;
  readonly durations: Histogram;

  constructor({ counters, durations }: UpstreamStatsMemory, thread: number) {
    this.#counters = new CounterTable(counters, thread, WIDTH);
    // A lost predecessor may have left commands in flight.
    this.#counters.reset(NUMBERS.inFlight);
    this.durations = new Histogram(durations, thread, COMMAND_KINDS.length);
  }

  add(name: Name, count = 1): void {
    this.#counters.add(NUMBERS[name], count);
  }

  sum(name: Name): number {
    return this.#counters.sum(NUMBERS[name]);
  }

  began(): void {
    this.#counters.add(NUMBERS.inFlight, 1);
  }

  /** Counts the end of a command that began at `startMs` of performance.now(). */
  ended(kind: CommandKind, outcome: Outcome, startMs: number): void {
    this.#counters.add(NUMBERS.inFlight, -1);
    this.#counters.add(commandIndex(kind, outcome), 1);
    this.durations.observe(COMMAND_KINDS.indexOf(kind), (performance.now() - startMs) * 1000);
  }

  commands(kind: CommandKind, outcome: Outcome): number {
    return this.#counters.sum(commandIndex(kind, outcome));
  }
}

function commandIndex(kind: CommandKind, outcome: Outcome): number {
  return NAMES.length + COMMAND_KINDS.indexOf(kind) * OUTCOMES.length + OUTCOMES.indexOf(outcome);
}
