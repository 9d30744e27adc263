// The interface of a load of bench memory. memory-loads-resp.ts has the loads of the Redis port,
// memory-loads-http.ts those of the HTTP port. Each load runs in a child process (memory-run.ts)
// against a fresh service, so that its own memory is not measured.

export interface MemoryLoad {
  /** Unique, as the table shows it. */
  readonly name: string;
  /** Options of the service beside those of the bench (--memory, --workers, ports). */
  readonly options: readonly string[];
  /** Connections that the load opens, for the formula. */
  readonly connections: number;
  /** Resolves when the load is over. A connection that the service closes is no failure. */
  run(ports: { readonly http: number; readonly resp: number }): Promise<void>;
}
