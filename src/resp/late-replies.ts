// The replies of commands that cannot reply at once. With --upstream, the commands of a pipeline are sent
// together, and their replies are written together.

import type { CommandContext, CommandEntry, Pending } from "./commands/context.ts";
import { type Failure, NO_ROOM } from "./commands/failure.ts";
import type { ParsedCommand } from "./protocol/parser.ts";
import { NoRoomError, OutputLimitError } from "./protocol/reply.ts";

const NONE: readonly number[] = [];
/** A command that is counted already: it was rejected, or needed no answer. */
const NOT_COUNTED = -1;

export class LateReplies {
  readonly #call: CommandContext;
  readonly #run: (entry: CommandEntry) => number;
  readonly #endOverLimit: (error: unknown) => void;
  /** Numbers of the commands behind the last one that were sent with it. */
  #joined = NONE;

  /** `run` runs the current command; `endOverLimit` ends a reply that is too long, and throws other errors. */
  constructor(
    call: CommandContext,
    run: (entry: CommandEntry) => number,
    endOverLimit: (error: unknown) => void,
  ) {
    this.#call = call;
    this.#run = run;
    this.#endOverLimit = endOverLimit;
  }

  /**
   * Sends the commands behind the one at this index too, before its reply is there. Stops at the first that
   * runs here: it comes after the replies. The replies are written together, in order.
   */
  sendFollowing(
    index: number,
    to: number,
    entries: readonly (CommandEntry | undefined)[],
    commands: readonly ParsedCommand[],
  ): void {
    const call = this.#call;
    const { reply, session, pending, isAlone } = call;
    call.isAlone = false;
    if (isAlone || pending === undefined || session.replies !== "on" || index + 1 >= to) return;
    const numbers: number[] = [];
    const pendings: Pending[] = [pending];
    call.isBatched = true;
    for (let n = index + 1; n < to; n++) {
      const entry = entries[n];
      const { args, count } = commands[n] as ParsedCommand;
      if (entry === undefined || call.upstream?.routes[entry.number]?.isSent !== true) break;
      call.args = args;
      call.count = count;
      call.pending = undefined;
      const mark = reply.out.end;
      try {
        numbers.push(this.#run(entry));
      } catch (error) {
        reply.out.end = mark;
        // It runs again after the replies.
        if (error instanceof NoRoomError || error instanceof OutputLimitError) break;
        // The replies before it end what their commands have claimed.
        numbers.push(NOT_COUNTED);
        pendings.push(Promise.resolve(() => fail(error)));
        break;
      }
      const bytes = Buffer.from(reply.out.bytes.subarray(mark, reply.out.end));
      reply.out.end = mark;
      pendings.push(call.pending ?? Promise.resolve(() => reply.out.appendBytes(bytes)));
      if (call.pending === undefined) numbers[numbers.length - 1] = NOT_COUNTED;
    }
    call.isBatched = false;
    this.#joined = numbers;
    call.pending = Promise.all(pendings).then(([first, ...others]) => () => {
      if (first !== undefined) this.#write(first);
      const { hasFailed } = reply;
      for (const [n, write] of others.entries()) {
        const number = numbers[n] ?? NOT_COUNTED;
        if (number === NOT_COUNTED) this.#write(write);
        else this.finish(number, write);
      }
      reply.hasFailed = hasFailed;
    });
  }

  /** Returns the numbers of the commands that share the last pending reply, and forgets them. */
  takeJoined(): readonly number[] {
    const joined = this.#joined;
    this.#joined = NONE;
    return joined;
  }

  /** Returns a pending reply that the client does not get. */
  silent(pending: Pending): Pending {
    const { reply } = this.#call;
    return pending.then((write) => () => {
      const start = reply.out.end;
      try {
        write();
      } catch (error) {
        if (!(error instanceof NoRoomError)) throw error;
      } finally {
        reply.silence(start);
      }
    });
  }

  /** Writes the reply of a pending command, and counts the command. */
  finish(command: number, write: () => void | Failure): void {
    const { reply, counters } = this.#call;
    reply.hasFailed = false;
    this.#write(write);
    counters.called(command, reply.hasFailed);
  }

  #write(write: () => void | Failure): void {
    const { reply } = this.#call;
    const mark = reply.out.end;
    try {
      const failure = write();
      if (failure !== undefined) reply.error(failure.message);
    } catch (error) {
      reply.out.end = mark;
      if (error instanceof NoRoomError) reply.error(NO_ROOM);
      else this.#endOverLimit(error);
    }
  }
}

function fail(error: unknown): never {
  throw error;
}
