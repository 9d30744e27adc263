// What the workers count of HTTP requests: how many of each route by their status, and how
// long they took. In shared memory.

import { allocateCounterTable, CounterTable } from "../shared-memory/counters.ts";
import { allocateHistogram, Histogram } from "../shared-memory/histogram.ts";
import type { ProtocolStats } from "../metrics/protocol.ts";
import { allocateConnections, ConnectionTable } from "./admission/connection-table.ts";

/** What the requests of the routes are called in metrics; "other" are those of no route. */
export const HTTP_COMMANDS = [
  ...(["put", "get", "delete", "mput", "mget", "snapshot", "stats", "ring"] as const),
  ...(["health", "livez", "readyz", "metrics", "openapi", "dashboard", "events", "other"] as const),
] as const;
export type HttpCommand = (typeof HTTP_COMMANDS)[number];

/** The statuses that are answered; the last place is for any other. */
const STATUSES = [200, 400, 401, 403, 404, 405, 409, 413, 500, 503, 507, "other"] as const;
const OTHER = STATUSES.length - 1;
/** By status. */
const PLACES = new Uint8Array(600).fill(OTHER);
for (const [place, status] of STATUSES.entries()) {
  if (status !== "other") PLACES[status] = place;
}
const WIDTH = HTTP_COMMANDS.length * STATUSES.length;

export interface HttpMemory {
  readonly counts: SharedArrayBuffer;
  readonly durations: SharedArrayBuffer;
  /** Written by ConnectionWatch. */
  readonly connections: SharedArrayBuffer;
}

/** Memory for the listeners of `threads` threads, which may have `maxConnections` connections. */
export function allocateHttp(threads: number, maxConnections: number): HttpMemory {
  return {
    counts: allocateCounterTable(threads, WIDTH),
    durations: allocateHistogram(threads, HTTP_COMMANDS.length),
    connections: allocateConnections(maxConnections),
  };
}

export class HttpMetrics implements ProtocolStats {
  readonly protocol = "http";
  readonly commands = HTTP_COMMANDS;
  readonly durations: Histogram;
  /** Requests that this thread has answered. */
  answered = 0;
  /** Of the listener, once it is known. */
  port = 0;
  readonly #counts: CounterTable;
  readonly connections: ConnectionTable;

  constructor(memory: HttpMemory, thread: number) {
    this.#counts = new CounterTable(memory.counts, thread, WIDTH);
    this.durations = new Histogram(memory.durations, thread, HTTP_COMMANDS.length);
    this.connections = new ConnectionTable(memory.connections);
  }

  /** A request has been answered. `command`: its number. O(1). */
  record(command: number, status: number, ms: number): void {
    this.answered++;
    this.#counts.add(command * STATUSES.length + (PLACES[status] ?? OTHER), 1);
    this.durations.observe(command, ms * 1000);
  }

  readonly statuses = (command: number): Record<string, number> => {
    const first = command * STATUSES.length;
    return Object.fromEntries(
      STATUSES.map((status, place) => [String(status), this.#counts.sum(first + place)]),
    );
  };

  /** Connections of the port at the last look of the supervisor's thread. */
  readonly clients = (): number | undefined => this.connections.count;
}
