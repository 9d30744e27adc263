// What was refused, and why, by both protocols. In shared memory.

import { allocateCounts, Counts } from "./counts.ts";

/** Why a request was refused or a connection closed. */
export const REFUSAL_REASONS = [
  // Who asks.
  ...(["no_token", "wrong_token", "read_only_token", "foreign_origin", "unknown_host"] as const),
  // How much.
  ...(["connections", "body_size", "batch_size", "pending_bodies", "command_size"] as const),
  ...(["output_size", "slow_client", "idle_client", "overload"] as const),
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

const PROTOCOLS = ["http", "resp"] as const;
const WIDTH = REFUSAL_REASONS.length * PROTOCOLS.length;

/** Memory for the refusals of `threads` threads. */
export function allocateRefusals(threads: number): SharedArrayBuffer {
  return allocateCounts(threads, WIDTH);
}

export class Refusals {
  readonly #counts: Counts;

  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#counts = new Counts(memory, thread, WIDTH);
  }

  add(protocol: "http" | "resp", reason: RefusalReason): void {
    this.#counts.add(placeOf(protocol, reason), 1);
  }

  /** Over all threads, since the start. O(threads). */
  sum(protocol: "http" | "resp", reason: RefusalReason): number {
    return this.#counts.sum(placeOf(protocol, reason));
  }

  /** All that may be, with how often it was. */
  all(): (readonly [labels: Readonly<Record<string, string>>, count: number])[] {
    return PROTOCOLS.flatMap((protocol) =>
      REFUSAL_REASONS.map((reason) => [{ protocol, reason }, this.sum(protocol, reason)] as const),
    );
  }
}

function placeOf(protocol: "http" | "resp", reason: RefusalReason): number {
  return PROTOCOLS.indexOf(protocol) * REFUSAL_REASONS.length + REFUSAL_REASONS.indexOf(reason);
}
