// Responses that are too large for the connection to pay for: each claims room in the byte budget until
// the client has read it, and is sent piece by piece as the client reads.

import { type BodyBudget, SMALL_BYTES } from "./admission/body-budget.ts";
import type { Connections } from "./connections.ts";
import { BUDGET_EXCEEDED, type Reject } from "./error.ts";

const PIECE_BYTES = 2 ** 18;
/** UTF-8 takes at most three bytes for a UTF-16 unit. */
const BYTES_PER_UNIT = 3;
/** Garbage of a response: the buffers that it outgrew. */
const GARBAGE_PER_BYTE = 2;
/**
 * A response is sent in one piece while its size, times the requests in flight, is at most this:
 * then little can be unread. Pieces cost more CPU.
 */
const UNREAD_BYTES_MAX = 2 ** 21;
/**
 * The kernel takes more of a response only when the client has read its buffer: 4 MB on Linux.
 * A client that reads at least 64 KiB a second does so in this time.
 */
const KERNEL_BUFFER_SECONDS = 64;

export type MaybeLater = Response | Promise<Response>;
/** Makes the response to a request again. */
export type Remake = (req: Request) => MaybeLater;

type Sending = Pick<Connections, "pendingRequests" | "setTimeout">;

export class LargeResponses {
  readonly #budget: BodyBudget;
  readonly #reject: Reject;
  readonly #connections: Sending;
  readonly #timeoutSeconds: number;
  /** Bytes claimed for the response that is made again. */
  #granted = 0;

  constructor(
    budget: BodyBudget,
    reject: Reject,
    connections: Sending,
    idleTimeoutSeconds: number,
  ) {
    this.#budget = budget;
    this.#reject = reject;
    this.#connections = connections;
    this.#timeoutSeconds =
      idleTimeoutSeconds === 0 ? 0 : Math.max(idleTimeoutSeconds, KERNEL_BUFFER_SECONDS);
  }

  /** Whether a response of this size needs no claim. */
  isSmall(bytes: number): boolean {
    if (bytes <= SMALL_BYTES) return true;
    return bytes * this.#connections.pendingRequests <= UNREAD_BYTES_MAX;
  }

  /** Returns a response with this text; waits for room as `send` does. */
  sendText(req: Request, text: string, init: ResponseInit, remake: Remake): MaybeLater {
    if (text.length <= SMALL_BYTES / BYTES_PER_UNIT) return new Response(text, init);
    const bytes = Buffer.from(text);
    if (this.isSmall(bytes.length)) return new Response(bytes, init);
    return this.send(req, bytes, init, remake);
  }

  /** Counts garbage of a request, and collects it once it is much. */
  leave(bytes: number): void {
    this.#budget.leave(bytes);
  }

  /** Returns a response with this text, for which `claimed` bytes are claimed. The response releases them. */
  sendClaimedText(req: Request, text: string, init: ResponseInit, claimed: number): Response {
    const bytes = text.length <= SMALL_BYTES / BYTES_PER_UNIT ? undefined : Buffer.from(text);
    if (bytes === undefined || this.isSmall(bytes.length)) {
      this.#budget.resize(claimed, 0);
      return new Response(bytes ?? text, init);
    }
    this.#budget.resize(claimed, bytes.length);
    return new Response(this.#streamOf(req, ownBytes(bytes)), init);
  }

  /**
   * Returns a response with these bytes, which begin their buffer and belong to the response from now
   * on. Without room the bytes are dropped, and `remake` is called when there is room; after a second
   * without room the request is rejected.
   */
  send(
    req: Request,
    { buffer, length }: Buffer<ArrayBuffer>,
    init: ResponseInit,
    remake: Remake,
  ): MaybeLater {
    const granted = this.#granted;
    this.#granted = 0;
    if (granted > 0) this.#budget.resize(granted, length);
    else if (!this.#budget.tryClaim(length)) {
      buffer.transfer(0);
      return this.#waitAndRemake(length, req, remake);
    }
    const bytes = new Uint8Array(buffer.transfer(length));
    return new Response(this.#streamOf(req, bytes), init);
  }

  /** Sends claimed bytes piece by piece, and releases the claim with the last piece. */
  #streamOf(req: Request, bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
    const { length } = bytes;
    let sent = 0;
    const release = (): void => {
      if (bytes.buffer.detached) return;
      bytes.buffer.transfer(0);
      this.#budget.resize(length, 0);
      this.#budget.leave(GARBAGE_PER_BYTE * length);
    };
    const source = {
      pull: (controller: ReadableStreamDefaultController<Uint8Array>): void => {
        this.#connections.setTimeout(req, this.#timeoutSeconds);
        // The runtime asks for the next piece once the last one has been written.
        const start = sent;
        sent = Math.min(start + PIECE_BYTES, length - SMALL_BYTES);
        if (sent > start) return controller.enqueue(bytes.subarray(start, sent));
        // The last piece is small: the connection pays for it, and the claim can end.
        controller.enqueue(bytes.slice(start));
        release();
        controller.close();
      },
      cancel: release,
    };
    return new ReadableStream(source, { highWaterMark: 0 });
  }

  async #waitAndRemake(length: number, req: Request, remake: Remake): Promise<Response> {
    if (!(await this.#budget.waitToClaim(length))) return this.#reject(BUDGET_EXCEEDED);
    this.#granted = length;
    const response = remake(req);
    // If the entry has been deleted since, the response is small and takes no claim.
    this.#budget.resize(this.#granted, 0);
    this.#granted = 0;
    return await response;
  }
}

/** Returns the bytes in a buffer of their own. A text of this size never lies in the pool of Buffer. */
function ownBytes({ buffer, length }: Buffer<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer.transfer(length));
}
