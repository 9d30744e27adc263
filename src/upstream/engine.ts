// The upstream as the commands of a worker need it. redis-engine.ts is the one over the network.

import type { Seed } from "../config/upstream.ts";

/** An argument of a command, and a part of a reply. */
export type Word = Buffer | string;

/** A reply: bulk strings are Buffers, status lines and integers are text. An Error is part of a transaction. */
export type EngineReply = Buffer | string | null | Error | readonly EngineReply[];

/** An error that a server of the upstream has replied; the message begins with its code. */
export class EngineError extends Error {}

/** Why there is no answer: no server has run the command, its connection was lost, or its time was over. */
type Reason = "not run" | "lost" | "timeout";

/** The upstream cannot be reached, or did not answer in time. */
export class UnreachableError extends Error {
  readonly reason: Reason;
  readonly #isWrite: boolean;

  constructor(message: string, reason: Reason, isWrite = false) {
    super(message);
    this.reason = reason;
    this.#isWrite = isWrite;
  }

  /** Returns this error for a write. */
  ofWrite(): UnreachableError {
    return new UnreachableError(this.message, this.reason, true);
  }

  /** Returns what the client is told. */
  toText(): string {
    const isUncertain = this.#isWrite && this.reason !== "not run";
    const outcome = isUncertain ? "; the write may or may not have been stored" : "";
    return `the upstream cannot be reached (${this.message})${outcome}`;
  }
}

/** Returns the error of a write. */
export function ofWrite(error: unknown): unknown {
  return error instanceof UnreachableError ? error.ofWrite() : error;
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
