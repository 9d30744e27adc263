// The stats that each protocol (HTTP, Redis) provides to metrics and the dashboard.

import type { Histogram } from "../shared-memory/histogram.ts";

export interface ProtocolStats {
  readonly protocol: "http" | "resp";
  /** The names of the commands; the index is the command's number. */
  readonly commands: readonly string[];
  /** Returns the requests of a command since the start, by status. The counts never decrease. */
  readonly statuses: (command: number) => Readonly<Record<string, number>>;
  /** Durations by the command's number. */
  readonly durations: Histogram;
  /** Returns the number of open connections; undefined if the system cannot count them. */
  readonly clients: () => number | undefined;
}

/** Returns the requests of all commands since the start. O(commands × threads). */
export function totalRequests({ commands, statuses }: ProtocolStats): number {
  let sum = 0;
  for (let command = 0; command < commands.length; command++) {
    for (const count of Object.values(statuses(command))) sum += count;
  }
  return sum;
}
