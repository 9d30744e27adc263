// A large body in one buffer, which claims room in the byte budget as it grows.

import { type BodyBudget, SMALL_BYTES } from "./admission/body-budget.ts";
import { freeMemory } from "./body-source.ts";

/** Time for which an announced length stays claimed though its bytes have not arrived. */
const RESERVED_MS = 1000;

export class ReceivedBody {
  readonly #budget: BodyBudget;
  readonly #maxBytes: number;
  #claimed = 0;
  #timer: Timer | undefined;
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array();
  end = 0;

  /** `maxBytes`: the body is not longer. */
  constructor(budget: BodyBudget, maxBytes: number) {
    this.#budget = budget;
    this.#maxBytes = maxBytes;
  }

  /**
   * Claims the announced length at once, so that bodies that begin together do not stop each other
   * in the middle. Returns false if there is no room. After a second only the bytes that have arrived
   * stay claimed: a client may announce much and send nothing.
   */
  reserve(bytes: number): boolean {
    if (!this.#claim(bytes)) return false;
    this.#timer = setTimeout(() => {
      // Pages of the buffer that have not been written to take no memory.
      const arrived = Math.min(this.#claimed, Math.max(this.end, SMALL_BYTES));
      this.#budget.resize(this.#claimed, arrived);
      this.#claimed = arrived;
    }, RESERVED_MS);
    return true;
  }

  /**
   * Appends a copy of a chunk. Returns false if there is no room for it. A wait for room would cost
   * more: the runtime keeps reading by itself, up to 1.5 MB for each connection.
   */
  append(chunk: Uint8Array<ArrayBuffer>): boolean {
    const end = this.end + chunk.length;
    if (end > this.#claimed && end <= this.bytes.length && !this.#claim(end)) return false;
    if (end > this.bytes.length) {
      const capacity = this.bytes.length === 0 ? end : this.#capacityFor(end);
      if (!this.#claim(capacity)) return false;
      if (this.bytes.length === 0) {
        // Most bodies are one chunk.
        this.bytes = chunk;
        this.end = end;
        return true;
      }
      const grown = new Uint8Array(capacity);
      grown.set(this.bytes.subarray(0, this.end));
      freeMemory(this.bytes);
      this.bytes = grown;
    }
    this.bytes.set(chunk, this.end);
    this.end = end;
    freeMemory(chunk);
    return true;
  }

  /** Claims the memory of the parsed body. It cannot fail: one body at a time is parsed. */
  claimMore(bytes: number): void {
    this.#budget.resize(this.#claimed, this.#claimed + bytes);
    this.#claimed += bytes;
  }

  parse(): unknown {
    const { bytes, end } = this;
    const text = DECODER.decode(end === bytes.length ? bytes : bytes.subarray(0, end));
    freeMemory(this.bytes);
    return JSON.parse(text);
  }

  release(): void {
    clearTimeout(this.#timer);
    freeMemory(this.bytes);
    this.#budget.resize(this.#claimed, 0);
    this.#claimed = 0;
  }

  /** Includes all that is reserved: pages that are not written to take no memory. */
  #capacityFor(end: number): number {
    return Math.max(end, this.#claimed, Math.min(2 * this.bytes.length, this.#maxBytes));
  }

  /** Claims at least this number of bytes. Returns false if there is no room. */
  #claim(bytes: number): boolean {
    if (bytes <= this.#claimed) return true;
    if (!this.#budget.tryResize(this.#claimed, bytes)) return false;
    this.#claimed = bytes;
    return true;
  }
}

const DECODER = new TextDecoder();
