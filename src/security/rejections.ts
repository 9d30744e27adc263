// What was refused, and why, by both protocols. In shared memory.

import { allocateCounterTable, CounterTable } from "../shared-memory/counters.ts";

/** Why a protocol refuses a request or closes a connection: for who asks, and for how much. */
const REASONS = {
  http: [
    ...(["no_token", "wrong_token", "read_only_token", "foreign_origin", "unknown_host"] as const),
    ...(["connections", "body_size", "batch_size", "pending_bodies", "overload"] as const),
  ],
  resp: [
    ...(["no_token", "wrong_token", "read_only_token"] as const),
    ...(["connections", "command_size", "output_size", "slow_client", "idle_client"] as const),
    "pending_bytes",
  ],
} as const;
type Protocol = keyof typeof REASONS;
export type RejectionReason<P extends Protocol> = (typeof REASONS)[P][number];

const PROTOCOLS = ["http", "resp"] as const;
/** Where the counts of a protocol begin. */
const FIRST = { http: 0, resp: REASONS.http.length } as const;
const WIDTH = REASONS.http.length + REASONS.resp.length;

/** Memory for the refusals of `threads` threads. */
export function allocateRejections(threads: number): SharedArrayBuffer {
  return allocateCounterTable(threads, WIDTH);
}

export class RejectionCounters {
  readonly #counts: CounterTable;

  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#counts = new CounterTable(memory, thread, WIDTH);
  }

  add<P extends Protocol>(protocol: P, reason: RejectionReason<P>): void {
    this.#counts.add(placeOf(protocol, reason), 1);
  }

  /** Over all threads, since the start. O(threads). */
  sum<P extends Protocol>(protocol: P, reason: RejectionReason<P>): number {
    return this.#counts.sum(placeOf(protocol, reason));
  }

  /** All that may be, with how often it was. O(threads). */
  all(): (readonly [labels: Readonly<Record<string, string>>, count: number])[] {
    return PROTOCOLS.flatMap((protocol) =>
      REASONS[protocol].map((reason, place) => {
        const count = this.#counts.sum(FIRST[protocol] + place);
        return [{ protocol, reason }, count] as const;
      }),
    );
  }
}

function placeOf(protocol: Protocol, reason: string): number {
  const reasons: readonly string[] = REASONS[protocol];
  return FIRST[protocol] + reasons.indexOf(reason);
}
