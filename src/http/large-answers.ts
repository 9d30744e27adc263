// Answers that are too large for the connection to pay for: claimed of the budget until the client
// has read them, and sent piece by piece as it does.

import type { Refuse } from "./answers.ts";
import { type PendingBodies, SMALL_BYTES } from "./pending-bodies.ts";
import { TOO_MANY_PENDING } from "./requests.ts";

const PIECE_BYTES = 2 ** 16;
/** UTF-8 takes at most three bytes for a UTF-16 unit. */
const BYTES_PER_UNIT = 3;
/** Garbage of an answer: the pieces, and the buffers that it outgrew. */
const LEFT_PER_BYTE = 2;
/**
 * While few requests are under way, an answer of up to a piece is sent at once: few of those can
 * be unread. Measured, 20,000 bytes: _ µs of CPU at once, _ µs piece by piece.
 */
const FEW_REQUESTS = 64;
/**
 * Until the kernel takes more of an answer, the client may have to read all that the kernel has:
 * 4 MB on Linux. A client that reads at least 64 KiB a second does so in this time.
 */
const MOST_BUFFERED_SECONDS = 64;

export class LargeAnswers {
  readonly #pending: PendingBodies;
  readonly #refuse: Refuse;
  readonly #requests: () => number;
  readonly #setTimeout: (req: Request, seconds: number) => void;
  readonly #seconds: number;

  /**
   * `requests`: how many are under way. `setTimeout`: gives a request's connection so many seconds from now on.
   */
  constructor(
    pending: PendingBodies,
    refuse: Refuse,
    idleTimeout: number,
    requests: () => number,
    setTimeout: (req: Request, seconds: number) => void,
  ) {
    this.#pending = pending;
    this.#refuse = refuse;
    this.#requests = requests;
    this.#setTimeout = setTimeout;
    this.#seconds = idleTimeout === 0 ? 0 : Math.max(idleTimeout, MOST_BUFFERED_SECONDS);
  }

  /** Whether an answer of this size needs no claim. */
  isSmall(bytes: number): boolean {
    return bytes <= SMALL_BYTES || (bytes <= PIECE_BYTES && this.#requests() <= FEW_REQUESTS);
  }

  /** An answer of this text. */
  sendText(req: Request, text: string, init: ResponseInit): Response {
    if (text.length <= SMALL_BYTES / BYTES_PER_UNIT) return new Response(text, init);
    const bytes = Buffer.from(text);
    return this.isSmall(bytes.length) ? new Response(bytes, init) : this.send(req, bytes, init);
  }

  /**
   * An answer of these bytes, which begin their buffer and are the answer's from now on; or a refusal
   * if there is no room for it.
   */
  send(req: Request, { buffer, length }: Buffer<ArrayBuffer>, init: ResponseInit): Response {
    const bytes = new Uint8Array(buffer.transfer(length));
    if (!this.#pending.tryResize(0, length)) return this.#refuse(TOO_MANY_PENDING);
    let at = 0;
    const end = (): void => {
      bytes.buffer.transfer(0);
      this.#pending.release(length);
      this.#pending.leave(LEFT_PER_BYTE * length);
    };
    const source = {
      pull: (controller: ReadableStreamDefaultController<Uint8Array>): void => {
        this.#setTimeout(req, this.#seconds);
        controller.enqueue(bytes.slice(at, at + PIECE_BYTES));
        at += PIECE_BYTES;
        if (at < length) return;
        end();
        controller.close();
      },
      cancel: end,
    };
    return new Response(new ReadableStream(source, { highWaterMark: 0 }), init);
  }
}
