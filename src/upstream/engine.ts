// The upstream as the commands of a worker need it. redis-engine.ts is the one over the network.

import type { Seed } from "../config/upstream.ts";

/** An argument of a command, and a part of a reply. */
export type Word = Buffer | string;

/** A reply: bulk strings are Buffers, status lines and integers are text. An Error is part of a transaction. */
export type EngineReply = Buffer | string | null | Error | readonly EngineReply[];

/** An error that a server of the upstream has replied; the message begins with its code. */
export class EngineError extends Error {}

/** The upstream cannot be reached, or did not answer in time. */
export class UnreachableError extends Error {
  readonly isTimeout: boolean;
  /** Whether the command was a write that has been sent: it may or may not have been stored. */
  readonly isWrite: boolean;

  constructor(message: string, isTimeout: boolean, isWrite = false) {
    super(message);
    this.isTimeout = isTimeout;
    this.isWrite = isWrite;
  }

  /** Returns what the client is told. */
  toText(): string {
    const outcome = this.isWrite ? "; the write may or may not have been stored" : "";
    return `the upstream cannot be reached (${this.message})${outcome}`;
  }
}

/** Returns the error of a write that has been sent. */
export function ofWrite(error: unknown): unknown {
  if (!(error instanceof UnreachableError)) return error;
  return new UnreachableError(error.message, error.isTimeout, true);
}

/** A server to which this worker sends. */
export interface Target {
  readonly server: Seed;
  /** The name of the server that answers; "" while it is not known. */
  readonly id: string;
  /**
   * Sends a command at once: commands that are sent one after the other arrive in this order. Rejects with
   * EngineError or UnreachableError.
   */
  send(args: readonly Word[]): Promise<EngineReply>;
  /** Sends commands between MULTI and EXEC, with no other command of this worker in between. */
  transact(commands: readonly (readonly Word[])[]): Promise<readonly EngineReply[]>;
}

export interface Engine {
  /** Returns the primary that serves this slot; undefined while no primary does. */
  targetOf(slot: number): Target | undefined;
  /** Returns the primary with this number in the table of trust. */
  targetAt(primary: number): Target | undefined;
  /** Returns the server that the redirect of `from` names; undefined if it names none. */
  redirected(message: string, from: Target): Target | undefined;
  close(): void;
}

/** Whether an error is a redirect to another server. */
export function isRedirect(error: unknown): error is EngineError {
  return error instanceof EngineError && /^(MOVED|ASK|TRYAGAIN)( |$)/.test(error.message);
}
