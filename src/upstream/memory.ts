// The memory of the upstream, which the threads share. It is allocated only with --upstream.

import { allocateUpstreamStats, type UpstreamStatsMemory } from "./stats.ts";
import { allocateTrust, type TrustMemory } from "./trust.ts";

/** Plain data that may be sent to a worker. */
export interface UpstreamMemory {
  readonly trust: TrustMemory;
  readonly stats: UpstreamStatsMemory;
  /** By worker: 1 once it was connected. Its successor does not make a node unready in an outage. */
  readonly connected: SharedArrayBuffer;
}

/** The supervisor's thread number is `workers`. */
export function allocateUpstream(workers: number): UpstreamMemory {
  return {
    trust: allocateTrust(),
    stats: allocateUpstreamStats(workers + 1),
    connected: new SharedArrayBuffer(workers),
  };
}
