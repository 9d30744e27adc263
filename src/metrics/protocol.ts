// What a protocol lets be read of its requests, for metrics and the dashboard.

import type { Histogram } from "../shared-memory/histogram.ts";

export interface ProtocolStats {
  readonly protocol: "http" | "resp";
  /** What its requests are called, by their numbers. */
  readonly commands: readonly string[];
  /** Requests of this command since the start, by what became of them. They never go down. */
  readonly statuses: (command: number) => Readonly<Record<string, number>>;
  /** By the commands' numbers. */
  readonly durations: Histogram;
  /** Connections at this moment; undefined where that cannot be known. */
  readonly clients: () => number | undefined;
}

/** Requests of all commands since the start. O(commands × threads). */
export function requestsOf({ commands, statuses }: ProtocolStats): number {
  let sum = 0;
  for (let command = 0; command < commands.length; command++) {
    for (const count of Object.values(statuses(command))) sum += count;
  }
  return sum;
}
