// The chunks of a request's body as they arrive. Unread bytes stay in the kernel, and the client waits.
//
// A rejected request gets its response after its body has been read, so that the response reaches a
// client that is still sending (RFC 9112 section 9.6). The runtime closes a connection with unread
// bytes by a reset, which destroys the response on its way.

/** Limits of a discarded body; beyond them the response is sent and the connection closed. */
const DISCARD_BYTES_MAX = 2 ** 28;
const DISCARD_MS_MAX = 30_000;
const SILENCE_MS_MAX = 3000;
/** A client that takes longer than --idle-timeout for this is slow, and its connection is closed. */
const PROGRESS_BYTES = 2 ** 16;

type Reader = Pick<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>, "read" | "cancel">;

export class BodySource {
  readonly #req: Request;
  readonly #renewTimeout: (req: Request) => void;
  readonly #reader: Reader | undefined;
  #bytesSinceRenewal = 0;

  /** `renewTimeout`: starts the time of --idle-timeout again. */
  constructor(req: Request, renewTimeout: (req: Request) => void) {
    this.#req = req;
    this.#renewTimeout = renewTimeout;
    this.#reader = req.body?.getReader();
  }

  /**
   * Returns the response as the request's own. The response to a chunked request closes the
   * connection: the runtime responds to a trailer with a 400 of its own, which a proxy would take for
   * the response to the next request.
   */
  closeIfChunked(response: Response): Response {
    const isChunked = this.#req.headers.get("transfer-encoding") !== null;
    return isChunked ? withClose(response) : response;
  }

  /** Returns the next chunk, or undefined at the end. */
  async read(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const chunk = (await this.#reader?.read())?.value;
    this.#bytesSinceRenewal += chunk?.length ?? 0;
    if (this.#bytesSinceRenewal >= PROGRESS_BYTES) {
      this.#bytesSinceRenewal = 0;
      this.#renewTimeout(this.#req);
    }
    return chunk;
  }

  /** Reads the rest of the body, keeps nothing of it, and then responds. */
  async respondAfterDiscard(respond: () => Response | Promise<Response>): Promise<Response> {
    const isAtEnd = await this.#discard();
    const response = await respond();
    return isAtEnd ? this.closeIfChunked(response) : withClose(response);
  }

  /** Returns false if a limit is reached before the end, or the client leaves. */
  async #discard(): Promise<boolean> {
    const startMs = performance.now();
    let lastChunkMs = startMs;
    let bytesLeft = DISCARD_BYTES_MAX;
    let isCut = false;
    const watch = setInterval(() => {
      const nowMs = performance.now();
      if (nowMs - lastChunkMs < SILENCE_MS_MAX && nowMs - startMs < DISCARD_MS_MAX) return;
      isCut = true;
      void this.#reader?.cancel();
    }, SILENCE_MS_MAX / 4);
    try {
      while (bytesLeft > 0) {
        const chunk = await this.read();
        if (chunk === undefined) return !isCut;
        lastChunkMs = performance.now();
        bytesLeft -= chunk.length;
        freeMemory(chunk);
      }
      return false;
    } catch (error) {
      if (error instanceof Error && error.name === "AbortError") return false;
      throw error;
    } finally {
      clearInterval(watch);
    }
  }
}

/** Makes this response the last of its connection. */
function withClose(response: Response): Response {
  response.headers.set("connection", "close");
  return response;
}

/**
 * Returns the memory of bytes to the system at once; they are empty afterwards. Measured, 2,000 buffers
 * of 128 KiB one after another: 0 MB more resident; left to the collector 138 MB more.
 */
export function freeMemory({ buffer }: Uint8Array<ArrayBuffer>): void {
  if (!buffer.detached) buffer.transfer(0);
}
