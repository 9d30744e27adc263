// The connections of the listeners of one worker.

export interface Connections {
  /** Requests whose responses have not been sent completely. */
  readonly pendingRequests: number;
  /** Closes the connection of a request if nothing is sent or received for this time from now on. */
  setTimeout(req: Request, seconds: number): void;
  /** Returns the client's end of a request's connection; null once it has closed. It costs a call of the runtime. */
  clientAddressOf(req: Request): { address: string; port: number } | null;
}
