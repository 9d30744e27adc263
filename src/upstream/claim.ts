// The bytes that a client's request holds while the upstream works on it: its commands, and the replies that
// have arrived. They count in the budget of --max-pending-bytes.

import type { ByteBudget } from "../shared-memory/byte-budget.ts";
import type { EngineReply, Word } from "./engine.ts";

/** Objects of a command in flight: promises, the queue of the client, the copy of the key. */
const COMMAND_BYTES = 1024;
const WORD_BYTES = 64;

/** There is no room for a command or for its reply. */
export class NoUpstreamRoomError extends Error {
  constructor() {
    super("no room for a command of the upstream or for its reply");
  }
}

export class Claim {
  readonly #budget: ByteBudget;
  #bytes = 0;
  #hasReply = false;
  #isOver = false;

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /** Claims a command that is to be sent. Throws NoUpstreamRoomError. */
  command(words: readonly Word[]): void {
    if (!this.tryCommand(sizeOf(words))) throw new NoUpstreamRoomError();
  }

  /** Claims commands with this many bytes of arguments. Returns false, without a change, if there is no room. */
  tryCommand(bytes: number, commands = 1): boolean {
    return this.#tryAdd(commands * COMMAND_BYTES + bytes);
  }

  /**
   * As `command`, for the commands of a body that has been parsed. The body has a claim for the same bytes,
   * which ends in this turn of the event loop. `more`: commands without arguments of their own. Rejects with
   * NoUpstreamRoomError.
   */
  async commandsOfBody(commands: readonly (readonly Word[])[], more = 0): Promise<void> {
    const words = commands.reduce((sum, command) => sum + sizeOf(command), 0);
    const bytes = words + (commands.length + more) * COMMAND_BYTES;
    if (this.#tryAdd(bytes)) return;
    await Promise.resolve();
    if (!this.#tryAdd(bytes)) throw new NoUpstreamRoomError();
  }

  /** Claims a reply, and resolves with it. Rejects with NoUpstreamRoomError. */
  reply<T extends EngineReply>(reply: Promise<T>): Promise<T> {
    return reply.then((value) => {
      this.replied(value);
      return value;
    });
  }

  /** Claims a reply that has come. Throws NoUpstreamRoomError. */
  replied(value: EngineReply): void {
    // Another command of the request has failed, and the client has its error.
    if (this.#isOver) return;
    if (!this.#tryAdd(sizeOf(value))) throw new NoUpstreamRoomError();
    this.#hasReply = true;
  }

  /** Ends the claim. */
  release(): void {
    this.#isOver = true;
    this.#budget.resize(this.#bytes, 0);
    this.#bytes = 0;
  }

  #tryAdd(bytes: number): boolean {
    const total = this.#bytes + bytes;
    // The budget always has room for its only claim. Here, only the first reply may exceed the limit.
    const isOver = this.#hasReply && total > this.#budget.limitBytes;
    if (isOver || !this.#budget.tryResize(this.#bytes, total)) return false;
    this.#bytes = total;
    return true;
  }
}

/** Returns the bytes of a reply, or of the arguments of a command. */
export function sizeOf(value: EngineReply): number {
  if (value === null) return 0;
  if (Array.isArray(value)) {
    return value.reduce((sum: number, part: EngineReply) => sum + sizeOf(part), 0);
  }
  return WORD_BYTES + (typeof value === "string" || Buffer.isBuffer(value) ? value.length : 0);
}
