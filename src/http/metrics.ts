// The workers' counters of HTTP requests, in shared memory: the number of responses of each route by
// their status, and the durations of the requests.

import type { CallCounts, ProtocolStats } from "../metrics/protocol.ts";
import { allocateCounterTable, CounterTable } from "../shared-memory/counters.ts";
import { allocateHistogram, Histogram } from "../shared-memory/histogram.ts";
import { allocateConnections, ConnectionTable } from "./admission/connection-table.ts";

/** The names of the routes in metrics; "other" is a request of no route. */
export const HTTP_COMMANDS = [
  ...(["put", "get", "delete", "mput", "mget", "snapshot", "stats", "ring"] as const),
  ...([
    "incr",
    "ttl",
    "entry",
    "keys",
    "flush",
    "cache",
    "redis",
    "release",
    "invalidate",
  ] as const),
  ...(["health", "livez", "readyz", "metrics", "openapi", "dashboard", "events", "other"] as const),
] as const;
export type HttpCommand = (typeof HTTP_COMMANDS)[number];

/** The statuses that have a counter; the last counter is for all others. */
const STATUSES = [
  ...([200, 201, 204, 304] as const),
  ...([400, 401, 403, 404, 405, 409, 412, 413, 500, 503, 507, "other"] as const),
] as const;
const OTHER = STATUSES.length - 1;
/** The index of the counter, by status. */
const COUNTER_OF_STATUS = new Uint8Array(600).fill(OTHER);
for (const [index, status] of STATUSES.entries()) {
  if (status !== "other") COUNTER_OF_STATUS[status] = index;
}
/**
 * Statuses that a correct client gets: success, and the outcomes of a miss, a void lease and a condition. All
 * others are errors.
 */
const OUTCOMES: ReadonlySet<unknown> = new Set([200, 201, 204, 304, 404, 409, 412]);
/** A request of no route is an error, whatever its status is. */
const NO_ROUTE = HTTP_COMMANDS.indexOf("other");
const COUNTERS = HTTP_COMMANDS.length * STATUSES.length;

export interface HttpMemory {
  readonly counts: SharedArrayBuffer;
  readonly durations: SharedArrayBuffer;
  /** Written by ConnectionWatch. */
  readonly connections: SharedArrayBuffer;
}

/** Allocates the memory for `threads` threads, whose port may have `maxConnections` connections. */
export function allocateHttp(threads: number, maxConnections: number): HttpMemory {
  return {
    counts: allocateCounterTable(threads, COUNTERS),
    durations: allocateHistogram(threads, HTTP_COMMANDS.length),
    connections: allocateConnections(maxConnections),
  };
}

export class HttpMetrics implements ProtocolStats {
  readonly protocol = "http";
  readonly commands = HTTP_COMMANDS;
  readonly durations: Histogram;
  /** Requests that this thread has responded to. */
  answered = 0;
  /** The port of the listener, once it is open. */
  port = 0;
  readonly #counts: CounterTable;
  readonly connections: ConnectionTable;

  constructor(memory: HttpMemory, thread: number) {
    this.#counts = new CounterTable(memory.counts, thread, COUNTERS);
    this.durations = new Histogram(memory.durations, thread, HTTP_COMMANDS.length);
    this.connections = new ConnectionTable(memory.connections);
  }

  /** Counts a response. `command`: index in HTTP_COMMANDS. O(1). */
  record(command: number, status: number, ms: number): void {
    this.answered++;
    this.#counts.add(command * STATUSES.length + (COUNTER_OF_STATUS[status] ?? OTHER), 1);
    this.durations.observe(command, ms * 1000);
  }

  readonly statuses = (command: number): Record<string, number> => {
    const first = command * STATUSES.length;
    return Object.fromEntries(
      STATUSES.map((status, index) => [String(status), this.#counts.sum(first + index)]),
    );
  };

  readonly calls = (command: number, into: CallCounts): void => {
    const first = command * STATUSES.length;
    into.calls = 0;
    into.errors = 0;
    for (const [index, status] of STATUSES.entries()) {
      const count = this.#counts.sum(first + index);
      into.calls += count;
      if (command === NO_ROUTE || !OUTCOMES.has(status)) into.errors += count;
    }
  };

  /** The runtime counts no bytes, and counting them here would cost each request. */
  readonly traffic = (): undefined => undefined;

  /** Connections of the port when the supervisor's thread last counted them. */
  readonly clients = (): number | undefined => this.connections.count;
}
