// The messages between the supervisor's thread and its workers.

import type { Config } from "../config/config.ts";
import type { Credentials } from "../security/credentials.ts";
import type { SaveOutcome } from "../service/service.ts";
import type { SharedState } from "./shared-state.ts";

/** The same for every worker of a service. */
export interface ServiceStart {
  /** With the ports to open. */
  readonly config: Config;
  readonly credentials: Credentials;
  readonly state: SharedState;
}

/** The data that a worker starts with. */
export interface WorkerStart extends ServiceStart {
  /** Its number among the threads, from 0. */
  readonly thread: number;
  /** Milliseconds from the start of the service to the start of the worker. */
  readonly serviceAgeMs: number;
}

export type FromWorker =
  /** Both ports are open. */
  | { readonly kind: "listening"; readonly url: string }
  /** The reply to `ready`. */
  | { readonly kind: "serving" }
  /** The reply to `renew`. */
  | { readonly kind: "renewed" }
  /** A port could not be opened. */
  | { readonly kind: "refused"; readonly code: string; readonly port: number }
  /** A line for the log, with its end. */
  | { readonly kind: "log"; readonly line: string }
  /** A client asks for a snapshot; `saved` with the same id is the reply. */
  | { readonly kind: "save"; readonly id: number }
  /** A client asks the service to stop, after a last snapshot if `saves` is true. */
  | { readonly kind: "shutdown"; readonly saves: boolean }
  /** The reply to `stop`. */
  | { readonly kind: "stopped" };

export type ToWorker =
  /** The cache is loaded. */
  | { readonly kind: "ready" }
  /** Replaces the tokens and certificates. */
  | { readonly kind: "renew"; readonly credentials: Credentials }
  | { readonly kind: "saved"; readonly id: number; readonly outcome: SaveOutcome }
  | { readonly kind: "stop"; readonly graceMs: number };

/** The worker's end of the channel to the supervisor. */
export interface SupervisorPort {
  postMessage(message: FromWorker): void;
  on(event: "message", listener: (message: ToWorker) => void): unknown;
}
