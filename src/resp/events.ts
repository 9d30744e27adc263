// The events that the Redis port reports to the process.

/** Options that limit the bytes of a connection. */
export type SizeOption =
  "--resp-output-limit" | "--resp-query-limit" | "--max-pending-bytes" | "--max-subscription-bytes";

export interface RespEvents {
  /** A client has sent HTTP to this port, probably a browser. Reported once for each worker. */
  readonly httpRejected: (address: string) => void;
  /** A connection was closed because its unread replies or its command exceeded the limit of `option`. */
  readonly overLimit: (address: string, option: SizeOption) => void;
  /** A connection was opened or closed. Undefined if these events are not logged. */
  readonly connected?: ((event: "connected" | "disconnected", address: string) => void) | undefined;
  /** Commands that arrived together took `ms`, at least --slow-ms. `command` is the last of them. */
  readonly slow: (address: string, command: string, commands: number, ms: number) => void;
  /** A script calls redis.log; the level is 0 to 3, from debug to warning. The text may be long. */
  readonly scriptLog: (level: number, text: string) => void;
  /** An unexpected exception has closed its connection. */
  readonly failed: (error: unknown) => void;
}
