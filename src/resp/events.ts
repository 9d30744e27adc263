// What the listener of the Redis protocol tells the process.

/** Options that bound the bytes of a connection. */
export type SizeOption = "--resp-output-limit" | "--resp-query-limit" | "--max-pending-bytes";

export interface RespEvents {
  /** Somebody speaks HTTP to this port: a page in a browser, most likely. Told once. */
  readonly httpRejected: (address: string) => void;
  /** A connection was closed for the bytes that it left unread, or that it sent of one command. */
  readonly overLimit: (address: string, option: SizeOption) => void;
  /** A connection has been opened or closed, if it is to be told. */
  readonly connected?: ((event: "connected" | "disconnected", address: string) => void) | undefined;
  /** Commands that had come at once took `ms`, --slow-ms at least; `command` is the last of them. */
  readonly slow: (address: string, command: string, commands: number, ms: number) => void;
  /** An exception, which no command may cause: its connection is closed. */
  readonly failed: (error: unknown) => void;
}
