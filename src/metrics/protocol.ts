// The stats that each protocol (HTTP, Redis) provides to metrics and the dashboard.

import type { Histogram } from "../shared-memory/histogram.ts";

/** Counts since the start. */
export interface CallCounts {
  calls: number;
  /** Calls whose response reports an error; a miss is none. */
  errors: number;
}

export interface ProtocolStats {
  readonly protocol: "http" | "resp";
  /** The names of the commands; the index is the command's number. */
  readonly commands: readonly string[];
  /** Returns the requests of a command since the start, by status. The counts never decrease. */
  readonly statuses: (command: number) => Readonly<Record<string, number>>;
  /** Sets `into` to the counts of a command. O(statuses × threads), without garbage. */
  readonly calls: (command: number, into: CallCounts) => void;
  /** Durations by the command's number. */
  readonly durations: Histogram;
  /** Returns the number of open connections; undefined if the system cannot count them. */
  readonly clients: () => number | undefined;
  /** Returns the bytes since the start; undefined if the protocol does not count them. */
  readonly traffic: () => { readonly received: number; readonly sent: number } | undefined;
}
