// Answers that are too large for the connection to pay for: claimed of the budget until the client
// has read them, and sent piece by piece as it does.

import { type BodyBudget, SMALL_BYTES } from "./admission/body-budget.ts";
import { type Reject, BUDGET_EXCEEDED } from "./error.ts";

const PIECE_BYTES = 2 ** 18;
/** UTF-8 takes at most three bytes for a UTF-16 unit. */
const BYTES_PER_UNIT = 3;
/** Garbage of an answer: the buffers that it outgrew. */
const LEFT_PER_BYTE = 2;
/**
 * An answer is sent at once while it and as many others as requests are under way take less than
 * this: then little can be unread. Piece by piece costs more CPU.
 */
const AT_ONCE_BYTES = 2 ** 21;
/**
 * Until the kernel takes more of an answer, the client may have to read all that the kernel has:
 * 4 MB on Linux. A client that reads at least 64 KiB a second does so in this time.
 */
const MOST_BUFFERED_SECONDS = 64;

export type Sent = Response | Promise<Response>;
/** Makes the answer to a request once more. */
export type Remake = (req: Request) => Sent;

export class LargeResponses {
  readonly #pending: BodyBudget;
  readonly #refuse: Reject;
  readonly #requests: () => number;
  readonly #setTimeout: (req: Request, seconds: number) => void;
  readonly #seconds: number;
  /** A claim for the answer that is made again. */
  #granted = 0;

  /**
   * `requests`: how many are under way. `setTimeout`: gives a request's connection so many seconds from now on.
   */
  constructor(
    pending: BodyBudget,
    reject: Reject,
    idleTimeout: number,
    requests: () => number,
    setTimeout: (req: Request, seconds: number) => void,
  ) {
    this.#pending = pending;
    this.#refuse = reject;
    this.#requests = requests;
    this.#setTimeout = setTimeout;
    this.#seconds = idleTimeout === 0 ? 0 : Math.max(idleTimeout, MOST_BUFFERED_SECONDS);
  }

  /** Whether an answer of this size needs no claim. */
  isSmall(bytes: number): boolean {
    return bytes <= SMALL_BYTES || bytes * this.#requests() <= AT_ONCE_BYTES;
  }

  /** An answer of this text. Waits as `send` does. */
  sendText(req: Request, text: string, init: ResponseInit, again: Remake): Sent {
    if (text.length <= SMALL_BYTES / BYTES_PER_UNIT) return new Response(text, init);
    const bytes = Buffer.from(text);
    if (this.isSmall(bytes.length)) return new Response(bytes, init);
    return this.send(req, bytes, init, again);
  }

  /**
   * An answer of these bytes, which begin their buffer and are the answer's from now on. Where there
   * is no room they are dropped, and made `again` when there is; after a second without, a refusal.
   */
  send(
    req: Request,
    { buffer, length }: Buffer<ArrayBuffer>,
    init: ResponseInit,
    again: Remake,
  ): Sent {
    const granted = this.#granted;
    this.#granted = 0;
    if (granted > 0) this.#pending.resize(granted, length);
    else if (!this.#pending.tryClaim(length)) {
      buffer.transfer(0);
      return this.#waitFor(length, req, again);
    }
    const bytes = new Uint8Array(buffer.transfer(length));
    let at = 0;
    const end = (): void => {
      if (bytes.buffer.detached) return;
      bytes.buffer.transfer(0);
      this.#pending.resize(length, 0);
      this.#pending.leave(LEFT_PER_BYTE * length);
    };
    const source = {
      pull: (controller: ReadableStreamDefaultController<Uint8Array>): void => {
        this.#setTimeout(req, this.#seconds);
        // A piece has been written when the next one is asked for.
        const start = at;
        at = Math.min(start + PIECE_BYTES, length - SMALL_BYTES);
        if (at > start) return controller.enqueue(bytes.subarray(start, at));
        // The last one is small: the connection pays for it, and the claim can end.
        controller.enqueue(bytes.slice(start));
        end();
        controller.close();
      },
      cancel: end,
    };
    return new Response(new ReadableStream(source, { highWaterMark: 0 }), init);
  }

  async #waitFor(length: number, req: Request, again: Remake): Promise<Response> {
    if (!(await this.#pending.waitToClaim(length))) return this.#refuse(BUDGET_EXCEEDED);
    this.#granted = length;
    const answer = again(req);
    // Where the entry has gone meanwhile, the answer is a small one.
    this.#pending.resize(this.#granted, 0);
    this.#granted = 0;
    return await answer;
  }
}
