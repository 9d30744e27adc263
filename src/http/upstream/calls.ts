// Calls of the upstream by HTTP: their errors become errors of HTTP.

import type { Bytes } from "../../cache/cache.ts";
import { Claim, NoUpstreamRoomError, sizeOf } from "../../upstream/claim.ts";
import type { ByteBudget } from "../../shared-memory/byte-budget.ts";
import {
  EngineError,
  type EngineReply,
  UnreachableError,
  type Word,
} from "../../upstream/engine.ts";
import type { Upstream } from "../../upstream/upstream.ts";
import { NOT_AN_INTEGER, SUM_OVERFLOW } from "../api/entry-errors.ts";
import { BUDGET_EXCEEDED, HttpError, type Reject } from "../error.ts";
import type { MaybeLater } from "../large-responses.ts";

const RETRY_SOON = { headers: { "retry-after": "1" } };
/** Errors after which the same request may succeed. */
const TEMPORARY = /^(LOADING|CLUSTERDOWN|MASTERDOWN|READONLY|TRYAGAIN|BUSY|NOREPLICAS) /;

/** The error of what belongs to the single machine. */
export function leftOut(what: string): HttpError {
  return new HttpError(
    501,
    `not possible with --upstream: ${what} belongs to a node that holds the entries itself`,
  );
}

export class UpstreamCalls {
  readonly upstream: Upstream;
  readonly reject: Reject;
  readonly #budget: ByteBudget;

  constructor(upstream: Upstream, reject: Reject, budget: ByteBudget) {
    this.upstream = upstream;
    this.reject = reject;
    this.#budget = budget;
  }

  /** Sends a command of one key, and makes the response of its reply. A write drops the near value. */
  write(
    key: string,
    args: readonly (string | Buffer)[],
    respond: (reply: EngineReply) => MaybeLater,
  ): Promise<Response> {
    const slice = sliceOf(key);
    return this.guard(async (claim) => {
      await claim.commandsOfBody([args]);
      return respond(await claim.reply(this.upstream.send("write", slice, args, [slice])));
    });
  }

  /** As `write` for commands that run as one transaction. The error of one of them is that of the request. */
  transact(
    key: string,
    commands: readonly (readonly string[])[],
    respond: (replies: readonly EngineReply[]) => MaybeLater,
  ): Promise<Response> {
    const slice = sliceOf(key);
    return this.guard(async (claim) => {
      for (const args of commands) claim.command(args);
      const replies = await claim.reply(this.upstream.transact(slice, commands, [slice]));
      const failed = replies.find((reply) => reply instanceof Error);
      if (failed !== undefined) throw new EngineError(failed.message);
      return respond(replies);
    });
  }

  /** As `write` for a command that changes nothing. */
  read(
    key: string,
    args: readonly string[],
    respond: (reply: EngineReply) => MaybeLater,
  ): MaybeLater {
    return this.answer(args, () => this.upstream.send("read", sliceOf(key), args), respond);
  }

  /**
   * Claims a command with these arguments, sends it, and makes the response of its reply. `instead` may have
   * another response if the upstream cannot be reached.
   */
  answer<T extends EngineReply>(
    args: readonly Word[],
    send: () => Promise<T>,
    respond: (reply: T) => MaybeLater,
    instead?: () => MaybeLater | undefined,
  ): MaybeLater {
    const claim = new Claim(this.#budget);
    const done = (response: Response): Response => {
      claim.release();
      return response;
    };
    const failed = (error: unknown): MaybeLater => {
      claim.release();
      const response = error instanceof UnreachableError ? instead?.() : undefined;
      return response ?? this.reject(errorOf(error));
    };
    if (!claim.tryCommand(sizeOf(args))) return failed(new NoUpstreamRoomError());
    const responding = send().then((reply) => {
      claim.replied(reply);
      return respond(reply);
    });
    return responding.then(done, failed);
  }

  /** Returns the response of `work`, or that of the upstream's error. Releases its claim. */
  async guard(work: (claim: Claim) => Promise<Response>): Promise<Response> {
    const claim = new Claim(this.#budget);
    try {
      return await work(claim);
    } catch (error) {
      return this.reject(errorOf(error));
    } finally {
      claim.release();
    }
  }
}

export function sliceOf(key: string): Bytes {
  const bytes = Buffer.from(key);
  return { bytes, start: 0, end: bytes.length };
}

/** The upstream takes whole milliseconds from 1. */
export function wholeMs(ms: number): string {
  return String(Math.max(1, Math.ceil(ms)));
}

/** Returns the error of HTTP; throws what is no error of the upstream. */
export function errorOf(error: unknown): HttpError {
  if (error instanceof NoUpstreamRoomError) return BUDGET_EXCEEDED;
  if (error instanceof UnreachableError) {
    return new HttpError(503, error.toText(), RETRY_SOON);
  }
  if (!(error instanceof EngineError)) throw error;
  const { message } = error;
  if (message.startsWith("ERR value is not an integer")) return NOT_AN_INTEGER;
  if (message.startsWith("ERR increment or decrement would overflow")) return SUM_OVERFLOW;
  const text = `the upstream answered: ${message}`;
  if (TEMPORARY.test(message)) return new HttpError(503, text, RETRY_SOON);
  return new HttpError(message.startsWith("OOM ") ? 507 : 409, text);
}
