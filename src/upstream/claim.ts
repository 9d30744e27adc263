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
    this.commandOf(sizeOf(words));
  }

  /** As `command`, of arguments with this many bytes. */
  commandOf(bytes: number): void {
    this.#add(COMMAND_BYTES + bytes);
  }

  /** Claims a reply, and resolves with it. Rejects with NoUpstreamRoomError. */
  async reply<T extends EngineReply>(reply: Promise<T>): Promise<T> {
    const value = await reply;
    // Another command of the request has failed, and the client has its error.
    if (this.#isOver) return value;
    this.#add(sizeOf(value));
    this.#hasReply = true;
    return value;
  }

  /** Ends the claim. */
  release(): void {
    this.#isOver = true;
    this.#budget.resize(this.#bytes, 0);
    this.#bytes = 0;
  }

  #add(bytes: number): void {
    const total = this.#bytes + bytes;
    // The budget always has room for its only claim. Here, only the first reply may exceed the limit.
    const isOver = this.#hasReply && total > this.#budget.limitBytes;
    if (isOver || !this.#budget.tryResize(this.#bytes, total)) throw new NoUpstreamRoomError();
    this.#bytes = total;
  }
}

function sizeOf(value: EngineReply): number {
  if (value === null) return 0;
  if (Array.isArray(value)) {
    return value.reduce((sum: number, part: EngineReply) => sum + sizeOf(part), 0);
  }
  return WORD_BYTES + (typeof value === "string" || Buffer.isBuffer(value) ? value.length : 0);
}
