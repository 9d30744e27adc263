// Counters of rejected requests and closed connections by reason, for both protocols, in shared memory.

import { allocateCounterTable, CounterTable } from "../shared-memory/counters.ts";

/** The reasons for which a protocol rejects a request or closes a connection. */
const REASONS = {
  http: [
    ...(["no_token", "wrong_token", "read_only_token", "foreign_origin", "unknown_host"] as const),
    ...(["connections", "body_size", "batch_size", "pending_bodies", "overload"] as const),
    "waiters",
  ],
  resp: [
    ...(["no_token", "wrong_token", "read_only_token"] as const),
    ...(["connections", "command_size", "output_size", "slow_client", "idle_client"] as const),
    ...(["pending_bytes", "waiters"] as const),
  ],
} as const;
type Protocol = keyof typeof REASONS;
export type RejectionReason<P extends Protocol> = (typeof REASONS)[P][number];

const PROTOCOLS = ["http", "resp"] as const;
/** The first index of each protocol. */
const FIRST = { http: 0, resp: REASONS.http.length } as const;
const WIDTH = REASONS.http.length + REASONS.resp.length;

/** Memory for the counters of `threads` threads. */
export function allocateRejections(threads: number): SharedArrayBuffer {
  return allocateCounterTable(threads, WIDTH);
}

export class RejectionCounters {
  readonly #counters: CounterTable;

  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#counters = new CounterTable(memory, thread, WIDTH);
  }

  add<P extends Protocol>(protocol: P, reason: RejectionReason<P>): void {
    this.#counters.add(indexOf(protocol, reason), 1);
  }

  /** Returns the sum over all threads since the start. O(threads). */
  sum<P extends Protocol>(protocol: P, reason: RejectionReason<P>): number {
    return this.#counters.sum(indexOf(protocol, reason));
  }

  /** Returns the labels and the count of every reason. O(threads). */
  all(): (readonly [labels: Readonly<Record<string, string>>, count: number])[] {
    return PROTOCOLS.flatMap((protocol) =>
      REASONS[protocol].map((reason, index) => {
        const count = this.#counters.sum(FIRST[protocol] + index);
        return [{ protocol, reason }, count] as const;
      }),
    );
  }
}

function indexOf(protocol: Protocol, reason: string): number {
  const reasons: readonly string[] = REASONS[protocol];
  return FIRST[protocol] + reasons.indexOf(reason);
}
